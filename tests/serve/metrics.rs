//! What is counted. The form of the page is tested where it is made.

use crate::server::Server;
use serde_json::json;
use std::collections::HashMap;

fn samples(server: &Server) -> HashMap<String, f64> {
    let page = server.get("/metrics");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let lines = page.text().lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn answers_are_counted() {
    let server = Server::new(&["--parallel", "3", "--queue", "7", "--cache-ram", "100"]);
    let before = samples(&server);
    assert_eq!(
        (before["b158_slots"], before["b158_queue_limit"], before["b158_kv_cache_limit_bytes"]),
        (3.0, 7.0, 1e8)
    );
    let body = json!({ "prompt": "Once upon a time", "max_tokens": 5, "temperature": 0 });
    let answer = server.post("/v1/completions", &body).ok();
    let mut asked = body.clone();
    asked["stream"] = json!(true);
    server.post("/completions", &asked).events();
    server.post("/v1/completions", &json!({ "prompt": 5.5 })).error(400);
    server.get("/v1/nowhere").error(404);
    server.get("/nowhere/1").error(404);
    server.get("/nowhere/2").error(404);
    for _ in 0..3 {
        // The line of a request is written when its answer has gone out.
        server.get("/health");
    }
    let after = samples(&server);
    let grown = |name: &str| after[name] - before.get(name).copied().unwrap_or_default();
    assert_eq!(grown("b158_requests_total{path=\"/v1/completions\",status=\"200\"}"), 2.0);
    assert_eq!(grown("b158_requests_total{path=\"/v1/completions\",status=\"400\"}"), 1.0);
    assert_eq!(grown("b158_requests_total{path=\"other\",status=\"404\"}"), 2.0);
    assert_eq!(grown("b158_answers_total{reason=\"length\"}"), 2.0);
    assert_eq!(grown("b158_time_to_first_token_seconds_count"), 2.0);
    assert_eq!(grown("b158_generated_tokens_total"), 10.0);
    assert_eq!(grown("b158_prompt_tokens_total"), 2.0 * answer["usage"]["prompt_tokens"].as_f64().unwrap());
    assert_eq!(after["b158_slots_busy"], 0.0);
    // The engine counts a job as done before its last word is sent.
    assert!(after.keys().all(|name| !name.contains("nowhere")), "{after:?}");
}
