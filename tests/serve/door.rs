//! Who gets in: names, pages, keys. And what is said of it at the start.

use crate::http::{Answer, Wire};
use crate::server::{MODEL, Server};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

const PAGE: &str = "http://localhost:5173";

fn ask(server: &Server, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    headers.iter().for_each(|line| head += &format!("{line}\r\n"));
    server.wire().send(head + "\r\n").answer()
}

#[test]
fn nobody_but_this_machine_is_served_unless_that_is_wanted() {
    let server = Server::new(&[]);
    assert!(server.wait_for("open to programs of this machine").ends_with("without a key"));
    // Both names of loopback, where there are both.
    if TcpListener::bind("[::1]:0").is_ok() {
        assert!(server.said().contains("http://[::1]:"), "{}", server.said());
        let mut wire = Wire::at("::1", server.port);
        assert_eq!(
            wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").answer().status,
            200
        );
    }
    assert!(TcpStream::connect(("127.0.0.2", server.port)).is_err(), "it listens at more than 127.0.0.1");
    let open = Server::new(&["--host", "0.0.0.0"]);
    let said = open.said();
    assert!(said.contains("warning: anyone on the network can use this model"), "{said}");
    assert!(said.contains("everybody who reaches this machine over the network, without a key"), "{said}");
    let closed = Server::new(&["--host", "0.0.0.0", "--api-key", "secret-word"]);
    let said = closed.said();
    assert!(!said.contains("warning") && said.contains("with a key") && !said.contains("secret-word"), "{said}");
}

#[test]
fn a_name_that_points_here_is_not_enough() {
    let server = Server::new(&["--allow-host", "chat.example,other.example"]);
    let port = server.port;
    for host in [
        "localhost".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "Chat.Example:443".into(),
        "other.example".into(),
    ] {
        assert_eq!(ask(&server, "GET", "/v1/models", &[&format!("Host: {host}")]).status, 200, "{host}");
    }
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("POST", "/v1/completions"),
        ("OPTIONS", "/v1/models"),
        ("GET", "/"),
    ] {
        let answer = ask(&server, method, path, &["Host: attacker.example"]);
        let error = answer.error(403);
        assert!(error["message"].as_str().unwrap().contains("--allow-host attacker.example"), "{error}");
    }
    ask(&server, "GET", "http://attacker.example/health", &["Host: localhost"]).error(403);
    ask(&server, "GET", "/health", &[]).error(400);
    ask(&server, "GET", "/health", &["Host: localhost", "Host: localhost"]).error(400);
    // Programs that watch whether a server lives ask as in the last century.
    let answer = server.wire().send("GET /health HTTP/1.0\r\n\r\n").answer();
    assert_eq!(answer.status, 200);
}

#[test]
fn other_pages_may_neither_read_nor_make_it_work() {
    let server = Server::new(&[]);
    let body = json!({ "prompt": "Hello", "max_tokens": 1 });
    let origin = format!("Origin: {PAGE}");
    let answer = ask(&server, "GET", "/v1/models", &["Host: localhost", &origin]);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    let error = server.wire().post("/v1/completions", &[&origin], &body).answer().error(403);
    assert!(error["message"].as_str().unwrap().contains(&format!("--cors {PAGE}")), "{error}");
    let answer = ask(
        &server,
        "OPTIONS",
        "/v1/completions",
        &["Host: localhost", &origin, "Access-Control-Request-Method: POST"],
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // Its own.
    let own = [format!("Host: localhost:{}", server.port), format!("Origin: http://localhost:{}", server.port)];
    server.wire().post("/v1/completions", &[&own[0], &own[1]], &body).answer().ok();
}

#[test]
fn pages_that_are_named_may_use_it() {
    let server = Server::new(&["--cors", "http://localhost:5173/", "--cors", "https://chat.example", "--api-key", "k"]);
    let asked = "authorization,content-type,x-stainless-lang,x-stainless-os";
    for page in [PAGE, "https://chat.example"] {
        let origin = format!("Origin: {page}");
        let asking = format!("Access-Control-Request-Headers: {asked}");
        let answer = ask(
            &server,
            "OPTIONS",
            "/v1/chat/completions",
            &["Host: localhost", &origin, "Access-Control-Request-Method: POST", &asking],
        );
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(page));
        assert_eq!(answer.header("access-control-allow-headers"), Some(asked));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
        // What goes wrong has to be readable too.
        for (answer, status) in [
            (ask(&server, "GET", "/v1/models", &["Host: localhost", &origin]), 401),
            (ask(&server, "PUT", "/v1/models", &["Host: localhost", &origin, "Authorization: Bearer k"]), 405),
            (ask(&server, "GET", "/v1/nowhere", &["Host: localhost", &origin, "Authorization: Bearer k"]), 404),
        ] {
            answer.error(status);
            assert_eq!(answer.header("access-control-allow-origin"), Some(page), "{status}");
            let varies = answer.headers.iter().any(|(name, value)| name == "vary" && value.contains("origin"));
            assert!(varies, "{answer:?}");
        }
        let stream = json!({ "prompt": "Hello", "max_tokens": 2, "stream": true, "tfs": 1 });
        let answer = server.wire().post("/v1/completions", &[&origin, "Authorization: Bearer k"], &stream).answer();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(page)));
        assert!(answer.header("access-control-expose-headers").unwrap().contains("x-ignored-fields"));
    }
    let other = ask(
        &server,
        "OPTIONS",
        "/v1/chat/completions",
        &["Host: localhost", "Origin: http://localhost:5174", "Access-Control-Request-Method: POST"],
    );
    assert_eq!(other.header("access-control-allow-origin"), None);
}

#[test]
fn without_a_key_that_is_one_there_is_no_answer() {
    let server =
        Server::start(MODEL, &["--api-key", "sk-first", "--api-key", "sk-second"], &[("B158_API_KEY", "sk-third")]);
    for key in ["sk-first", "sk-second", "sk-third"] {
        assert_eq!(
            ask(&server, "GET", "/v1/models", &["Host: localhost", &format!("Authorization: Bearer {key}")]).status,
            200
        );
    }
    for path in ["/v1/models", "/models", "/metrics", "/v1/models/x", "/v1/anything", "//v1/models"] {
        let answer = ask(&server, "GET", path, &["Host: localhost"]);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        assert_eq!(answer.error(401)["code"], "invalid_api_key");
    }
    for wrong in ["Bearer sk-firs", "Bearer sk-wrong", "Basic sk-first", "sk-first", "Bearer", "Bearer sk-first x"] {
        for path in ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize"] {
            let body = json!({ "prompt": "x", "messages": [{ "role": "user", "content": "x" }], "input": "x" });
            let answer = server.wire().post(path, &[&format!("Authorization: {wrong}")], &body).answer();
            answer.error(401);
            assert!(!answer.text().contains("sk-"), "{}", answer.text());
        }
    }
    for path in ["/health", "/v1/health"] {
        assert_eq!(ask(&server, "GET", path, &["Host: localhost"]).status, 200);
    }
    assert!(!server.said().contains("sk-"), "{}", server.said());
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let refused = |args: &[&str], key: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_b158"));
        command.args(["serve", "-m", MODEL, "--port", "0"]).args(args).env_remove("B158_API_KEY");
        if let Some(key) = key {
            command.env("B158_API_KEY", key);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (args, word) in [
        (["--port", "70000"], "70000"),
        (["--api-key", ""], "api-key"),
        (["--api-key", "two words"], "word"),
        (["--cors", "localhost:5173"], "origin"),
        (["--allow-host", "http://a"], "name"),
        (["--parallel", "0"], "parallel"),
        (["--host", "192.0.2.1"], "192.0.2.1"),
        (["--ctx-size", "99999999"], "context"),
    ] {
        let said = refused(&args, None);
        assert!(said.contains(word), "{args:?}: {said}");
    }
    assert!(refused(&[], Some("")).contains("B158_API_KEY"));
}
