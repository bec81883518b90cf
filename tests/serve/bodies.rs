//! Bodies: too large, cut, slow, in pieces, of another type. The client always hears why.

use crate::server::Server;
use serde_json::{Value, json};

fn hello() -> Value {
    json!({ "prompt": "Hello", "max_tokens": 2, "temperature": 0 })
}

const ASKING: &str = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[test]
fn an_answer_reaches_a_client_that_is_still_sending() {
    let server = Server::new(&["--max-body", "1", "--api-key", "k"]);
    let large = vec![b' '; 12_000_000];
    let key = "Authorization: Bearer k";
    for (path, headers, status) in [
        ("/v1/completions", vec![key], 413),
        ("/v1/completions", vec![], 401),
        ("/v1/nowhere", vec![key], 404),
        ("/v1/models", vec![key], 405),
        ("/v1/chat/completions", vec![key, "Content-Type: text/plain"], 415),
        ("/v1/chat/completions", vec![key, "Content-Encoding: gzip"], 415),
        ("/v1/chat/completions", vec![key, "Host: attacker.example"], 403),
        ("/v1/chat/completions", vec![key, "Origin: http://attacker.example"], 403),
    ] {
        // All of it is written before the answer is read, as by most clients, and the connection is good for another request.
        let mut wire = server.wire();
        wire.post_bytes(path, &headers, &large).answer().error(status);
        assert_eq!(wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status, 200, "{status}");
    }
    // Of unknown length.
    let mut wire = server.wire();
    wire.send(format!("{ASKING}{key}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..30 {
        wire.send("186a0\r\n").send(vec![b' '; 100_000]).send("\r\n");
    }
    wire.send("0\r\n\r\n").answer().error(413);
    // Exactly what may come, and one more.
    let mut body = hello().to_string().into_bytes();
    body.resize(1_000_000, b' ');
    server.wire().post_bytes("/v1/completions", &[key], &body).answer().ok();
    body.push(b' ');
    server.wire().post_bytes("/v1/completions", &[key], &body).answer().error(413);
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked_or_refused() {
    let server = Server::new(&["--max-body", "1"]);
    let body = hello().to_string();
    let mut wire = server.wire();
    wire.send(format!("{ASKING}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()));
    assert_eq!(wire.head().status, 100);
    wire.send(body).answer().ok();
    let mut wire = server.wire();
    wire.send(format!("{ASKING}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n")).answer().error(413);
    assert_eq!(wire.rest(), b"");
}

#[test]
fn what_does_not_come_is_not_waited_for_for_ever() {
    let server = Server::new(&["--timeout", "1"]);
    for length in ["Content-Length: 99", "Transfer-Encoding: chunked"] {
        let mut wire = server.wire();
        let part = if length.starts_with('C') { "{\"prompt\":" } else { "a\r\n{\"prompt\":\r\n" };
        wire.send(format!("{ASKING}{length}\r\n\r\n{part}")).answer().error(408);
        assert_eq!(wire.rest(), b"");
    }
    for head in ["", "GET /heal", "GET /health HTTP/1.1\r\nHost: local"] {
        assert_eq!(server.wire().send(head).rest(), b"", "{head:?}");
    }
    // A connection that has had its answer, too.
    let mut wire = server.wire();
    assert_eq!(wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status, 200);
    assert_eq!(wire.rest(), b"");
}

#[test]
fn a_body_comes_in_pieces_of_any_size() {
    let server = Server::new(&[]);
    let body = hello().to_string();
    let whole = server.post("/v1/completions", &hello()).ok()["choices"].take();
    for size in [1, 7, 1000] {
        let mut wire = server.wire();
        wire.send(format!("{ASKING}Transfer-Encoding: chunked\r\n\r\n"));
        for piece in body.as_bytes().chunks(size) {
            wire.send(format!("{:x};name=value\r\n", piece.len())).send(piece).send("\r\n");
        }
        let answer = wire.send("0\r\nTrailer: x\r\n\r\n").answer().ok()["choices"].take();
        assert_eq!(answer, whole, "{size}");
    }
}

#[test]
fn json_is_what_says_that_it_is_or_says_nothing() {
    let server = Server::new(&[]);
    let body = hello();
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/vnd.api+json",
    ] {
        server.wire().post("/v1/completions", &[&format!("Content-Type: {kind}")], &body).answer().ok();
    }
    for kind in
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain;charset=UTF-8", "jsonp"]
    {
        let error =
            server.wire().post("/v1/completions", &[&format!("Content-Type: {kind}")], &body).answer().error(415);
        assert!(error["message"].as_str().unwrap().contains(kind), "{error}");
    }
    let text = body.to_string();
    let plain =
        format!("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    server.wire().send(plain).answer().ok();
    for (body, code) in [
        (b"".to_vec(), Some("invalid_json")),
        (b"{".to_vec(), Some("invalid_json")),
        (b"[]".to_vec(), Some("invalid_json")),
        (b"\xff\xfe{\0}\0".to_vec(), Some("invalid_json")),
        (b"{\"prompt\":\"\xff\"}".to_vec(), Some("invalid_json")),
        (b"{\"prompt\":".iter().chain(&[b'['; 100_000]).copied().collect(), Some("invalid_json")),
    ] {
        for path in ["/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/tokenize"] {
            let error = server.wire().post_bytes(path, &[], &body).answer().error(400);
            assert_eq!(error["code"].as_str(), code, "{path} {error}");
        }
    }
}
