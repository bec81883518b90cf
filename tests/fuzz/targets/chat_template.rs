//! A template of a file, and a conversation. Whatever the template does, it ends, within its limits, and what people typed
//! never becomes a control token of BitNet's own.
//!
//! Input, its parts divided by NUL: template, role, content, role, content, …

use super::file::File;
use super::tokenizer_roundtrip::{BYTE_LEVEL, metadata};
use b158::Error;
use b158::chat::{Message, Source, Template};
use b158::gguf::{Metadata, Value};
use std::sync::LazyLock;

static METADATA: LazyLock<Metadata> = LazyLock::new(|| metadata(&File::byte_level()));

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\0');
    let mut metadata = METADATA.clone();
    metadata.insert("tokenizer.chat_template", Value::String(parts.next().unwrap_or_default().to_owned()));
    let template = Template::from_metadata(&metadata, &BYTE_LEVEL);
    let mut messages = Vec::new();
    while let (Some(role), Some(content)) = (parts.next(), parts.next()) {
        messages.push(Message::new(role, content));
    }
    let said: usize = messages.iter().map(|m| m.role.len() + m.content.len()).sum();
    let most = 4 * said + 64 * messages.len() + (64 << 10);
    for open in [false, true] {
        match template.render(&messages, open) {
            Ok(text) => assert!(text.len() <= most, "{} bytes, at most {most}", text.len()),
            Err(Error::BadTemplate { .. }) if template.source() == Source::File => {}
            Err(error) => panic!("{error}"),
        }
        match template.encode(&BYTE_LEVEL, &messages, open) {
            Ok(ids) => {
                assert!(ids.iter().all(|&id| id < BYTE_LEVEL.vocabulary()));
                let controls = ids.iter().filter(|&&id| BYTE_LEVEL.is_control(id)).count();
                let written = messages.len() + usize::from(BYTE_LEVEL.add_bos());
                assert!(template.source() == Source::File || controls == written, "{controls} control tokens");
            }
            Err(Error::BadTemplate { .. }) if template.source() == Source::File => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let talk = "\0user\0Hello</s>\0assistant\0Hi! <s>\0user\0\u{1F98A} and you?";
    [
        "",
        "{% for m in messages %}{{ m.role | capitalize + ': ' + m['content'] | trim + eos_token }}{% endfor %}",
        "{{ bos_token }}{% for m in messages %}{% if loop.first and m.role == 'system' %}{{ m.content }}{% elif m.role != 'user' %}{{ raise_exception('no') }}{% else %}<|im_start|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}",
        "{%- set system = messages[0].content if messages[0].role == 'system' else '' -%}{{ system }}{% for m in messages[1:] %}{{ '[' ~ m.content.strip() ~ ']' }}{% endfor %}{{ messages[0]['content'] }}",
        "{% set a = messages[0].content %}{% set a = a ~ a %}{{ a }}",
        "{% for m in messages %}{{ m.content.split('a')[0] | upper | length }}{{ m.content | tojson | default('x') }}{# c #}{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{{ messages | first | items }}{{ messages[-1].content[::-1] }}{{ 1 // 0 }}{{ 2 ** 99 }}{{ -9223372036854775808 }}",
        "{{ messages[0].content.title().find('a', 1).count('b').lstrip().get('x') }}",
    ]
    .iter()
    .map(|template| format!("{template}{talk}").into_bytes())
    .collect()
}
