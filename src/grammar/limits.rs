//! Bounds, in one place: what a text may ask for, and what a step may cost. In a browser all of it runs on a stack of 1 MB.

use llguidance::api::ParserLimits;

/// Bytes of a token. The trie has room for 1,024; its walks go a level deeper a byte.
pub(crate) const TOKEN_BYTES: usize = 256;
/// Bytes of a schema, an expression, a grammar.
pub(crate) const TEXT: usize = 1 << 20;
/// Bytes of one expression.
pub(crate) const PATTERN: usize = 16 << 10;
/// Expressions that one text meets at once.
pub(crate) const PATTERNS: usize = 16;
/// Properties of one object that have names; with some that may be left out, as many items are looked at each time one may begin.
pub(crate) const PROPERTIES: usize = 1_000;
/// Steps of counting properties: properties times how many of them.
pub(crate) const COUNTED: u64 = 4_000;
/// Lists and objects that are told by value, as `const` and `enum` do.
pub(crate) const FIXED: usize = 2_000;
/// Rules of a grammar, and what they are made of.
pub(crate) const RULES: usize = 5_000;
pub(crate) const PIECES: usize = 20_000;
/// How often something of a grammar may be there by counts, multiplied.
pub(crate) const COUNTS: u64 = 20_000;
/// Levels of lists and objects in a schema. A schema in a schema is two.
pub(crate) const DEPTH: usize = 200;
/// Values in a schema.
pub(crate) const VALUES: usize = 100_000;
/// Places that values of their own form stand at: what a schema comes to once its references are followed.
pub(crate) const PLACES: usize = 5_000;
/// Ways to meet one schema: `anyOf` times `anyOf`.
pub(crate) const WAYS: usize = 128;
/// Schemas read while all ways are looked at, and pairs of them compared.
pub(crate) const READS: usize = 200_000;
/// Bytes of the grammar that a schema comes to.
pub(crate) const GRAMMAR: usize = 8 << 20;
/// Rules that lead to one another before any text: a level of the compiler's stack each.
pub(crate) const RULES_DEEP: usize = 100;
/// Items of a list that may be demanded, and allowed; a `maxItems` above is read as this.
pub(crate) const ITEMS: u64 = 10_000;
/// Characters of a text that may be demanded, and allowed; a `maxLength` above is read as this.
pub(crate) const CHARACTERS: u64 = 100_000;
/// Characters that an expression comes to with its counts multiplied out.
pub(crate) const WEIGHT: u64 = 200_000;
/// Work to find out whether any text meets several expressions at once: some tens of milliseconds.
pub(crate) const FUEL: u64 = 100_000;
/// Groups in groups of an expression.
pub(crate) const GROUPS: usize = 60;
/// Patterns of keys in one object: each subset of them is a form of its own.
pub(crate) const KEY_PATTERNS: usize = 4;
/// Keys that a pattern allows, up to which each is a property of its own.
pub(crate) const FEW: usize = 64;
/// Texts that are looked at to find out whether they are that few.
pub(crate) const LOOKED_AT: usize = 500;
/// Bytes of a key up to which it is looked at whether another than those that an object has can come of it.
pub(crate) const KEY_BYTES: usize = 256;
/// Bytes that are told as certain at once.
pub(crate) const CERTAIN: usize = 4096;
/// Multiples that are written out one by one.
pub(crate) const MULTIPLES: i128 = 2_000;

/// Tools of one request: the bound of OpenAI's API.
pub(crate) const CHOICES: usize = 128;

/// What llguidance may spend. A step's bounds are some 10 ms of work each; an object of 1,000 optional properties has rows of 2,300 items.
pub(crate) fn parser() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 10_000,
        step_max_items: 100_000,
        max_lexer_states: 100_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// Sets of tokens that a mask takes whole where a state allows all of them: the insides of JSON's strings.
pub(crate) fn slices() -> Vec<String> {
    vec![r#"[^"\\\x00-\x1F\x7F]{1,12}"#.to_string(), r#"[^"\\\x00-\x1F\x7F]+"#.to_string()]
}
