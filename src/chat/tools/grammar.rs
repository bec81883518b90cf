//! What a call may be, as the parts of a grammar: texts, control tokens and schemas, which are escaped and checked where the grammar
//! is made.

use super::{CallFormat, Tool, quoted};
use crate::constraint::ResponseFormat;

/// How an answer comes to its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) enum From {
    /// It begins with one.
    Start,
    /// What a call begins with has come.
    Trigger,
}

impl CallFormat {
    /// Calls of these tools: several where `several` is set, else one. `control` tells which of the form's own words are control
    /// tokens.
    pub(in crate::chat) fn calls(
        &self,
        tools: &[Tool],
        several: bool,
        from: From,
        control: impl Fn(&str) -> bool,
    ) -> ResponseFormat {
        let part = |word: &str| match word {
            "" => String::new(),
            word if control(word) => format!("{{\"token\": {}}}", quoted(word)),
            word => text(word),
        };
        let list = |parts: &[String]| {
            let given: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            format!("[{}]", given.join(", "))
        };
        // A trigger's last token may have brought the space that follows it, or none: then the model may leave it out.
        let space = match (self.space, from) {
            ("", _) => String::new(),
            (space, From::Start) => text(space),
            (space, From::Trigger) => format!("{{\"text\": {}, \"optional\": true}}", quoted(space)),
        };
        let skipped = match from {
            From::Trigger if self.begin.is_empty() => self.first_key().len(),
            _ => 0,
        };
        let choices: Vec<String> = tools
            .iter()
            .map(|tool| {
                let head = self.head(&tool.name);
                let head = text(head.get(skipped..).unwrap_or_default());
                let schema = format!("{{\"schema\": {}}}", tool.schema_of_object());
                let close = text(&format!("}}{}", self.space));
                format!(
                    "{{\"name\": {}, \"parts\": {}}}",
                    quoted(&tool.name),
                    list(&[space.clone(), head, schema, close])
                )
            })
            .collect();
        let before = match from {
            From::Start => list(&[part(self.begin)]),
            From::Trigger => list(&[]),
        };
        let again = if several && self.several { list(&[text("\n"), part(self.begin)]) } else { "null".to_owned() };
        let after = list(&[part(self.end)]);
        let choices = choices.join(", ");
        let parts =
            format!("{{\"before\": {before}, \"choices\": [{choices}], \"after\": {after}, \"again\": {again}}}");
        ResponseFormat::Parts { parts }
    }
}

fn text(text: &str) -> String {
    format!("{{\"text\": {}}}", quoted(text))
}
