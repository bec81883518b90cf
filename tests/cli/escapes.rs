//! What files, arguments and models say reaches the terminal spelled out, never as something that it obeys.

use super::{MODEL, PROMPT, b158, common, out, temporary};
use b158::gguf::{Decoder, Event, Limits, Metadata, TensorDeclaration, Value, Writer};
use std::process::Output;

/// Clears the screen, sets the title, rings, goes back, forges a line, in C0 and C1; turns the order of what follows.
const HOSTILE: &str = "a\x1b[2J\x1b]0;title\x07b\x08\r\nerror: forged\x7f\u{9b}31m\u{202e}c";

/// The story model with other keys and names.
fn remade(change: impl FnOnce(&mut Metadata, &mut Vec<TensorDeclaration>)) -> Vec<u8> {
    let mut decoder = Decoder::new(Limits::default());
    let mut bytes = common::STORIES;
    loop {
        let (taken, event) = decoder.push(bytes).unwrap();
        if event == Event::Tensors {
            break;
        }
        bytes = &bytes[taken..];
    }
    let mut metadata = decoder.metadata().clone();
    let declaration = |t: &b158::gguf::TensorInfo| TensorDeclaration {
        name: t.name.clone(),
        dims: t.dims.clone(),
        kind: t.kind.into(),
    };
    let mut declarations: Vec<_> = decoder.tensors().iter().map(declaration).collect();
    change(&mut metadata, &mut declarations);
    let mut writer = Writer::new(Vec::new(), &metadata, &declarations).unwrap();
    for tensor in decoder.tensors() {
        let from = (decoder.data_offset().unwrap() + tensor.offset) as usize;
        writer.write_tensor_data(&common::STORIES[from..from + tensor.size as usize]).unwrap();
    }
    writer.finish().unwrap()
}

fn file(name: &str, bytes: &[u8]) -> String {
    let path = temporary(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a terminal would obey, but for line feeds.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c))
}

/// Nothing on standard error, nor on standard output if that is for people, moves a cursor or forges a line.
fn harmless(output: &Output, what: &str) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    for text in [&out, &err] {
        assert!(
            obeyed(text).is_none() && !text.lines().any(|line| line.starts_with("error: forged")),
            "{what}: {text:?}"
        );
    }
    assert!(!err.contains("panicked"), "{what}: {err}");
    (out, err)
}

#[test]
fn names_keys_and_tensors_of_a_file_are_spelled() {
    let named = remade(|metadata, _| {
        metadata.insert("general.name", Value::String(HOSTILE.into()));
        metadata.insert(HOSTILE, Value::String(HOSTILE.into()));
        metadata.insert("tokenizer.ggml.pre", Value::String(HOSTILE.into()));
    });
    let named = file("hostile-name.gguf", &named);
    for args in [
        &["run", "-m", &named, "-p", "Once", "-n", "1"][..],
        &["chat", "-m", &named, "-n", "1"],
        &["tokenize", "-m", &named],
        &["inspect", &named],
        &["inspect", "--json", &named],
        &["inspect", "--check", &named],
        &["logits", "-m", &named, "--ids", "1 2", "-o", temporary("hostile.f32").to_str().unwrap()],
        &["bench", "-m", &named, "-p", "1", "-n", "1", "-r", "1"],
        &["perplexity", "-m", &named, "-f", &file("hostile.txt", "A fox. ".repeat(200).as_bytes()), "-c", "64"],
    ] {
        harmless(&b158(args, "Hello\n"), &format!("{args:?}"));
    }
    let (shown, _) = harmless(&b158(&["inspect", &named], ""), "inspect");
    assert!(
        shown.contains("general.name = ") && shown.contains("\\x1b[2J\\x1b]0;title\\x07b\\x08\\r\\nerror: forged"),
        "{shown}"
    );
    let json: serde_json::Value = serde_json::from_str(&out(&["inspect", "--json", &named], "")).unwrap();
    assert_eq!((&json["metadata"][HOSTILE], &json["metadata"]["general.name"]), (&HOSTILE.into(), &HOSTILE.into()));

    let mut renamed = remade(|_, tensors| {
        for (i, tensor) in tensors.iter_mut().enumerate() {
            tensor.name = format!("blk.{i}.\x1b[31m\x07\n\u{9b}\u{202e}.weight");
        }
    });
    // The check names tensors that are damaged.
    let middle = renamed.len() / 2;
    renamed[middle..middle + 64].fill(0xff);
    let renamed = file("hostile-tensor.gguf", &renamed);
    for args in [
        &["run", "-m", &renamed, "-p", "Once"][..],
        &["inspect", &renamed],
        &["inspect", "--json", &renamed],
        &["inspect", "--check", &renamed],
    ] {
        let (shown, said) = harmless(&b158(args, ""), &format!("{args:?}"));
        assert!((shown + &said).contains("1b[31m"), "{args:?}: the tensor is named");
    }
}

#[test]
fn values_that_are_refused_are_quoted_spelled() {
    for value in [
        format!("general.architecture=str:{HOSTILE}"),
        format!("tokenizer.ggml.model=str:{HOSTILE}"),
        format!("tokenizer.ggml.pre=str:{HOSTILE}"),
        format!("tokenizer.chat_template=str:{{{{ raise_exception('{HOSTILE}') }}}}"),
        format!("tokenizer.chat_template=str:{{% {HOSTILE} %}}"),
        format!("bitnet-b1.58.hidden_activation=str:{HOSTILE}"),
        format!("general.name=str:{HOSTILE}"),
        format!("{HOSTILE}=str:x"),
        HOSTILE.to_owned(),
    ] {
        for command in ["run", "chat"] {
            let args = [command, "-m", MODEL, "-p", "Once", "-n", "1", "--override-kv", &value];
            harmless(&b158(&args, ""), &format!("{args:?}"));
        }
    }
}

#[test]
fn arguments_are_quoted_spelled() {
    for args in [
        &["run", HOSTILE][..],
        &["run", "-m", HOSTILE, "-p", "x"],
        &["run", "-m", MODEL, "-p", "x", "--temp", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "-n", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "--seed", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "-l", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "--backend", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "--kv-cache", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "-ngl", HOSTILE],
        &["run", "-m", MODEL, "--prompt-ids", HOSTILE],
        &["run", "-m", MODEL, "-f", HOSTILE],
        &["run", "-m", MODEL, "-p", "x", "-n", "1", "--prompt-cache", &format!("no-such-folder/{HOSTILE}")],
        &["run", "-m", MODEL, "-p", r"\xff\x1b"],
        &["run", "-m", MODEL, "-p", "x", &format!("--{HOSTILE}")],
        &["chat", "-m", MODEL, "--system-prompt-file", HOSTILE],
        &["inspect", HOSTILE],
        &["inspect", "--check", HOSTILE],
        &["logits", "-m", MODEL, "--ids", "1", "-o", &format!("no-such-folder/{HOSTILE}")],
        &["perplexity", "-m", MODEL, "-f", HOSTILE],
        &["verify", "-m", MODEL, "--out", "/dev/null", "--prompts", HOSTILE],
        &["synth", "-o", &format!("no-such-folder/{HOSTILE}")],
        &["synth", "--type", HOSTILE, "-o", "x"],
        &["synth", "--preset", HOSTILE, "-o", "x"],
        &[HOSTILE],
    ] {
        let output = b158(args, "");
        assert!(!output.status.success(), "{args:?}");
        let (_, said) = harmless(&output, &format!("{args:?}"));
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn text_that_is_not_for_people_is_exact() {
    let echoed = b158(&["run", "-q", "-m", MODEL, "-p", r"a\x1b[2J\x07b", "-n", "0", "--echo"], "");
    assert_eq!(echoed.stdout, b"a\x1b[2J\x07b\n");
}

#[test]
fn prompts_of_a_file_are_spelled_in_the_summary_and_exact_in_the_results() {
    let prompt = "Once\x1b[2J\u{9b}31m\x07 there was";
    let prompts = file("hostile-prompts.txt", format!("{prompt}\n").as_bytes());
    let folder = temporary("hostile-verify");
    let output =
        b158(&["verify", "-m", MODEL, "--prompts", &prompts, "--out", folder.to_str().unwrap(), "-n", "8"], "");
    let (summary, _) = harmless(&output, "verify");
    assert!(summary.contains("Once\\x1b[2J\\u{9b}31m\\x07"), "{summary}");
    assert!(std::fs::read_to_string(folder.join("results.txt")).unwrap().contains(prompt));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_name_is_spelled_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"hostile-\xff\x1b[2J\xc3.gguf");
    let path = temporary("").join(name);
    let spelled = "hostile-\\xff\\x1b[2J\\xc3.gguf";
    let args = ["run".as_ref(), "-m".as_ref(), path.as_os_str(), "-p".as_ref(), PROMPT.as_ref()];
    let (_, said) = harmless(&b158(&args, ""), "missing");
    assert!(said.contains(spelled), "{said}");
    std::fs::write(&path, &common::STORIES[..100_000]).unwrap();
    assert!(harmless(&b158(&args, ""), "cut").1.contains(spelled));
    std::fs::write(&path, common::STORIES).unwrap();
    assert!(b158(&[&args[..], &["-n".as_ref(), "1".as_ref()]].concat(), "").status.success());
    let written = [
        "logits".as_ref(),
        "-m".as_ref(),
        MODEL.as_ref(),
        "--ids".as_ref(),
        "1".as_ref(),
        "-o".as_ref(),
        path.as_os_str(),
    ];
    assert!(harmless(&b158(&written, ""), "written").1.contains(spelled));
}
