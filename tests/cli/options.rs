//! Options do what they do in llama-cli, or say that they mean nothing here.

use super::{GOLDEN_A, MODEL, PROMPT, STORY, b158, common, out, refusal, said, temporary};

const BOS: &str = "<|begin_of_text|>";

fn ids(text: &str, extra: &[&str]) -> Vec<String> {
    let printed = out(&[&["tokenize", "-q", "-m", MODEL], extra].concat(), text);
    printed.split_whitespace().map(str::to_owned).collect()
}

/// The story model's greedy words, without a note on standard error.
fn story(extra: &[&str]) -> String {
    out(&[&["run", "-q", "-m", MODEL, "-n", "8", "--temp", "0"], extra].concat(), "")
}

#[test]
fn begin_of_text_comes_once() {
    let counted = |prompt: &str| {
        let output = b158(&["run", "-m", MODEL, "-p", prompt, "--temp", "0", "-n", "8"], "");
        let said = said(&output.stderr);
        let tokens = said.split("prompt ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        (String::from_utf8(output.stdout).unwrap(), tokens)
    };
    assert_eq!(counted(&format!("{BOS}{PROMPT}")), counted(PROMPT));
    let plain = ids(PROMPT, &[]);
    assert_eq!(counted(&format!(r"\x3c|begin_of_text|>{PROMPT}")), counted(PROMPT));
    assert_eq!(ids(PROMPT, &["--parse-special"]), plain);
    assert_eq!(ids("", &["--parse-special"]), plain[..1]);
    // llama-tokenize gives two, with a warning.
    let warned = b158(&["tokenize", "-m", MODEL, "--parse-special"], format!("{BOS}{PROMPT}"));
    assert!(said(&warned.stderr).contains("begin-of-text") && warned.status.success());
    assert_eq!(String::from_utf8(warned.stdout).unwrap().trim_end(), format!("{} {}", plain[0], plain.join(" ")));
    for (text, extra) in
        [(PROMPT.to_owned(), ""), (format!("{BOS}{PROMPT}"), "--no-bos"), (format!("{BOS}{BOS}"), "--no-bos")]
    {
        let args = ["tokenize", "-m", MODEL, "--parse-special", extra];
        assert!(
            !said(&b158(&args[..if extra.is_empty() { 4 } else { 5 }], text).stderr).contains("begin-of-text"),
            "{extra}"
        );
    }
    assert_eq!(ids(&format!("{BOS}{PROMPT}"), &["--parse-special", "--no-bos"]), plain);
    assert_eq!(ids(PROMPT, &["--parse-special", "--no-bos"]), plain[1..]);
    // Without --parse-special it is text like any other.
    assert!(ids(&format!("{BOS}{PROMPT}"), &[]).len() > plain.len() + 3);
    // Elsewhere than at the beginning it stays.
    let inside = ids(&format!("a{BOS}b"), &["--parse-special"]);
    assert_eq!(inside.iter().filter(|id| **id == plain[0]).count(), 2, "{inside:?}");
    let off = ["--parse-special", "--override-kv", "tokenizer.ggml.add_bos_token=bool:false"];
    assert_eq!((ids(&format!("{BOS}{PROMPT}"), &off), ids(PROMPT, &off)), (plain.clone(), plain[1..].to_vec()));
}

#[test]
fn a_prompt_from_a_file_is_the_prompt_without_its_last_line_feed() {
    let path = temporary("prompt.txt");
    let file = path.to_str().unwrap();
    let from_file = |bytes: &str| {
        std::fs::write(&path, bytes).unwrap();
        story(&["-f", file])
    };
    let expected = story(&["-p", PROMPT]);
    for end in ["", "\n", "\r\n"] {
        assert_eq!(from_file(&format!("{PROMPT}{end}")), expected, "{end:?}");
    }
    for (bytes, prompt) in [
        (format!("{PROMPT}\n\n"), format!("{PROMPT}\n")),
        (format!("{PROMPT}\r\n\r\n"), format!("{PROMPT}\r\n")),
        (format!("{PROMPT}\r"), format!("{PROMPT}\r")),
        ("One.\\nTwo.\n".into(), "One.\nTwo.".into()),
        ("\n".into(), String::new()),
        (String::new(), String::new()),
    ] {
        assert_eq!(from_file(&bytes), story(&["--no-escape", "-p", &prompt]), "{bytes:?}");
    }
    std::fs::write(&path, b"Once \xff").unwrap();
    assert!(refusal(&["run", "-m", MODEL, "-f", file]).contains("prompt.txt: it is not UTF-8 at byte 5"));
}

#[test]
fn escapes_in_a_prompt_are_read_unless_that_is_off() {
    let lines = story(&["-p", "One.\nTwo.\t\"3\""]);
    for args in [
        &["-p", r#"One.\nTwo.\t\"3\""#][..],
        &["-e", "-p", r"One.\x0aTwo.\x09\x223\x22"],
        &["--no-escape", "-e", "-p", r#"One.\nTwo.\t\"3\""#],
    ] {
        assert_eq!(story(args), lines, "{args:?}");
    }
    let echoed = |args: &[&str]| out(&[&["run", "-q", "-m", MODEL, "-n", "0", "--echo"], args].concat(), "");
    assert_eq!(echoed(&["-p", r"a\nb\\n\q"]), "a\nb\\n\\q\n");
    assert_eq!(echoed(&["--no-escape", "-p", r"a\nb\\n\q"]), "a\\nb\\\\n\\q\n");
    assert_eq!(echoed(&["-e", "--no-escape", "-p", r"a\n"]), "a\\n\n");
    assert!(refusal(&["run", "-m", MODEL, "-p", r"a\xff"]).contains("-p: its escapes"));
    assert_eq!(echoed(&["-p", "-n is a dash"]), "-n is a dash\n");
}

#[test]
fn numbers_below_their_range_mean_what_they_mean_there() {
    let greedy = story(&["-p", PROMPT]);
    for extra in [&["--temp", "-1"][..], &["--temp", "-0.5"], &["--temperature", "0"], &["--temp", "5", "--temp", "0"]]
    {
        assert_eq!(
            out(&[&["run", "-q", "-m", MODEL, "-p", PROMPT, "-n", "8"], extra].concat(), ""),
            greedy,
            "{extra:?}"
        );
    }
    let drawn = |extra: &[&str]| {
        out(&[&["run", "-q", "-m", MODEL, "-p", PROMPT, "-n", "30", "--temp", "1.5", "-s", "7"], extra].concat(), "")
    };
    let all = drawn(&["--top-k", "0"]);
    assert_eq!((drawn(&["--top-k", "-1"]), drawn(&["--top_k", "-40"])), (all.clone(), all.clone()));
    assert_eq!(drawn(&["--top-k", "100000000000"]), all);
    assert_ne!(drawn(&["--top-k", "1"]), all);
    // -1 and -2 tokens, and context 0: to the end of the model's own context.
    let context = ["run", "-m", GOLDEN_A, "--prompt-ids", "1 2", "--ids", "--ignore-eos", "--temp", "0"];
    let json: serde_json::Value = serde_json::from_str(&out(&["inspect", "--json", GOLDEN_A], "")).unwrap();
    let trained = json["metadata"]["bitnet-b1.58.context_length"].as_u64().unwrap();
    for extra in [["-n", "-1", "-c", "0"], ["-n", "-2", "-c", "0"], ["--n-predict", "-1", "--ctx_size", "0"]] {
        let text = out(&[&context[..], &extra].concat(), "");
        assert_eq!(text.split_whitespace().count() as u64, trained - 2, "{extra:?}");
    }
    assert_eq!(out(&[&context[..], &["-n", "-2", "-c", "20"]].concat(), "").split_whitespace().count(), 18);
    let threads = |t: &str| story(&["-p", PROMPT, "-t", t]);
    assert_eq!((threads("-1"), threads("0")), (greedy.clone(), greedy.clone()));
}

#[test]
fn a_random_seed_is_another_each_time_and_printed() {
    let args = ["run", "-m", MODEL, "-p", PROMPT, "-n", "40", "--temp", "1.5", "--top-k", "0", "--seed"];
    let drawn = |seed: &str| {
        let output = b158(&[&args[..], &[seed]].concat(), "");
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), said(&output.stderr))
    };
    let [first, second] = ["-1", "-1"].map(drawn);
    let seed = |said: &str| said.lines().find_map(|line| line.strip_prefix("seed ")).map(str::to_owned);
    let known = seed(&first.1).unwrap();
    assert_ne!(seed(&first.1), seed(&second.1));
    assert_ne!(first.0, second.0);
    assert_eq!(drawn(&known).0, first.0, "the seed that was printed gives the text again");
    assert_eq!(seed(&drawn("7").1), None);
    let chat = b158(&["chat", "-m", MODEL, "-n", "2", "-s", "-1"], "Hello\nAgain\n");
    assert_eq!(said(&chat.stderr).matches("seed ").count(), 1);
}

#[test]
fn options_without_a_meaning_here_are_named_and_change_nothing() {
    let greedy = story(&["-p", PROMPT]);
    for extra in [
        &["-ngl", "99"][..],
        &["--n-gpu-layers", "all"],
        &["--no-mmap"],
        &["--mlock"],
        &["-no-cnv"],
        &["-cnv"],
        &["-st"],
        &["-fa"],
        &["-fa", "on"],
        &["-ub", "512"],
        &["--no-warmup"],
        &["--color"],
        &["-tb", "2"],
        &["--numa", "distribute"],
        &["--simple-io"],
        &["--jinja"],
        &["-v"],
    ] {
        let output = b158(&[&["run", "-m", MODEL, "-p", PROMPT, "-n", "8", "--temp", "0"], extra].concat(), "");
        let said = said(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), greedy, "{extra:?}: {said}");
        let notes: Vec<_> = said.lines().filter(|line| line.contains("means nothing here")).collect();
        assert!(notes.len() == 1 && notes[0].starts_with(&format!("note: {} ", extra[0])), "{extra:?}: {said}");
        let quiet = b158(&[&["run", "-q", "-m", MODEL, "-p", PROMPT, "-n", "1"], extra].concat(), "");
        assert!(quiet.status.success() && quiet.stderr.is_empty(), "{extra:?}");
    }
    // These do here what they do there.
    for extra in
        [&["--no-display-prompt"][..], &["--echo", "--no-display-prompt"], &["-b", "512"], &["--log-disable"], &["-e"]]
    {
        let output = b158(&[&["run", "-m", MODEL, "-p", PROMPT, "-n", "8", "--temp", "0"], extra].concat(), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), greedy, "{extra:?}");
        assert!(!said(&output.stderr).contains("means nothing"), "{extra:?}");
    }
    assert_eq!(story(&["-p", PROMPT, "--display-prompt"]), format!("{PROMPT}{greedy}"));
    let text = temporary("options.txt");
    std::fs::write(&text, common::TOLD.map(|(prompt, told)| format!("{prompt}{told}\n")).concat()).unwrap();
    let args = ["perplexity", "-m", MODEL, "-f", text.to_str().unwrap(), "-c", "64", "--chunks", "-1"];
    assert_eq!(out(&[&args[..], &["-ngl", "9", "--no-mmap"]].concat(), ""), out(&args[..7], ""));
}

#[test]
fn a_control_token_ends_an_answer_by_its_name() {
    let eot = ids("<|eot_id|>", &["--parse-special", "--no-bos"]);
    let [eot] = &eot[..] else { panic!("{eot:?}") };
    let always = format!("{eot}+1000");
    let run = |extra: &[&str]| story(&[&["-p", PROMPT, "-l", &always], extra].concat());
    let count = |extra: &[&str]| run(&[extra, &["--ids"]].concat()).split_whitespace().count();
    assert_eq!(count(&["--ignore-eos"]), 8);
    assert_eq!(count(&["--ignore-eos", "-r", "<|eot_id|>"]), 0);
    assert_eq!(count(&["--ignore-eos", "-r", "fox", "-r", r"<\x7ceot_id|>"]), 0);
    assert_eq!(count(&["--ignore-eos", "-r", "<|eot_id|"]), 8, "the name of no token");
    assert_eq!(count(&["--ignore-eos", "-r", BOS]), 8, "another token");
    // Its name in the text, where that is asked for, and nowhere else.
    assert_eq!(run(&["--ignore-eos"]), "\n");
    assert_eq!(run(&["--ignore-eos", "-sp"]), "<|eot_id|>".repeat(8) + "\n");
    assert_eq!(run(&["--special"]), "<|eot_id|>\n");
    let told = story(&["-p", PROMPT, "-sp"]);
    assert!(STORY.starts_with(told.trim_end()) && told.len() > 10, "{told}");
    let echoed = out(&["run", "-q", "-m", MODEL, "-p", "Hi", "-n", "0", "--echo", "--special"], "");
    assert_eq!(echoed, format!("{BOS}Hi\n"));
}

#[test]
fn wrong_values_name_the_option_and_what_it_may_be() {
    let run = ["run", "-m", MODEL, "-p", "x", "-n", "1"];
    for (option, value, what) in [
        ("-n", "many", "a number of tokens"),
        ("-n", "-3", "-1 to go on"),
        ("--temp", "hot", "a number"),
        ("--temp", "nan", "a number"),
        ("--top-k", "1.5", "0 or less keeps all"),
        ("--top-p", "2", "between 0 and 1"),
        ("--top-p", "x", "between 0 and 1"),
        ("--min-p", "-1", "between 0"),
        ("--repeat-penalty", "0", "greater than 0"),
        ("--repeat-last-n", "-2", "-1 for all"),
        ("--presence-penalty", "3", "between -2 and 2"),
        ("--frequency-penalty", "x", "between -2 and 2"),
        ("--seed", "-2", "from 0 to 2^64 - 1, or -1"),
        ("-s", "1e3", "-1 for any"),
        ("-l", "5", "29905+1"),
        ("-l", "x+1", "29905+1"),
        ("-t", "-2", "a number of threads"),
        ("-t", "two", "-1 for as many"),
        ("-c", "-1", "0 takes the model's own"),
        ("-c", "1000000", "between 1 and the model's own"),
        ("-b", "0", "1 or more"),
        ("--kv-cache", "q4_0", "f16, f32 or q8_0"),
        ("--token-embedding-type", "x", "auto, file or int8"),
        ("--backend", "x", "scalar"),
        ("-ngl", "lots", "`auto` or `all`"),
        ("-ub", "x", "a number"),
        ("--mirostat", "2", "0 alone"),
    ] {
        let said = refusal(&[&run[..], &[option, value]].concat());
        let named = match option {
            "-n" => "--predict",
            "-s" => "--seed",
            "-l" => "--logit-bias",
            "-t" => "--threads",
            "-c" => "--ctx-size",
            "-b" => "--batch-size",
            "--backend" => "backend",
            other => other,
        };
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains(named) && error.contains(what), "{option} {value}: {said}");
    }
    for args in
        [&["--grammar", "root ::= x"][..], &["--lora", "x"], &["-hf", "x"], &["--samplers", "k"], &["-ctk", "f16"]]
    {
        let said = refusal(&[&run[..], args].concat());
        assert!(said.starts_with("error: ") && said.contains(args[0]), "{args:?}: {said}");
    }
}
