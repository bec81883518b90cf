//! Schemas that use what JSON Schema has, each with values that it takes and values that it doesn't.

#[rustfmt::skip]
mod arrays;
#[rustfmt::skip]
mod combined;
#[rustfmt::skip]
mod numbers;
#[rustfmt::skip]
mod objects;
#[rustfmt::skip]
mod references;
#[rustfmt::skip]
mod shapes;
#[rustfmt::skip]
mod strings;
#[rustfmt::skip]
mod values;

/// What the crate is to do with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Keep it; each of the valid values can be the answer.
    Kept,
    /// Keep it, but some of the valid values may be out of reach.
    Narrowed,
    /// Refuse it, with this word in the message.
    Refused(&'static str),
    /// Keep it, narrowed or not, or refuse it with one of these words.
    Either(&'static [&'static str]),
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) schema: &'static str,
    pub(crate) valid: &'static [&'static str],
    pub(crate) invalid: &'static [&'static str],
    pub(crate) right: Right,
}

type Texts = &'static [&'static str];

const fn kept(name: &'static str, schema: &'static str, valid: Texts, invalid: Texts) -> Case {
    Case { name, schema, valid, invalid, right: Right::Kept }
}

const fn narrowed(name: &'static str, schema: &'static str, valid: Texts, invalid: Texts) -> Case {
    Case { name, schema, valid, invalid, right: Right::Narrowed }
}

const fn either(name: &'static str, words: Texts, schema: &'static str, valid: Texts, invalid: Texts) -> Case {
    Case { name, schema, valid, invalid, right: Right::Either(words) }
}

const fn refused(name: &'static str, word: &'static str, schema: &'static str) -> Case {
    Case { name, schema, valid: &[], invalid: &[], right: Right::Refused(word) }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        values::CASES,
        numbers::CASES,
        strings::CASES,
        arrays::CASES,
        objects::CASES,
        combined::CASES,
        references::CASES,
        shapes::CASES,
    ]
    .into_iter()
    .flatten()
}
