//! The three ways of saying what was found: plain text, a table on standard output, a page with a plot.

use serde_json::Value;
use std::fmt::Write;

/// The answers as plain text, as in the first published account.
pub(super) fn text(all: &Value) -> String {
    let mut out = heading(all) + "\n";
    for p in prompts(all) {
        let _ = write!(
            out,
            "\n=== {}\n{}{}\n--- {}: {}; {} tokens at {:.1} tok/s, first after {:.0} ms\n",
            string(p, "prompt"),
            string(p, "prompt"),
            string(p, "text"),
            string(p, "verdict"),
            string(p, "why"),
            p["generatedTokens"],
            number(p, "generationTokensPerSecond"),
            number(p, "timeToFirstTokenMs"),
        );
    }
    out
}

/// A line a prompt.
pub(super) fn summary(all: &Value) -> String {
    let mut out = String::new();
    for p in prompts(all) {
        let _ = writeln!(
            out,
            "{:6} {:>4} tokens {:>8.1} tok/s  {}{}",
            string(p, "verdict"),
            p["generatedTokens"].as_u64().unwrap_or(0),
            number(p, "generationTokensPerSecond"),
            string(p, "prompt"),
            reference(p).map_or(String::new(), |said| format!("  [{said}]")),
        );
    }
    out
}

/// A page that stands by itself: no script, nothing fetched.
pub(super) fn html(all: &Value) -> String {
    let mut rows = String::new();
    for p in prompts(all) {
        let verdict = string(p, "verdict");
        let _ = writeln!(
            rows,
            "<section><h2>{}</h2><p class=\"said\"><b>{}</b>{}</p><p class=\"{}\">{}: {}</p><p class=\"facts\">{} tokens at {:.1} tok/s, prompt of {} at {:.1} tok/s, first token after {:.0} ms{}</p></section>",
            escape(string(p, "prompt")),
            escape(string(p, "prompt")),
            escape(string(p, "text")),
            if verdict == "text" { "good" } else { "bad" },
            verdict,
            escape(string(p, "why")),
            p["generatedTokens"],
            number(p, "generationTokensPerSecond"),
            p["promptTokens"],
            number(p, "promptTokensPerSecond"),
            number(p, "timeToFirstTokenMs"),
            reference(p).map_or(String::new(), |said| format!("; {}", escape(&said))),
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>b158 verify</title><style>{STYLE}</style></head>\n<body><h1>Does it give sense?</h1>\n<p>{}</p>\n{}\n{rows}</body></html>\n",
        escape(&heading(all)),
        plot(all),
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
h2{font-size:1.1rem;margin-bottom:0}.said{white-space:pre-wrap;font-family:Georgia,serif;margin:.3rem 0}.good{color:#1c7a5a}.bad{color:#c2410c}\
.facts{opacity:.7;font-size:.9rem;margin-top:0}svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}";

/// Each answer as a point: how much it repeats across, how much the model doubts upwards.
fn plot(all: &Value) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 220.0;
    const MARGIN: f64 = 36.0;
    let most = prompts(all).map(|p| number(&p["measures"], "meanEntropy")).fold(5.0, f64::max);
    let x = |share: f64| MARGIN + share * (WIDTH - 2.0 * MARGIN);
    let y = |nats: f64| HEIGHT - MARGIN - nats / most * (HEIGHT - 2.0 * MARGIN);
    let mut points = String::new();
    for p in prompts(all) {
        let measures = &p["measures"];
        let _ = write!(
            points,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{}\"><title>{}</title></circle>",
            x(number(measures, "repeatedFourGrams")),
            y(number(measures, "meanEntropy")),
            if p["verdict"] == "text" { "#1c7a5a" } else { "#c2410c" },
            escape(string(p, "prompt")),
        );
    }
    let (left, right, top, bottom) = (x(0.0), x(1.0), y(most), y(0.0));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"repetition against entropy of each answer\">\
         <path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"currentColor\"/>{points}\
         <text x=\"{left}\" y=\"{}\">no repetition</text><text x=\"{right}\" y=\"{}\" text-anchor=\"end\">all repetition</text>\
         <text x=\"{}\" y=\"{}\">entropy {most:.1} nats</text></svg>",
        bottom + 18.0,
        bottom + 18.0,
        left + 6.0,
        top + 4.0,
    )
}

/// Model, machine and how many answers are text, in a sentence.
fn heading(all: &Value) -> String {
    let (model, machine) = (&all["model"], &all["machine"]);
    let count = prompts(all).count();
    let good = prompts(all).filter(|p| p["verdict"] == "text").count();
    format!(
        "{good} of {count} answers are text. {} ({}, SHA-256 {}), {}, {} {}, backend {}, {} threads, KV cache {}.",
        string(model, "name"),
        string(model, "file"),
        string(model, "sha256"),
        string(machine, "program"),
        string(machine, "os"),
        string(machine, "processor"),
        string(machine, "backend"),
        machine["threads"],
        string(all, "kvCache"),
    )
}

fn reference(p: &Value) -> Option<String> {
    let other = p["reference"].as_object()?;
    Some(match other.get("partsAtToken").and_then(Value::as_u64) {
        None => "the same ids as the reference".to_owned(),
        Some(at) => format!("parts from the reference at token {at}"),
    })
}

fn prompts(all: &Value) -> impl Iterator<Item = &Value> {
    all["prompts"].as_array().into_iter().flatten()
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

/// Text of models and files never becomes HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn markup_stays_text() {
        let all = json!({ "model": {"name": "<b>"}, "machine": {}, "prompts": [{
            "prompt": "<script>", "text": "\"&<img>", "verdict": "text", "why": "",
            "measures": {"repeatedFourGrams": 0.1, "meanEntropy": 1.0},
        }] });
        let page = html(&all);
        assert!(!page.contains("<script>") && !page.contains("<img>") && !page.contains("<b>,"));
        assert!(page.contains("&lt;script&gt;") && page.contains("<circle"));
        assert!(text(&all).contains("\"&<img>"));
    }
}
