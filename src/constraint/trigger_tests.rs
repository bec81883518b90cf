use super::*;
use proptest::prelude::*;
use std::sync::Mutex;

const VOCABULARY: &[&str] = &[
    "<think>",
    "</think>",
    "<tool_call>",
    "\n",
    "\n\n",
    "{",
    "}",
    "a",
    "<",
    "tool",
    "_call>",
    ">{",
    "_call>\n",
    "_call>\n\n",
    "/",
    "think>",
    "think>\n{",
    " ",
    "{\"name\": \"",
    "{\"na",
    "me\": \"a",
    "<|end|>",
    "",
];

fn id(text: &str) -> u32 {
    VOCABULARY.iter().position(|token| *token == text).unwrap_or_else(|| panic!("{text}")) as u32
}

/// The vocabulary above.
struct Toy;

impl Spell for Toy {
    fn spell(&self, id: u32) -> &[u8] {
        VOCABULARY[id as usize].as_bytes()
    }
}

/// A form that is a `\n`, if it likes, and `{`s and `}`s: it writes down what it is asked.
struct Braces {
    log: Arc<Mutex<Vec<String>>>,
    /// Tells certain bytes where it is asked first.
    certain: bool,
}

impl Braces {
    fn fits(text: &[u8]) -> bool {
        text.strip_prefix(b"\n").unwrap_or(text).iter().all(|byte| b"{}".contains(byte))
    }
}

impl Constraint for Braces {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next> {
        let text: String = taken.iter().map(|&id| VOCABULARY[id as usize]).collect();
        self.log.lock().unwrap().push(text.clone());
        if !Self::fits(text.as_bytes()) {
            return Err(Error::Constraint { reason: text });
        }
        if std::mem::take(&mut self.certain) {
            return Ok(Next::Certain(b"{".to_vec()));
        }
        allowed.fill(0);
        allowed[0] = 1 << id("{") | 1 << id("}");
        Ok(Next::Choice)
    }

    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        if !Self::fits(text) {
            return Ok(false);
        }
        self.log.lock().unwrap().push(format!("begin {}", String::from_utf8_lossy(text)));
        Ok(true)
    }

    fn compile_time(&self) -> Duration {
        Duration::from_millis(3)
    }
}

fn opening(thinks: bool, may_think: bool, trigger: Option<&'static str>, only_first: bool) -> Opening {
    Opening { thinks, may_think, think: Some(0), trigger, only_first }
}

/// What comes of each token: `.` for any, `-` for any but the end, else the letters of the choice; and what the form was asked.
fn run(opening: Opening, tokens: &[&str]) -> (String, Vec<String>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut form = opening.constrain(Box::new(Braces { log: Arc::clone(&log), certain: false }), Toy);
    assert_eq!(form.compile_time(), Duration::from_millis(3));
    let mut told = String::new();
    let mut allowed = [0];
    let mut taken: &[u32] = &[];
    let ids: Vec<u32> = tokens.iter().map(|token| id(token)).collect();
    for at in 0..=ids.len() {
        match form.next(taken, &mut allowed) {
            Ok(Next::Any) => told.push('.'),
            Ok(Next::AnyButEnd) => told.push('-'),
            Ok(Next::Choice) => told.push(if allowed[0] & 1 == 1 { 'T' } else { 'C' }),
            other => told += &format!("{other:?}"),
        }
        taken = &ids[at..(at + 1).min(ids.len())];
    }
    let log = log.lock().unwrap().clone();
    (told, log)
}

#[test]
fn a_form_begins_where_it_should() {
    let tool = Some("<tool_call>");
    for (of, tokens, told, asked) in [
        // No opening: the form itself.
        (opening(false, false, None, false), &["{"][..], "CC", &["", "{"][..]),
        // After a thought of the prompt, white space aside.
        (opening(true, false, None, false), &["a", "</think>", "{"], "--CC", &["begin ", "", "{"]),
        (opening(true, false, None, false), &["<", "/", "think>\n{", "}"], "---CC", &["begin {", "", "}"]),
        // Where the model may think, the first token says whether it does.
        (opening(false, true, None, false), &["<think>", "a", "</think>", "{"], "T--CC", &["", "begin ", "", "{"]),
        (opening(false, true, None, false), &["{", "}"], "TCC", &["", "{", "}"]),
        // Calls: free up to the trigger, however it is cut.
        (opening(false, false, tool, false), &["a", "<tool_call>", "\n", "{"], "..CCC", &["begin ", "", "\n", "{"]),
        (opening(false, false, tool, false), &["<", "tool", "_call>", "{"], "...CC", &["begin ", "", "{"]),
        (opening(false, false, tool, false), &["<", "tool", "_call>\n", "{"], "...CC", &["begin \n", "", "{"]),
        // What the form can't begin with was text; the next one counts.
        (
            opening(false, false, tool, false),
            &["<", "tool", "_call>\n\n", "{", "<tool_call>", "{"],
            ".....CC",
            &["begin ", "", "{"],
        ),
        // In a thought a trigger is text.
        (
            opening(false, true, tool, false),
            &["\n", "<think>", "<tool_call>", "</think>", "\n\n", "<tool_call>", "{"],
            "......CC",
            &["begin ", "", "{"],
        ),
        (
            opening(false, true, tool, false),
            &["<", "think>", "<tool_call>", "</think>", "<tool_call>"],
            ".....C",
            &["begin ", ""],
        ),
        (opening(false, true, tool, false), &["<", "tool", "_call>", "{"], "...CC", &["begin ", "", "{"]),
        // A trigger that counts at the beginning alone.
        (
            opening(false, false, Some("{\"name\": \""), true),
            &["\n", "{\"name\": \"", "{"],
            "..CC",
            &["begin ", "", "{"],
        ),
        (
            opening(false, false, Some("{\"name\": \""), true),
            &["{\"na", "me\": \"a", "{\"name\": \"", "{"],
            ".....",
            &[],
        ),
        (opening(false, false, Some("{\"name\": \""), true), &["a", "{\"name\": \"", "{"], "....", &[]),
        (
            opening(true, false, Some("{\"name\": \""), true),
            &["a", "</think>", "\n", "{\"name\": \"", "}"],
            "....CC",
            &["begin ", "", "}"],
        ),
    ] {
        let (found, log) = run(of, tokens);
        assert_eq!(
            (found.as_str(), &log.iter().map(String::as_str).collect::<Vec<_>>()[..]),
            (told, asked),
            "{of:?} {tokens:?}"
        );
    }
}

#[test]
fn what_is_certain_is_a_choice_beside_a_thought() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let form = Box::new(Braces { log: Arc::clone(&log), certain: true });
    let mut form = opening(false, true, None, false).constrain(form, Toy);
    let mut allowed = [0];
    assert_eq!(form.next(&[], &mut allowed), Ok(Next::Choice));
    assert_eq!(allowed[0], 1 << id("{") | 1 << id("}") | 1);
    // What a thought can't be followed by is an error.
    let mut form = opening(true, false, None, false).constrain(Box::new(Braces { log, certain: false }), Toy);
    assert!(form.next(&[id("</think>")], &mut allowed).is_ok());
    assert!(matches!(form.next(&[id("a")], &mut allowed), Err(Error::Constraint { .. })));
    assert_eq!(form.begin(b"a"), Ok(false));
}

#[test]
fn a_failure_is_not_taken_for_a_text_that_does_not_fit() {
    struct Fails;
    impl Constraint for Fails {
        fn next(&mut self, _: &[u32], _: &mut [u32]) -> Result<Next> {
            Ok(Next::Choice)
        }

        fn begin(&mut self, _: &[u8]) -> Result<bool> {
            Err(Error::Constraint { reason: "it has stopped".to_owned() })
        }
    }
    for of in [
        opening(false, false, Some("<tool_call>"), false),
        opening(false, false, Some("<tool_call>"), true),
        opening(true, false, None, false),
    ] {
        let mut form = of.constrain(Box::new(Fails), Toy);
        let told = form.next(&[id("</think>"), id("<tool_call>")], &mut [0]);
        let told =
            if of.only_first { of.constrain(Box::new(Fails), Toy).next(&[id("<tool_call>")], &mut [0]) } else { told };
        assert!(matches!(&told, Err(Error::Constraint { reason }) if reason.contains("stopped")), "{of:?}: {told:?}");
    }
    // What follows a thought in its last token, and no answer begins with.
    struct Thought;
    impl Spell for Thought {
        fn spell(&self, _: u32) -> &[u8] {
            b"</think>a"
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let braces = Box::new(Braces { log, certain: false });
    let mut form = opening(true, false, None, false).constrain(braces, Thought);
    assert!(matches!(form.next(&[1], &mut [0]), Err(Error::Constraint { .. })));
}

proptest! {
    /// However a text is cut into tokens, the form begins at the same byte.
    #[test]
    fn cuts_make_no_difference(
        words in prop::collection::vec(prop::sample::select(vec!["<think>", "</think>", "<tool_call>", "<", "tool", "_call>", "/", "a", "\n"]), 0..10),
        thinks: bool, may_think: bool, only_first: bool,
    ) {
        let text = words.concat();
        struct Bytes(Vec<u8>);
        impl Spell for Bytes {
            fn spell(&self, id: u32) -> &[u8] {
                std::slice::from_ref(&self.0[id as usize])
            }
        }
        let begins = |step: &mut dyn FnMut(Box<dyn Constraint>)| {
            let log = Arc::new(Mutex::new(Vec::new()));
            step(Box::new(Braces { log: Arc::clone(&log), certain: false }));
            let log = log.lock().unwrap();
            log.iter().any(|line| line.starts_with("begin"))
        };
        let of = opening(thinks, may_think, Some("<tool_call>"), only_first);
        let by_words = begins(&mut |form| {
            let mut form = of.constrain(form, Toy);
            let _ = words.iter().try_for_each(|word| form.next(&[id(word)], &mut [0]).map(|_| ()));
        });
        let by_bytes = begins(&mut |form| {
            let mut form = of.constrain(form, Bytes((0..=255).collect()));
            let _ = text.bytes().try_for_each(|byte| form.begin(&[byte]).map(|_| ()));
        });
        prop_assert_eq!(by_words, by_bytes);
    }
}
