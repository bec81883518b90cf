//! Answers as they are made.

use crate::server::{Server, endless};
use serde_json::{Value, json};

fn stream(body: &Value) -> Value {
    let mut body = body.clone();
    body["stream"] = json!(true);
    body
}

#[test]
fn a_talk_in_chunks_is_the_talk() {
    let server = Server::new(&[]);
    let body = json!({
        "messages": [{ "role": "user", "content": "What color is the sky?" }], "temperature": 0, "logprobs": true,
    });
    let whole = server.post("/v1/chat/completions", &body).ok();
    for usage in [false, true] {
        let mut asked = stream(&body);
        asked["stream_options"] = json!({ "include_usage": usage });
        let answer = server.post("/v1/chat/completions", &asked);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        assert_eq!(answer.header("content-encoding"), None);
        let mut events = answer.events();
        for field in ["id", "created", "model", "object"] {
            assert!(events.iter().all(|event| event[field] == events[0][field]), "{field}: {events:?}");
        }
        assert_eq!(events[0]["object"], "chat.completion.chunk");
        assert_ne!(events[0]["id"], whole["id"]);
        if usage {
            let last = events.pop().unwrap();
            assert_eq!(
                (&last["choices"], &last["usage"]["total_tokens"]),
                (&json!([]), &whole["usage"]["total_tokens"])
            );
        }
        let choices: Vec<&Value> = events.iter().map(|event| &event["choices"][0]).collect();
        assert_eq!(choices[0]["delta"]["role"], "assistant");
        assert!(choices[1..].iter().all(|choice| choice["delta"].get("role").is_none()), "{choices:?}");
        let (last, others) = choices.split_last().unwrap();
        assert_eq!(last["finish_reason"], "stop");
        assert!(others.iter().all(|choice| choice["finish_reason"].is_null()), "{others:?}");
        let text: String = choices.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(json!(text), whole["choices"][0]["message"]["content"]);
        let of_all = choices.iter().filter_map(|choice| choice["logprobs"]["content"].as_array());
        let logprobs: Vec<&Value> = of_all.flatten().collect();
        assert_eq!(json!(logprobs), whole["choices"][0]["logprobs"]["content"]);
    }
}

#[test]
fn texts_in_chunks_are_the_texts() {
    let server = Server::new(&["--parallel", "2"]);
    let body = json!({ "prompt": ["Once upon a time", "The little dog", "A cat"], "max_tokens": 12, "temperature": 0 });
    let whole = server.post("/v1/completions", &body).ok();
    let mut asked = stream(&body);
    asked["stream_options"] = json!({ "include_usage": true });
    let mut events = server.post("/v1/completions", &asked).events();
    let last = events.pop().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["completion_tokens"]),
        (&json!([]), &whole["usage"]["completion_tokens"])
    );
    for index in 0..3 {
        let choices = events.iter().map(|event| &event["choices"][0]).filter(|choice| choice["index"] == index);
        let choices: Vec<&Value> = choices.collect();
        let text: String = choices.iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(json!(text), whole["choices"][index]["text"]);
        assert_eq!(choices.iter().filter(|choice| !choice["finish_reason"].is_null()).count(), 1);
        assert_eq!(choices.last().unwrap()["finish_reason"], whole["choices"][index]["finish_reason"]);
    }
}

#[test]
fn a_stream_that_fails_on_the_way_says_so_and_is_not_done() {
    let server = Server::new(&["--parallel", "1"]);
    // The second text can't be read, which is found when the first has been written.
    let body = json!({ "prompt": ["Once upon a time", "x ".repeat(3000)], "max_tokens": 3, "stream": true });
    let answer = server.post("/v1/completions", &body);
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
    let last = answer.text().trim_end().rsplit("data: ").next().unwrap();
    let error: Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["code"], "context_length_exceeded");
    server.wait_for("failed on the way");
}

#[test]
fn an_answer_for_nobody_is_not_written() {
    let server = Server::slow(&[]);
    // In the middle of a stream.
    let mut wire = server.wire();
    wire.post("/v1/completions", &[], &stream(&endless(3900)));
    assert_eq!(wire.head().status, 200);
    for _ in 0..3 {
        wire.chunk().unwrap();
    }
    wire.close();
    server.wait_for("the client has gone");
    server.rest();
    // Waiting for the whole of it; in the queue, too; with bytes behind the request, as some old clients send.
    let mut wires: Vec<_> = (0..8).map(|_| server.wire()).collect();
    for (index, wire) in wires.iter_mut().enumerate() {
        wire.post("/v1/completions", &[], &endless(3900));
        if index % 2 == 0 {
            wire.send("\r\n");
        }
    }
    let begun = std::time::Instant::now();
    while server.get("/health").ok()["queue_length"] == 0 {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    drop(wires);
    server.rest();
    let jobs = |end: &str| {
        let name = format!("b158_jobs_total{{end=\"{end}\"}} ");
        let page = server.get("/metrics");
        page.text().lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
    };
    assert_eq!((jobs("done"), jobs("cancelled")), ("0".to_owned(), "9".to_owned()));
    server.post("/v1/completions", &endless(2)).ok();
}
