//! Texts that are no schemas.

use super::{Case, either, refused};

pub(super) const CASES: &[Case] = &[
    refused("text_empty", "", ""),
    refused("text_of_space", "", " \n"),
    refused("text_number", "42", "42"),
    refused("text_string", "{}", "\"{}\""),
    refused("text_null", "null", "null"),
    refused("text_list", "", "[{\"type\":\"integer\"}]"),
    refused("text_cut", "", "{\"type\":\"integer\""),
    refused("text_after", "", "{\"type\":\"integer\"} {}"),
    refused("text_comma", "line 3", "{\n  \"type\": \"object\",\n  \"properties\": {,}\n}\n"),
    refused("text_comment", "", "{\"type\":\"integer\" /* a number */}"),
    refused("text_single_quotes", "", "{'type':'integer'}"),
    refused("text_trailing_comma", "", "{\"type\":\"integer\",}"),
    refused("text_lone_surrogate", "", "{\"const\":\"\\ud83e\"}"),
    refused("text_words", "", "a whole number, please"),
    refused("text_nan", "", "{\"const\":NaN}"),
    refused("text_null_byte", "", "{\"const\":1}\0"),
    either("text_of_controls_in_a_string", &[""], "{\"title\":\"a\tb\",\"const\":1}", &[], &["2"]),
    refused(
        "openai_wrapper",
        "json_schema",
        r#"{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}"#,
    ),
];
