//! `/metrics`: counts and times in Prometheus' text format, version 0.0.4.

use super::engine::Stats;
use b158::session::{FinishReason, Timings};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of the answer that is made here.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a request was for. Paths are anybody's, and there is no end of them.
pub(crate) type Route = &'static str;

const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const TOKENS_A_SECOND: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Counts since the start.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counts>);

struct Counts {
    requests: BTreeMap<(Route, u16), u64>,
    durations: BTreeMap<Route, Histogram>,
    first_token: Histogram,
    speed: Histogram,
    stops: [u64; 3],
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            requests: BTreeMap::new(),
            durations: BTreeMap::new(),
            first_token: Histogram::new(&SECONDS),
            speed: Histogram::new(&TOKENS_A_SECOND),
            stops: [0; 3],
        }
    }
}

const STOPS: [(FinishReason, &str); 3] =
    [(FinishReason::Stop, "stop"), (FinishReason::Length, "length"), (FinishReason::Cancelled, "cancelled")];

/// What does not change, and how it stands at the moment.
pub(crate) struct Now<'a> {
    pub(crate) version: &'a str,
    pub(crate) model: &'a str,
    pub(crate) backend: &'a str,
    pub(crate) slots: usize,
    pub(crate) queue: usize,
    pub(crate) memory: u64,
    pub(crate) stats: Stats,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn request(&self, route: Route, status: u16, took: Duration) {
        let mut counts = self.counts();
        *counts.requests.entry((route, status)).or_default() += 1;
        counts.durations.entry(route).or_insert_with(|| Histogram::new(&SECONDS)).add(took.as_secs_f64());
    }

    pub(crate) fn first_token(&self, after: Duration) {
        self.counts().first_token.add(after.as_secs_f64());
    }

    pub(crate) fn answer(&self, reason: FinishReason, timings: &Timings) {
        let mut counts = self.counts();
        for (stop, (known, _)) in counts.stops.iter_mut().zip(STOPS) {
            *stop += u64::from(known == reason);
        }
        let speed = timings.decode_tokens_per_second;
        if speed.is_finite() && speed > 0.0 {
            counts.speed.add(speed);
        }
    }

    /// The text. Before the model is loaded there is nothing of it.
    pub(crate) fn text(&self, now: Option<&Now<'_>>) -> String {
        let counts = self.counts();
        let mut page = Page::default();
        page.family(
            "b158_requests_total",
            "counter",
            "Requests that were answered, by path and status; 499: the client had gone.",
        );
        for ((route, status), count) in &counts.requests {
            page.sample("b158_requests_total", &[("path", route), ("status", &status.to_string())], count);
        }
        page.family("b158_request_duration_seconds", "histogram", "From a request to the end of its answer.");
        for (route, histogram) in &counts.durations {
            page.histogram("b158_request_duration_seconds", &[("path", route)], histogram);
        }
        page.family(
            "b158_time_to_first_token_seconds",
            "histogram",
            "From a request to the first token of its answer.",
        );
        page.histogram("b158_time_to_first_token_seconds", &[], &counts.first_token);
        page.family(
            "b158_generation_tokens_per_second",
            "histogram",
            "Of each answer: tokens after the first one, a second.",
        );
        page.histogram("b158_generation_tokens_per_second", &[], &counts.speed);
        page.family("b158_answers_total", "counter", "Answers that have ended, by the reason.");
        for (count, (_, reason)) in counts.stops.iter().zip(STOPS) {
            page.sample("b158_answers_total", &[("reason", reason)], count);
        }
        if let Some(now) = now {
            page.now(now);
        }
        page.text
    }
}

struct Histogram {
    bounds: &'static [f64],
    /// Of each bound, and of what is over the last one.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum += value;
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text += name;
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.text += "\\\\",
                    '"' => self.text += "\\\"",
                    '\n' => self.text += "\\n",
                    // Some readers take a carriage return for the end of a line.
                    c if c.is_control() => self.text.push('\u{fffd}'),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let bounds = histogram.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (bound, in_it) in bounds.zip(&histogram.counts) {
            count += in_it;
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, count);
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn now(&mut self, now: &Now<'_>) {
        let Now { version, model, backend, slots, queue, memory, stats } = now;
        self.family("b158_info", "gauge", "Always 1: what runs here.");
        self.sample("b158_info", &[("version", version), ("model", model), ("backend", backend)], 1);
        self.one("b158_prompt_tokens_total", "counter", "Tokens of prompts.", stats.prompt_tokens);
        self.one(
            "b158_cached_tokens_total",
            "counter",
            "Of these, tokens that a kept talk had read.",
            stats.cached_tokens,
        );
        self.one("b158_generated_tokens_total", "counter", "Tokens generated.", stats.completion_tokens);
        self.one(
            "b158_passes_total",
            "counter",
            "Passes over the weights in which tokens were generated: several answers share one.",
            stats.decode_passes,
        );
        self.one("b158_prompt_seconds_total", "counter", "Seconds of reading prompts.", stats.prefill_seconds);
        self.one("b158_generation_seconds_total", "counter", "Seconds of generating.", stats.decode_seconds);
        self.family("b158_jobs_total", "counter", "Jobs of the engine by their end; a request has one or several.");
        for (end, count) in
            [("done", stats.done), ("cancelled", stats.cancelled), ("failed", stats.failed), ("refused", stats.refused)]
        {
            self.sample("b158_jobs_total", &[("end", end)], count);
        }
        self.one("b158_slots", "gauge", "Answers that may be under way at a time.", slots);
        self.one("b158_slots_busy", "gauge", "Answers under way.", stats.running);
        self.one("b158_queue_limit", "gauge", "Jobs that may wait.", queue);
        self.one("b158_queue_length", "gauge", "Jobs that wait.", stats.waiting);
        self.one("b158_kept_talks", "gauge", "Talks whose KV caches are kept.", stats.kept_talks);
        self.one("b158_kept_bytes", "gauge", "Bytes of their KV caches.", stats.kept_bytes);
        self.one("b158_running_bytes", "gauge", "Bytes of the KV caches of answers under way.", stats.running_bytes);
        self.one("b158_kv_cache_limit_bytes", "gauge", "Bytes that KV caches may have.", memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn metrics() -> Metrics {
        let metrics = Metrics::default();
        metrics.request("/v1/chat/completions", 200, Duration::from_millis(70));
        metrics.request("/v1/chat/completions", 200, Duration::from_secs(700));
        metrics.request("/health", 499, Duration::ZERO);
        metrics.first_token(Duration::from_millis(5));
        metrics.answer(FinishReason::Length, &Timings { decode_tokens_per_second: 20.0, ..Timings::default() });
        metrics.answer(FinishReason::Stop, &Timings { decode_tokens_per_second: f64::NAN, ..Timings::default() });
        metrics
    }

    fn now(model: &str) -> Now<'_> {
        let stats = Stats { prompt_tokens: 7, prefill_seconds: 0.25, ..Stats::default() };
        Now { version: "1.0", model, backend: "scalar", slots: 4, queue: 8, memory: 1 << 30, stats }
    }

    /// Reads the format as strictly as its description allows: families whole and once, a HELP and a TYPE before the samples, names
    /// and labels of the right letters, buckets that grow.
    fn read(text: &str) -> HashMap<String, f64> {
        assert!(text.ends_with('\n') && !text.contains('\r'));
        let mut samples: HashMap<String, f64> = HashMap::new();
        let mut types: HashMap<&str, &str> = HashMap::new();
        let (mut helped, mut family) = (HashSet::new(), "");
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap();
                assert!(is_name(family) && helped.insert(family), "{line}");
                assert!(rest.len() > family.len() + 10 && !rest.contains('\\'), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, family, "{line}");
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert!(types.insert(name, kind).is_none(), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                assert!(is_name(name), "{line}");
                let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is in {family}"));
                let suffixes = ["_bucket", "_sum", "_count"];
                assert_eq!(types[family] == "histogram", suffixes.contains(&suffix), "{line}");
                assert!(suffix.is_empty() || types[family] == "histogram", "{line}");
                if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                    assert!(labels.starts_with('{') && labels.ends_with("\"}"), "{line}");
                }
                assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
            }
        }
        samples
    }

    #[test]
    fn a_strict_reader_reads_it() {
        assert!(!read(&Metrics::default().text(None)).is_empty());
        let samples = read(&metrics().text(Some(&now("m"))));
        assert_eq!(samples["b158_requests_total{path=\"/v1/chat/completions\",status=\"200\"}"], 2.0);
        assert_eq!(samples["b158_requests_total{path=\"/health\",status=\"499\"}"], 1.0);
        assert_eq!(samples["b158_answers_total{reason=\"length\"}"], 1.0);
        assert_eq!(samples["b158_prompt_tokens_total"], 7.0);
        assert_eq!(samples["b158_prompt_seconds_total"], 0.25);
        assert_eq!(samples["b158_slots"], 4.0);
    }

    #[test]
    fn buckets_hold_all_below_them() {
        let samples = read(&metrics().text(None));
        let bucket = |bound: &str| {
            let name = "b158_request_duration_seconds_bucket{path=\"/v1/chat/completions\",le=";
            samples[&format!("{name}\"{bound}\"}}")]
        };
        assert_eq!((bucket("0.05"), bucket("0.1"), bucket("60"), bucket("+Inf")), (0.0, 1.0, 1.0, 2.0));
        assert_eq!(samples["b158_request_duration_seconds_count{path=\"/v1/chat/completions\"}"], 2.0);
        // A value that is a bound is in its bucket.
        assert_eq!(samples["b158_time_to_first_token_seconds_bucket{le=\"0.005\"}"], 1.0);
        assert_eq!(samples["b158_generation_tokens_per_second_count"], 1.0);
    }

    #[test]
    fn names_of_models_stay_within_their_quotes() {
        let text = metrics().text(Some(&now("a\"b\\c\nd\re\u{1b}")));
        assert!(text.contains(r#"model="a\"b\\c\nd�e�","#), "{text}");
        read(&text);
    }
}
