//! The three ways of saying what was found: plain text, a line a prompt, a page with a plot.

use super::measures::{Measures, Verdict};
use super::metrics::{Entry, Report};
use std::fmt::Write;

impl Report {
    /// The answers as plain text, as in the first published account.
    pub fn text(&self) -> String {
        let mut out = self.heading() + "\n";
        for p in &self.prompts {
            let _ = write!(
                out,
                "\n=== {}\n{}{}\n--- {}: {}; {} tokens{}, first after {:.0} ms{}\n",
                p.prompt,
                p.prompt,
                p.text,
                p.verdict.name(),
                p.why,
                p.generated_tokens,
                speed(p.generation_tokens_per_second),
                p.time_to_first_token_ms,
                compared(p),
            );
        }
        out
    }

    /// A line a prompt.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for p in &self.prompts {
            let (verdict, tokens) = (p.verdict.name(), p.generated_tokens);
            let speed = speed(p.generation_tokens_per_second);
            let _ = writeln!(out, "{verdict:6} {tokens:>4} tokens{speed:<17}  {}{}", p.prompt, compared(p));
        }
        out
    }

    /// A page that stands by itself: no script, nothing fetched.
    pub fn html(&self) -> String {
        let mut rows = String::new();
        for p in &self.prompts {
            let _ = writeln!(
                rows,
                "<section><h2>{}</h2><p class=\"said\"><b>{}</b>{}</p><p class=\"{}\">{}: {}</p>\
                 <p class=\"facts\">{} tokens{}, prompt of {}{}, first token after {:.0} ms; \
                 {}{}</p></section>",
                escape(&p.prompt),
                escape(&p.prompt),
                escape(&p.text),
                if p.verdict == Verdict::Text { "good" } else { "bad" },
                p.verdict.name(),
                escape(&p.why),
                p.generated_tokens,
                speed(p.generation_tokens_per_second),
                p.prompt_tokens,
                speed(p.prompt_tokens_per_second),
                p.time_to_first_token_ms,
                measured(&p.measures),
                escape(&compared(p)),
            );
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>b158 verify</title><style>{STYLE}</style></head>\n\
             <body><h1>Does it give sense?</h1>\n<p>{}</p>\n{}\n{rows}</body></html>\n",
            escape(&self.heading()),
            self.plot(),
        )
    }

    /// Each answer as a point: repetition across, entropy upwards.
    fn plot(&self) -> String {
        const WIDTH: f64 = 640.0;
        const HEIGHT: f64 = 220.0;
        const MARGIN: f64 = 36.0;
        let most = self.prompts.iter().map(|p| p.measures.mean_entropy).fold(5.0, f64::max);
        let x = |share: f64| MARGIN + share * (WIDTH - 2.0 * MARGIN);
        let y = |nats: f64| HEIGHT - MARGIN - nats / most * (HEIGHT - 2.0 * MARGIN);
        let mut points = String::new();
        for p in &self.prompts {
            let _ = write!(
                points,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{}\"><title>{}</title></circle>",
                x(p.measures.repeated_four_grams),
                y(p.measures.mean_entropy),
                if p.verdict == Verdict::Text { "#1c7a5a" } else { "#c2410c" },
                escape(&p.prompt),
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

    /// Model, machine and how many answers are text, in a sentence; what was published, in a second.
    fn heading(&self) -> String {
        let (model, machine) = (&self.model, &self.machine);
        let good = self.prompts.iter().filter(|p| p.verdict == Verdict::Text).count();
        let or = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let mut heading = format!(
            "{good} of {} answers are text. {} ({}, SHA-256 {}), {}, {}, {}, backend {}, {} thread{}, KV cache {}.",
            self.prompts.len(),
            or(&model.name, &model.architecture),
            or(&model.file, "a stream"),
            or(&model.sha256, "not taken"),
            machine.program,
            machine.os,
            machine.processor,
            machine.backend,
            machine.threads,
            if machine.threads == 1 { "" } else { "s" },
            self.kv_cache,
        );
        let published: Vec<_> = self.prompts.iter().filter_map(|p| p.published).collect();
        if !published.is_empty() {
            let same = published.iter().filter(|p| p.same).count();
            let _ =
                write!(heading, " This is the official file: {same} of {} answers are as published.", published.len());
        }
        heading
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
h2{font-size:1.1rem;margin-bottom:0}.said{white-space:pre-wrap;font-family:Georgia,serif;margin:.3rem 0}.good{color:#1c7a5a}.bad{color:#c2410c}\
@media(prefers-color-scheme:dark){.good{color:#5fc9a0}.bad{color:#ff8a5c}}\
.facts{opacity:.7;font-size:.9rem;margin-top:0}svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}";

/// ` at 12.3 tok/s`; nothing where nothing was measured.
fn speed(tokens_per_second: f64) -> String {
    if tokens_per_second > 0.0 { format!(" at {tokens_per_second:.1} tok/s") } else { String::new() }
}

/// The measures behind a verdict.
fn measured(m: &Measures) -> String {
    let words = m.own_words.map_or(String::new(), |share| format!(", {:.0} % words of the vocabulary", 100.0 * share));
    format!(
        "{:.0} % of the four-token runs repeated, {:.2} nats of entropy, mean log-probability {:.2}{words}",
        100.0 * m.repeated_four_grams,
        m.mean_entropy,
        m.mean_log_probability,
    )
}

/// What comparisons with another run and with published answers gave.
fn compared(p: &Entry) -> String {
    let mut said = String::new();
    if let Some(other) = p.reference {
        match other.parts_at_token {
            None => said += "; the same ids as the reference",
            Some(at) => {
                let _ = write!(said, "; differs from the reference at token {at}");
            }
        }
    }
    if let Some(published) = p.published {
        let (agreeing, words) = (published.agreeing_words, published.words);
        let _ = match published.same {
            true => write!(said, "; as published ({agreeing} of {words} words)"),
            false => write!(said, "; differs from what was published after {agreeing} of {words} words"),
        };
    }
    said
}

/// Text of models and files never becomes HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::compare::PublishedComparison;
    use super::super::metrics::{Machine, ModelFacts};
    use super::*;

    fn report(entry: Entry) -> Report {
        Report {
            model: ModelFacts {
                file: None,
                sha256: None,
                name: Some("<b>".into()),
                architecture: "bitnet-b1.58".into(),
                parameters: 1,
            },
            machine: Machine { os: "x".into(), processor: "y".into(), backend: "scalar", threads: 1, program: "b158" },
            kv_cache: "f16",
            max_tokens: 1,
            notes: Vec::new(),
            prompts: vec![entry],
        }
    }

    fn entry() -> Entry {
        Entry {
            prompt: "<script>".into(),
            text: "\"&<img>".into(),
            ids: Vec::new(),
            verdict: Verdict::Text,
            why: String::new(),
            measures: Measures::default(),
            ended: false,
            prompt_tokens: 1,
            generated_tokens: 1,
            time_to_first_token_ms: 0.0,
            prompt_tokens_per_second: 0.0,
            generation_tokens_per_second: 0.0,
            reference: None,
            published: None,
        }
    }

    #[test]
    fn markup_stays_text() {
        let report = report(entry());
        let page = report.html();
        assert!(!page.contains("<script>") && !page.contains("<img>") && !page.contains("<b>,"));
        assert!(page.contains("&lt;script&gt;") && page.contains("<circle") && page.contains("0.00 nats of entropy"));
        assert!(report.text().contains("\"&<img>"));
        assert!(!report.text().contains("tok/s") && !page.contains("tok/s"), "nothing was measured");
        let measured = Entry { generation_tokens_per_second: 12.34, ..entry() };
        assert!(self::report(measured).summary().contains("   1 tokens at 12.3 tok/s "));
    }

    #[test]
    fn the_official_file_is_held_against_what_was_published() {
        let published = Some(PublishedComparison { same: false, agreeing_words: 6, words: 70 });
        let report = report(Entry { published, ..entry() });
        assert!(report.text().contains("0 of 1 answers are as published"));
        assert!(report.summary().contains("differs from what was published after 6 of 70 words"));
    }
}
