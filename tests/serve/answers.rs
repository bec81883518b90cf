//! Whole answers of each kind, and what is refused.

use crate::server::{MODEL, Server};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

fn talk(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

#[test]
fn an_answer_to_a_talk() {
    let server = Server::new(&[]);
    let answer = server
        .post("/v1/chat/completions", &json!({ "messages": talk("What color is the sky?"), "temperature": 0 }))
        .ok();
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], "The sky is blue.");
    assert_eq!(
        (&choice["finish_reason"], &choice["index"], &choice["logprobs"]),
        (&json!("stop"), &json!(0), &Value::Null)
    );
    let usage = &answer["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(count("total_tokens"), count("prompt_tokens") + count("completion_tokens"));
}

#[test]
fn fields_that_nobody_heeds_are_named() {
    let server = Server::new(&[]);
    let body = json!({ "messages": talk("Hello!"), "max_tokens": 2, "keep_alive": "5m", "chat_id": "a\r\nX-Forged: 1", "\u{1b}[2Jé,x": 1 });
    let answer = server.post("/v1/chat/completions", &body);
    answer.ok();
    let told = answer.header("x-ignored-fields").unwrap().to_owned();
    assert!(told.contains("keep_alive") && told.contains("chat_id"), "{told}");
    assert!(told.is_ascii() && answer.header("x-forged").is_none(), "{answer:?}");
    let line = server.wait_for("ignored:");
    assert!(
        line.contains("POST /v1/chat/completions 200") && line.contains(&told) && !line.contains('\u{1b}'),
        "{line}"
    );
    assert_eq!(
        server
            .post("/v1/chat/completions", &json!({ "messages": talk("Hello!"), "max_tokens": 2 }))
            .header("x-ignored-fields"),
        None
    );
    let error =
        server.post("/v1/chat/completions", &json!({ "messages": talk("Hello!"), "tempreature": 0.5 })).error(400);
    assert!(error["message"].as_str().unwrap().contains("tempreature"), "{error}");
}

#[test]
fn a_request_without_a_seed_can_be_asked_again() {
    let server = Server::new(&[]);
    let body =
        |seed: Value| json!({ "prompt": "Once upon a time", "temperature": 1.5, "max_tokens": 30, "seed": seed });
    let first = server.post("/v1/completions", &body(Value::Null));
    let second = server.post("/v1/completions", &body(Value::Null));
    assert_ne!(first.ok()["choices"], second.ok()["choices"]);
    let seed: u64 = first.header("x-seed").unwrap().parse().unwrap();
    server.wait_for(&format!("seed {seed}"));
    let again = server.post("/v1/completions", &body(json!(seed)));
    assert_eq!((&again.ok()["choices"], again.header("x-seed")), (&first.ok()["choices"], None));
    let greedy = server.post("/v1/completions", &json!({ "prompt": "x", "temperature": 0, "max_tokens": 2 }));
    assert_eq!(greedy.header("x-seed"), None);
    let fixed = Server::new(&["--seed", "7"]);
    let of_server = fixed.post("/v1/completions", &body(Value::Null));
    assert_eq!(of_server.header("x-seed"), Some("7"));
    assert_eq!(of_server.ok()["choices"], server.post("/v1/completions", &body(json!(7))).ok()["choices"]);
}

#[test]
fn the_log_has_no_texts() {
    let server = Server::new(&[]);
    let secret = "xyzzy-plugh";
    server.post("/v1/chat/completions", &json!({ "messages": talk(secret), "max_tokens": 2, "user": secret }));
    server.post(&format!("/v1/completions?{secret}"), &json!({ "prompt": secret, "max_tokens": 2, "stop": secret }));
    server.post("/v1/completions", &json!({ "prompt": "a", "max_tokens": secret })).error(400);
    server.post("/v1/completions", &json!({ "prompt": secret.repeat(1000) })).error(400);
    server.post("/tokenize", &json!({ "content": secret }));
    server.get("/health");
    server.wait_for("GET /health 200");
    assert!(!server.said().contains("xyzzy"), "{}", server.said());
}

#[test]
fn each_prompt_of_a_list_goes_on_as_alone() {
    let server = Server::new(&["--parallel", "2"]);
    let texts = ["Once upon a time", "The little dog", "A cat", "One day", "Tom and Sue"];
    let body = |prompt: Value| json!({ "prompt": prompt, "max_tokens": 12, "temperature": 0, "logprobs": 0 });
    let answer = server.post("/v1/completions", &body(json!(texts))).ok();
    assert_eq!(answer["choices"].as_array().unwrap().len(), texts.len());
    let (mut read, mut written) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        let alone = server.post("/v1/completions", &body(json!(text))).ok();
        let choice = &answer["choices"][index];
        assert_eq!((&choice["text"], &choice["index"]), (&alone["choices"][0]["text"], &json!(index)));
        assert_eq!(choice["logprobs"], alone["choices"][0]["logprobs"]);
        read += alone["usage"]["prompt_tokens"].as_u64().unwrap();
        written += alone["usage"]["completion_tokens"].as_u64().unwrap();
    }
    assert_eq!(
        (&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]),
        (&json!(read), &json!(written))
    );
    // As many as nobody has room for at a time.
    let many: Vec<&str> = texts.into_iter().cycle().take(100).collect();
    let answer = server.post("/v1/completions", &json!({ "prompt": many, "max_tokens": 1 })).ok();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 100);
    let error = server.post("/v1/completions", &json!({ "prompt": vec![""; 5000], "max_tokens": 1 })).error(400);
    assert_eq!(error["param"], "prompt");
    // One of them can't be.
    let error =
        server.post("/v1/completions", &json!({ "prompt": ["a", "b ".repeat(2000), "c"], "max_tokens": 1 })).error(400);
    assert_eq!(error["code"], "context_length_exceeded");
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_before_a_stream_begins() {
    let server = Server::new(&[]);
    for stream in [false, true] {
        let long = "The dog and the cat. ".repeat(400);
        let body = json!({ "messages": talk(&long), "stream": stream });
        let error = server.post("/v1/chat/completions", &body).error(400);
        assert_eq!(error["code"], "context_length_exceeded");
        assert!(error["message"].as_str().unwrap().contains("512"), "{error}");
        server.post("/v1/chat/completions", &json!({ "messages": [], "stream": stream })).error(400);
        server.post("/v1/chat/completions", &json!({ "messages": talk("x"), "n": 0, "stream": stream })).error(400);
    }
}

#[test]
fn tokens_are_those_of_the_program() {
    let server = Server::new(&[]);
    let text = "Once upon a time, <|x|> é";
    let mut program = Command::new(env!("CARGO_BIN_EXE_b158"))
        .args(["tokenize", "-m", MODEL, "--parse-special", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let printed = String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap();
    let ids: Vec<u32> = printed.split_whitespace().map(|id| id.parse().unwrap()).collect();
    for field in ["content", "prompt"] {
        let answer = server.post("/tokenize", &json!({ field: text })).ok();
        assert_eq!((&answer["tokens"], &answer["count"]), (&json!(ids), &json!(ids.len())));
    }
    // A completion of these tokens is one of this text.
    let body = |prompt: Value| json!({ "prompt": prompt, "max_tokens": 8, "temperature": 0 });
    let of_text = server.post("/v1/completions", &body(json!(text))).ok();
    let of_ids = server.post("/v1/completions", &body(json!(ids))).ok();
    assert_eq!(of_text["choices"], of_ids["choices"]);
    assert_eq!(of_text["usage"]["prompt_tokens"], json!(ids.len()));
    let counted = server.post("/tokenize", &json!({ "messages": talk("Hello!") })).ok();
    let answered = server.post("/v1/chat/completions", &json!({ "messages": talk("Hello!"), "max_tokens": 1 })).ok();
    assert_eq!(counted["count"], answered["usage"]["prompt_tokens"]);
    server.post("/tokenize", &json!({ "text": "x" })).error(400);
}

#[test]
fn vectors_of_texts() {
    let error = Server::new(&[]).post("/v1/embeddings", &json!({ "input": "a dog" })).error(400);
    assert!(error["message"].as_str().unwrap().contains("no embedding model"), "{error}");
    let server = Server::new(&["--override-kv", "bitnet-b1.58.pooling_type=int:3"]);
    let answer = server.post("/v1/embeddings", &json!({ "input": ["a dog", "a cat"] })).ok();
    let of = |index: usize| answer["data"][index]["embedding"].as_array().unwrap();
    assert_eq!((&answer["object"], of(0).len()), (&json!("list"), of(1).len()));
    let length: f64 = of(0).iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-3, "{length}");
    assert_ne!(of(0), of(1));
    let error = server.post("/v1/embeddings", &json!({ "input": "x ".repeat(3000) })).error(400);
    assert!(error["message"].is_string());
    server.post("/v1/embeddings", &json!({ "input": [] })).error(400);
}

#[test]
fn who_finds_no_place_hears_when_to_come_again() {
    let server = Server::slow(&["--parallel", "1", "--queue", "1"]);
    let long = crate::server::endless(3000);
    let mut first = server.wire();
    first.post("/v1/completions", &[], &long);
    let begun = std::time::Instant::now();
    while server.get("/health").ok()["slots_busy"] == 0 {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    let mut second = server.wire();
    second.post("/v1/completions", &[], &long);
    while server.get("/health").ok()["queue_length"] == 0 {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    for stream in [false, true] {
        let answer = server.post("/v1/completions", &json!({ "prompt": "x", "max_tokens": 1, "stream": stream }));
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
        assert_eq!(answer.error(429)["type"], "rate_limit_error");
    }
    // What needs no place.
    server.post("/tokenize", &json!({ "content": "x" })).ok();
    first.close();
    second.close();
    server.rest();
    server.post("/v1/completions", &json!({ "prompt": "x", "max_tokens": 1 })).ok();
}
