//! Texts written for these tests: a few sentences a language, a few lines a programming language.

pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    (
        "English",
        "The ferry leaves at half past six, doesn't it? I've packed bread, cheese and two apples. \
         \"We'll see,\" said Mary-Ann; she hadn't been to the island since '09.",
    ),
    (
        "German",
        "Der Bäcker öffnet früh, aber die Straßenbahn fährt erst später. Größere Übungen fürs \
         Donaudampfschifffahrtskapitänspatent gab's gestern nicht.",
    ),
    (
        "French",
        "L'été dernier, nous avons loué une maison près de l'étang. « Où est passé le garçon ? » \
         demanda-t-elle ; c'était déjà Noël, et l'œuf n'avait pas cuit.",
    ),
    ("Spanish", "¿Dónde está la llave? ¡Qué sorpresa! Mañana el niño irá al colegio con su abuela y comerá piñones."),
    ("Portuguese", "Amanhã não haverá pão; a irmã do João comprou maçãs. Vê-lo-ei na estação às três horas."),
    ("Italian", "Perché non c'è più caffè? L'amico dell'oste è già partito, e la città dorme finché non piove."),
    ("Dutch", "'s Ochtends fietst Jan naar zijn werk; 't regent wéér. De ideeën zijn gecoördineerd, zo'n geluk!"),
    ("Swedish", "På ön växer åtta gröna äppelträd, och lördagskvällen luktar av nybakat bröd."),
    ("Icelandic", "Þórður á sjö hesta og ætlar að ríða yfir ána á morgun, ef veðrið verður gott."),
    ("Finnish", "Hyvää yötä! Työpöydällä on viisi kynää, joista yksikään ei kirjoita enää kunnolla."),
    ("Hungarian", "Az őszi szőlő édes, a hűtőszekrényben pedig tizenöt tükörtojás várja az éhes vendégeket."),
    ("Polish", "Źle się czuję, bo wczoraj zjadłem za dużo pączków; proszę o gorącą herbatę z cytryną."),
    ("Czech", "Příště přijedeme dřív, řekl řidič. Žlutý kůň šel úplně sám přes most."),
    ("Turkish", "İstanbul'da ılık bir akşamdı; çocuklar ağacın altında üşüyen kediye süt götürdüler."),
    ("Vietnamese", "Sáng nay trời mưa rất to, nên chúng tôi ở nhà nấu phở và kể chuyện cũ."),
    ("Indonesian", "Anak-anak berlari-lari di pantai, lalu membeli es kelapa seharga Rp15.000."),
    ("Swahili", "Mvua ilinyesha usiku kucha, lakini ng'ombe wetu walikuwa salama zizini."),
    ("Yoruba", "Ọmọ náà ra ẹ̀wà àti iṣu ní ọjà; ìyá rẹ̀ sì ṣe oúnjẹ alẹ́."),
    ("Russian", "Вчера шёл снег, а сегодня уже тепло. «Кто там?» — спросил дед, открывая старую дверь."),
    ("Ukrainian", "Її подруга приїхала з п'ятьма ґудзиками в кишені та привезла свіжий хліб."),
    ("Serbian", "Њихов џеп је пун љешника, а Ђорђе ћути крај огњишта."),
    ("Mongolian", "Өнөөдөр салхитай байна, гэвч морьд уулын энгэрт тайван идэшлэнэ."),
    ("Greek", "Το πρωί ήπιαμε καφέ στην αυλή· μετά ο παππούς μάς είπε μια ιστορία. Πού πάμε αύριο;"),
    ("Greek with breathings", "Ὁ γέρων ᾄδει περὶ τῆς θαλάσσης, καὶ οἱ παῖδες ἀκούουσιν."),
    ("Armenian", "Այսօր մենք գնացինք շուկա և գնեցինք նուռ։ Ո՞ւր է իմ գլխարկը։"),
    ("Georgian", "დღეს მზე ანათებს, მაგრამ მთაში თოვლი ჯერ კიდევ არ გამდნარა."),
    ("Hebrew", "הַיֶּלֶד אָכַל תפוח בגינה, ואמא אמרה: \"מחר ניסע לים, ב-9:30\"."),
    ("Arabic", "ذهبَ الولدُ إلى السوقِ واشترى ٣ تفاحات؛ هل رأيتَ القمرَ البارحة؟"),
    ("Persian", "دیروز برف می‌بارید و کتاب‌های من روی میز ماند؛ ساعت ۱۲ برمی‌گردم."),
    ("Urdu", "آج موسم بہت اچھا ہے، چلو باغ میں چائے پیتے ہیں۔"),
    ("Hindi", "कल रात बहुत बारिश हुई, इसलिए बच्चों ने छत पर क्रिकेट नहीं खेला। कृपया १२३ पन्ने पढ़िए।"),
    ("Marathi", "आजीने गरम पुरणपोळी केली आणि आम्ही सर्वांनी मिळून खाल्ली."),
    ("Bengali", "নদীর ধারে বসে আমরা গান গাইলাম; সূর্যাস্তের রঙ ছিল লাল।"),
    ("Tamil", "மழை பெய்ததால் நாங்கள் வீட்டிலேயே இருந்து கதை சொன்னோம்."),
    ("Telugu", "ఈ రోజు ఉదయం మా అమ్మమ్మ తోటలో పూలు కోసింది."),
    ("Sinhala", "ළමයා ගස යට ඉඳගෙන පොතක් කියවයි."),
    ("Thai", "เมื่อวานฝนตกหนักมากจนน้ำท่วมถนน เราจึงนั่งกินก๋วยเตี๋ยวอยู่บ้านทั้งวัน ๒๕๖๗"),
    ("Lao", "ມື້ນີ້ອາກາດດີ ພວກເຮົາໄປຕະຫຼາດຊື້ເຂົ້າຈີ່"),
    ("Khmer", "ថ្ងៃនេះមេឃស្រឡះ ហើយក្មេងៗលេងនៅក្រោមដើមស្វាយ។"),
    ("Burmese", "မနက်ဖြန် ကျွန်တော်တို့ မြစ်ကမ်းနားမှာ ငါးဖမ်းကြမယ်။"),
    ("Tibetan", "དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག"),
    ("Amharic", "ዛሬ ጠዋት ቡና ጠጣን፤ ከዚያም ወደ ገበያ ሄድን።"),
    ("Chinese, simplified", "昨天下了一场大雪,孩子们在院子里堆雪人。“你冷不冷?”奶奶问,然后端来了3碗热汤。"),
    ("Chinese, traditional", "圖書館旁邊的麵包店，每天早上七點半開門；今天卻沒有燈光……"),
    (
        "Japanese",
        "昨日は友だちとラーメンを食べに行った。「おいしかったね！」と言いながら、ｶﾀｶﾅの看板を１２回も数えた。",
    ),
    ("Korean", "오늘은 바람이 많이 불어서 창문을 닫고 김치찌개를 끓였다. 값이 2,500원이라고요?"),
    ("Cherokee", "ᎣᏏᏲ ᏙᎯᏧ"),
    ("Runes and old scripts", "ᚠᚢᚦᚨᚱᚲ 𐌰𐌹𐌽𐍃 𒀭𒈹 𓂀𓃭 𐤀𐤁"),
];

pub(crate) const CODE: &[(&str, &str)] = &[
    (
        "Rust",
        "fn longest<'a>(x: &'a str, y: &'a str) -> &'a str {\n    if x.len() >= y.len() { x } else { y }\n}\n\n\
         #[derive(Debug)]\nstruct Point<const N: usize>([f64; N]); // let's see: 0x7fff_u16 as i32 << 3\n",
    ),
    (
        "Python",
        "def mean(values: list[float]) -> float:\n    \"\"\"Don't call it with nothing.\"\"\"\n    \
         total = 0.0\n    for i, v in enumerate(values):\n        total += v ** 1\n\n    return total/len(values)\n\n\n\
         print(f'{mean([1, 2.5, 3e-7])!r:>12}')\n",
    ),
    (
        "C",
        "#include <stdio.h>\r\n\r\nint main(void)\r\n{\r\n\tfor (int i = 0; i < 100; ++i)\r\n\t\t\
         printf(\"%3d\\t%#x\\n\", i, i & ~0xF);\r\n\treturn 0; /* done */\r\n}\r\n",
    ),
    (
        "JavaScript",
        "const pick = async ({ url, tries = 3 }) => {\n  const r = await fetch(`${url}?t=${Date.now()}`);\n  \
         return r.ok ? r.json() : tries-- > 0 && pick({ url, tries });\n};\n// it's `undefined` !== null\n",
    ),
    ("Go", "package main\n\nfunc sum(xs ...int) (n int) {\n\tfor _, x := range xs {\n\t\tn += x\n\t}\n\treturn\n}\n"),
    (
        "Java",
        "public final class Box<T extends Comparable<? super T>> {\n    private T v;\n\n    \
         @Override public String toString() { return \"Box[\" + v + \"]\"; }\n}\n",
    ),
    ("Haskell", "quick :: Ord a => [a] -> [a]\nquick [] = []\nquick (p:xs) = quick [x | x <- xs, x < p] ++ p : xs'\n"),
    (
        "SQL",
        "SELECT o.id, COUNT(*) AS n FROM orders o\n  LEFT JOIN items i ON i.order_id = o.id\n WHERE o.name <> 'D''Arcy';\n",
    ),
    (
        "Shell",
        "for f in *.tar.gz; do\n\t[ -e \"$f\" ] || continue\n\ttar -xzf \"$f\" -C \"${OUT:-/tmp}\" 2>&1 | tee log_$$\ndone\n",
    ),
    ("Make", "%.o: %.c $(HEADERS)\n\t@$(CC) -O2 -c -o $@ $<\n\n.PHONY: all\nall:\t;\n"),
    (
        "HTML",
        "<!doctype html>\n<p class=\"x-y\" onclick='go(\"a\")'>Caf&eacute; &amp; b&#233;b&#xE9;<br/></p><!-- end -->\n",
    ),
    ("CSS", ".card::after{content:\"\\201C\";margin:0 -1.5em calc(100% - 3px)!important}\n"),
    ("JSON", "{\"a\":[1,-2.50e+10,null,true],\n \"b\\u00e9\": {\"c\": \"\\\\n\", \"d\":\"\"}}\n"),
    ("YAML", "steps:\n  - name: &x \"build: it\"\n    run: |\n      make -j2\n\n      make check\n  - *x\n"),
    (
        "LaTeX",
        "\\begin{align*}\n  \\int_{0}^{\\infty} e^{-x^2}\\,dx &= \\tfrac{\\sqrt{\\pi}}{2} \\\\ % half\n\\end{align*}\n",
    ),
    ("Assembler", "loop:\tvpmaddubsw\tymm1, ymm2, [rsi+rcx*8-32]\n\tdec\tecx\n\tjnz\t.loop\t\t; 0FFh\n"),
    ("Diff", "@@ -1,4 +1,4 @@\n-old line \n+new line\t\n  context\n\\ No newline at end of file\n"),
    ("APL", "life←{↑1 ⍵∨.∧3 4=+/,¯1 0 1∘.⊖¯1 0 1∘.⌽⊂⍵}\n"),
    ("Arithmetic", "1 + 1 = 2; 3.14159*10^-3 <= 0.5 ~= |x|; 12,345.678$ 50% ½ ¾ Ⅻ ⑳ x² H₂O 1/2≠⅓ ±7"),
    ("Addresses", "https://example.org:8080/a_b/c-d?q=1&r=%20#top user.name+tag@example.co.uk C:\\Temp\\new.txt ::1"),
];
