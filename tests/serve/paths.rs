//! Which paths there are, and what is said at the others.

use crate::server::Server;
use serde_json::json;

#[test]
fn base_addresses_come_in_several_forms() {
    let server = Server::new(&[]);
    let talk = json!({ "messages": [{ "role": "user", "content": "Hello!" }], "max_tokens": 2 });
    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "//v1//chat/completions",
        "/v1/chat/completions?api-version=1",
    ] {
        server.post(path, &talk).ok();
    }
    for path in ["/v1/models", "/models", "/models/", "/health", "/v1/health", "/metrics", "/v1/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn what_is_not_there_says_where_the_api_is() {
    let server = Server::new(&[]);
    for path in ["/v1", "/v1/responses", "/api/chat", "/v2/chat/completions", "/v1/chat", "/..%2f", "/wp-login.php"] {
        for answer in [server.get(path), server.post(path, &json!({}))] {
            let error = answer.error(404);
            assert!(error["message"].as_str().unwrap().contains("/v1/chat/completions"), "{path}: {error}");
        }
    }
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/v1/models", "GET"),
        ("PATCH", "/health", "GET"),
        ("HEAD", "/v1/embeddings", "POST"),
        ("TRACE", "/metrics", "GET"),
    ] {
        let mut wire = server.wire();
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let answer = if method == "HEAD" { wire.head() } else { wire.answer() };
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains(allowed)), "{method} {path}: {answer:?}");
        if method != "HEAD" {
            assert!(answer.error(405)["message"].as_str().unwrap().contains(allowed));
        }
    }
}

#[test]
fn a_head_has_no_body() {
    let server = Server::new(&[]);
    for (path, status) in [("/health", 200), ("/v1/models", 200), ("/metrics", 200), ("/v1/nowhere", 404)] {
        let mut wire = server.wire();
        let answer = wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).head();
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header("content-length").is_some_and(|length| length != "0"), "{path}: {answer:?}");
        assert_eq!(wire.rest(), b"", "{path}");
    }
}

#[test]
fn the_model_is_listed_and_found() {
    let server = Server::new(&["--alias", "stories/small v1"]);
    let list = server.get("/v1/models").ok();
    assert_eq!((&list["object"], list["data"].as_array().unwrap().len()), (&json!("list"), 1));
    let model = &list["data"][0];
    assert_eq!((&model["id"], &model["object"]), (&json!("stories/small v1"), &json!("model")));
    assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    assert_eq!(server.get("/v1/models/stories/small%20v1").ok(), *model);
    assert_eq!(server.get("/v1/models/stories%2Fsmall%20v1").ok(), *model);
    let error = server.get("/v1/models/gpt-4o").error(404);
    assert!(error["code"] == "model_not_found" && error["message"].as_str().unwrap().contains("gpt-4o"), "{error}");
    server.get("/v1/models/%ff%00").error(400);
    let answer = server.post("/v1/completions", &json!({ "model": "gpt-4o", "prompt": "Hello", "max_tokens": 1 })).ok();
    assert_eq!(answer["model"], "stories/small v1");
}
