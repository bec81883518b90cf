//! How a server and its connections end, and that it begins where it can.

use crate::server::{MODEL, Server, endless};
use serde_json::json;
use std::net::TcpListener;
use std::process::Command;

#[test]
fn answers_under_way_are_finished_and_nobody_else_is_waited_for() {
    for (name, stream) in [("TERM", true), ("INT", false)] {
        let mut server = Server::slow(&[]);
        let mut body = endless(150);
        body["stream"] = json!(stream);
        let mut under_way = server.wire();
        under_way.post("/v1/completions", &[], &body);
        let mut idle = server.wire();
        assert_eq!(idle.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status, 200);
        let mut silent = server.wire();
        let mut half_head = server.wire();
        half_head.send("POST /v1/comp");
        let mut half_body = server.wire();
        half_body.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{\"prompt\":");
        let begun = std::time::Instant::now();
        while server.get("/health").ok()["slots_busy"] == 0 {
            assert!(begun.elapsed() < crate::server::LONG);
        }
        server.signal(name);
        server.wait_for("ending:");
        half_body.answer().error(503);
        for wire in [&mut idle, &mut silent, &mut half_head] {
            assert_eq!(wire.rest(), b"");
        }
        let answer = under_way.answer();
        if stream {
            let events = answer.events();
            assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "length");
        } else {
            assert_eq!(answer.ok()["usage"]["completion_tokens"], 150);
        }
        assert_eq!(server.end().code(), Some(0), "{name}");
    }
}

#[test]
fn all_prompts_of_a_request_that_was_taken_are_answered() {
    let mut server = Server::slow(&["--parallel", "2"]);
    let mut body = endless(20);
    body["prompt"] = json!(vec!["Once upon a time"; 12]);
    let mut wire = server.wire();
    wire.post("/v1/completions", &[], &body);
    let begun = std::time::Instant::now();
    while server.get("/health").ok()["slots_busy"] == 0 {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    server.signal("TERM");
    assert_eq!(wire.answer().ok()["choices"].as_array().unwrap().len(), 12);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_b158"))
        .args(["serve", "-m", MODEL, "--port", &place.to_string()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", place)).is_err() {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    let mut wire = crate::http::Wire::new(place);
    // Some 200 kB of lines, where a pipe holds 64.
    for _ in 0..4000 {
        let answer = wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer();
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    }
    drop(wire);
    assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::slow(&[]);
    let mut wire = server.wire();
    wire.post("/v1/completions", &[], &endless(3900));
    let begun = std::time::Instant::now();
    while server.get("/health").ok()["slots_busy"] == 0 {
        assert!(begun.elapsed() < crate::server::LONG);
    }
    server.signal("TERM");
    server.wait_for("ending:");
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(130));
    assert!(!server.said().contains("written"), "{}", server.said());
}

#[test]
fn a_port_that_is_taken_is_an_error_at_once() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    // Before the model is looked at.
    for model in [MODEL, "nowhere.gguf"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_b158")).args(["serve", "-m", model, "--port", &port]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("port {port} is taken at 127.0.0.1")), "{said}");
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_b158")).args(["serve", "-m", "nowhere.gguf", "--port", "0"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("nowhere.gguf"));
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn connections_on_which_nothing_is_asked_make_room_for_others() {
    let server = Server::slow(&[]);
    let mut answered = server.wire();
    assert_eq!(answered.send(HEALTH).answer().status, 200);
    let mut under_way = server.wire();
    under_way.post("/v1/completions", &[], &endless(60));
    let mut begun = server.wire();
    begun.send("GET /health HTTP/1.1\r\n");
    let mut silent: Vec<_> = (0..600).map(|_| server.wire()).collect();
    // Who came last is let in, who has been silent for longest is not there any more, and the answer under way is.
    assert_eq!(silent[599].send(HEALTH).answer().status, 200);
    assert_eq!(answered.rest(), b"");
    assert_eq!(begun.rest(), b"");
    assert_eq!(silent[0].rest(), b"");
    assert_eq!(under_way.answer().ok()["usage"]["completion_tokens"], 60);
}
