//! `/tokenize`: the tokens of a text, or of a talk as the model's template writes it. Both spellings of other servers are read:
//! `content` with `add_special` and `parse_special`, `prompt` with `add_special_tokens`.

use super::app::App;
use super::chat::fits;
use super::problem::Problem;
use super::routes::{apart, json_text, read};
use super::ticket::Ticket;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use b158::model::Loaded;
use b158::openai::{ChatRequest, Read, Refusal};
use b158::tokenizer::Special;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What is asked.
enum Asked {
    Text { text: String, special: Special },
    Talk(Box<ChatRequest>),
}

pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(ticket): Extension<Arc<Ticket>>,
    request: Request,
) -> Result<Response, Problem> {
    let served = app.served()?;
    let asked = read(&app, &ticket, request, parse).await?;
    let loaded = Arc::clone(served.engine.loaded());
    let context = served.model.about.context_length;
    if let Asked::Talk(talk) = &asked {
        fits(talk, context)?;
    }
    // Long texts take a while, which is nobody else's, and so do millions of numbers.
    let made = apart(&app, move || {
        let ids = tokens(&loaded, asked)?;
        let answer = json!({ "tokens": ids, "count": ids.len(), "max_model_len": context });
        Ok::<_, b158::Error>((ids.len(), answer.to_string().into_bytes()))
    });
    let (count, text) = made.await?.map_err(|error| Problem::from(Refusal::from(&error)))?;
    ticket.took(count);
    Ok(json_text(text))
}

fn tokens(loaded: &Loaded, asked: Asked) -> b158::Result<Vec<u32>> {
    match asked {
        Asked::Text { text, special } => loaded.tokenizer.encode_prompt(&text, special),
        Asked::Talk(talk) => {
            let ChatRequest { messages, tools, variables, .. } = *talk;
            Ok(loaded.template.chat(&loaded.tokenizer, &messages, &tools, &variables)?.prompt)
        }
    }
}

fn parse(body: &[u8]) -> Result<Read<Asked>, Refusal> {
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|why| {
        let reason = format!("the body can't be read as an object of JSON: {why}");
        Refusal { code: Some("invalid_json"), ..Refusal::invalid(reason) }
    })?;
    if fields.get("messages").is_some_and(|messages| !messages.is_null()) {
        let Read { request, ignored } = ChatRequest::read(body)?;
        return Ok(Read { request: Asked::Talk(Box::new(request)), ignored });
    }
    let refused =
        |name: &str, what: &str| Refusal { param: Some(name.to_owned()), ..Refusal::invalid(format!("{name} {what}")) };
    let (mut text, mut special, mut ignored) = (None, Special::PARSED, Vec::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), value) {
            ("content" | "prompt", Value::String(given)) => text = Some(given.clone()),
            ("content" | "prompt", _) => return Err(refused(name, "may be text")),
            ("add_special" | "add_special_tokens", Value::Bool(add)) => special.add_bos = (!add).then_some(false),
            ("parse_special", Value::Bool(parse)) => special.parse = *parse,
            ("add_special" | "add_special_tokens" | "parse_special", _) => {
                return Err(refused(name, "may be true or false"));
            }
            ("with_pieces" | "return_token_strs", Value::Bool(true)) => {
                return Err(refused(name, "is true: ids alone are given; leave it out"));
            }
            _ => ignored.push(name.chars().filter(|c| c.is_ascii_graphic() && *c != ',').take(64).collect()),
        }
    }
    let text = text.ok_or_else(|| refused("content", "is missing: give the text, or messages"))?;
    ignored.truncate(32);
    Ok(Read { request: Asked::Text { text, special }, ignored })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> Result<(String, Special, Vec<String>), String> {
        match parse(body.as_bytes()) {
            Ok(Read { request: Asked::Text { text, special }, ignored }) => Ok((text, special, ignored)),
            Ok(_) => Err("a talk".to_owned()),
            Err(refusal) => Err(refusal.message),
        }
    }

    #[test]
    fn both_spellings_are_read() {
        let read = text(r#"{"content": "a", "add_special": true, "parse_special": false, "tfs": 1}"#).unwrap();
        assert_eq!((read.0.as_str(), read.1.add_bos, read.1.parse), ("a", None, false));
        assert_eq!(read.2, ["tfs"]);
        let read = text(r#"{"prompt": "a", "add_special_tokens": false, "model": null}"#).unwrap();
        assert_eq!((read.0.as_str(), read.1.add_bos, read.1.parse), ("a", Some(false), true));
        assert!(text(r#"{"messages": [{"role": "user", "content": "x"}]}"#).is_err_and(|what| what == "a talk"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            ("{}", "content"),
            ("[]", "JSON"),
            ("{", "JSON"),
            (r#"{"content": 5}"#, "content"),
            (r#"{"content": null}"#, "content"),
            (r#"{"prompt": "a", "parse_special": "yes"}"#, "parse_special"),
            (r#"{"content": "a", "with_pieces": true}"#, "with_pieces"),
            (r#"{"messages": "x"}"#, "messages"),
        ] {
            assert!(text(body).is_err_and(|why| why.contains(name)), "{body}");
        }
    }
}
