//! `chat`: a message that cannot be answered costs itself, not the conversation.

use super::{MODEL, b158, said, temporary};

/// Refuses the system role.
const NO_SYSTEM: &str = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
    {{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";

/// The answers' prompts in tokens, standard output and standard error of a conversation that ends well.
fn converse(extra: &[&str], input: &[u8]) -> (Vec<usize>, String, String) {
    let output = b158(&[&["chat", "-m", MODEL, "-n", "3", "--temp", "0"], extra].concat(), input);
    let said = said(&output.stderr);
    assert!(output.status.success(), "{extra:?}: {said}");
    let prompt = |line: &str| Some(line.strip_prefix("prompt ")?.split(' ').next()?.parse().unwrap());
    (said.lines().filter_map(prompt).collect(), String::from_utf8(output.stdout).unwrap(), said)
}

fn errors(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("error: ")).collect()
}

#[test]
fn what_a_template_refuses_is_told_and_the_conversation_goes_on() {
    let template = format!("tokenizer.chat_template=str:{NO_SYSTEM}");
    let (answers, out, said) = converse(&["--sys", "Be brief", "--override-kv", &template], b"hello\nand again\n");
    assert!(answers.is_empty() && out.is_empty(), "{out}{said}");
    let errors = errors(&said);
    assert!(errors.len() == 2 && errors.iter().all(|error| error.contains("System role not supported")), "{said}");
    // Without the system message the same conversation is answered, and nothing of what was refused is left in it.
    let (answers, _, said) = converse(&["--override-kv", &template], b"hello\nand again\n");
    assert!(answers.len() == 2 && answers[1] > answers[0], "{said}");

    let no_foxes = "tokenizer.chat_template=str:{% for m in messages %}{% if 'fox' in m.content %}\
        {{ raise_exception('no foxes') }}{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";
    let (with, _, said) = converse(&["--override-kv", no_foxes], b"hello\na fox\nand again\n");
    let (without, ..) = converse(&["--override-kv", no_foxes], b"hello\nand again\n");
    assert!(with == without && self::errors(&said).len() == 1 && said.contains("no foxes"), "{said}");
}

#[test]
fn lines_that_cannot_be_messages_are_told_and_left_out() {
    let (expected, out, _) = converse(&[], b"hello\nand again\n");
    assert_eq!(expected.len(), 2);
    for (input, refused) in [
        (&b"hello\n\xff\xfe\nand again\n"[..], 1),
        (b"\xc3\nhello\n\x80\x81\nand again\nlatin-1: \xe9", 3),
        (b"hello\r\nand again\r\n", 0),
        (b"\n\n  \nhello\n\r\n\t\nand again", 0),
        (b"to be forgotten\n/clear\nhello\nand again\n", 0),
    ] {
        let (answers, text, said) = converse(&[], input);
        let forgotten = answers.len() - 2;
        assert_eq!((&answers[forgotten..], errors(&said).len()), (&expected[..], refused), "{said}");
        assert!(text.ends_with(&out) && errors(&said).iter().all(|error| error.contains("not UTF-8")), "{text}{said}");
    }
    let long =
        ["hello\n".as_bytes(), &[b'x'; (16 << 20) + 1], b"\n", "word ".repeat(5000).as_bytes(), b"\nand again\n"]
            .concat();
    let (answers, _, said) = converse(&[], &long);
    assert_eq!(answers, expected, "{said}");
    let errors = errors(&said);
    assert!(
        errors.len() == 2 && errors[0].contains("longer than") && errors[1].contains("the context holds"),
        "{said}"
    );
    assert!(errors[1].contains("/clear"), "{said}");
}

#[test]
fn a_conversation_without_messages_is_a_quiet_end() {
    for input in [&b""[..], b"\n", b"\r\n\n", b"/clear\n"] {
        let (answers, out, said) = converse(&[], input);
        assert!(answers.is_empty() && out.is_empty() && errors(&said).is_empty(), "{said}");
    }
}

#[test]
fn the_first_message_may_be_an_option_and_the_only_one() {
    let (expected, answers, _) = converse(&[], b"Tell me a story.\nAnd another.\n");
    let path = temporary("conversation.txt");
    std::fs::write(&path, "Tell me a story.\n").unwrap();
    let file = path.to_str().unwrap();
    for first in [&["-p", "Tell me a story."][..], &["-f", file]] {
        assert_eq!(converse(first, b"And another.\n").0, expected, "{first:?}");
        let (one, answer, _) = converse(&[first, &["-st"]].concat(), b"And another.\n");
        assert!(one == expected[..1] && answers.starts_with(&answer), "{first:?}");
    }
    assert_eq!(converse(&["--single-turn"], b"\nTell me a story.\nAnd another.\n").0, expected[..1]);
    let (with_system, ..) = converse(&["-sys", "Tell me a story."], b"x\n");
    assert_eq!(converse(&["-sysf", file], b"x\n").0, with_system);
    assert!(with_system[0] > converse(&[], b"x\n").0[0]);
}
