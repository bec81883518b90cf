//! Schemas that nobody wrote: nested, with keywords that go together and ones that don't.

use crate::judge::Judge;
use crate::walk::{Dice, TEMPERS, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::{Answer, Kind};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

fn name() -> impl Strategy<Value = String> {
    select(&["a", "b", "ab", "abc", "kind", "", "ä", "\"", "x y", "$ref", "type"][..]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(3),
        json!(10),
        json!(1.5),
        json!(-0.25),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("abc"),
        json!("ä"),
        json!("🦊"),
        json!("\"\\\n"),
        json!("1"),
    ])
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((name(), inner), 0..3).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// Keywords of a schema.
type Keywords = Vec<(&'static str, Value)>;

fn bounds(
    low: &'static str,
    high: &'static str,
    of: impl Strategy<Value = Value> + Clone + 'static,
) -> BoxedStrategy<Keywords> {
    prop_oneof![
        2 => Just(Vec::new()),
        2 => of.clone().prop_map(move |value| vec![(low, value)]),
        2 => of.clone().prop_map(move |value| vec![(high, value)]),
        3 => (of.clone(), of).prop_map(move |(a, b)| {
            let (a, b) = if a.as_f64() > b.as_f64() { (b, a) } else { (a, b) };
            vec![(low, a), (high, b)]
        }),
    ]
    .boxed()
}

fn number() -> impl Strategy<Value = Value> + Clone {
    select(vec![
        json!(0),
        json!(1),
        json!(2),
        json!(5),
        json!(9),
        json!(10),
        json!(12),
        json!(100),
        json!(-1),
        json!(-7),
        json!(0.5),
        json!(1.5),
        json!(-0.5),
        json!(3.25),
    ])
}

fn count() -> impl Strategy<Value = Value> + Clone {
    select(vec![json!(0), json!(1), json!(2), json!(3), json!(5)])
}

fn numbers() -> impl Strategy<Value = Keywords> {
    (
        select(&["integer", "number"][..]),
        bounds("minimum", "maximum", number()),
        bounds("exclusiveMinimum", "exclusiveMaximum", number()),
        prop::option::weighted(0.2, select(vec![json!(1), json!(2), json!(3), json!(0.5), json!(0.1), json!(10)])),
        0..4u8,
    )
        .prop_map(|(kind, bounds, exclusive, multiple, both)| {
            let mut keywords = vec![("type", json!(kind))];
            keywords.extend(bounds);
            if both == 0 {
                keywords.extend(exclusive);
            }
            keywords.extend(multiple.map(|of| ("multipleOf", of)));
            keywords
        })
}

const PATTERNS: &[&str] = &[
    "^a",
    "b$",
    "^[a-c]+$",
    "ab",
    "^.{2}$",
    "^\\d+$",
    "^(a|bc)*$",
    "[^a]",
    "",
    "^\\w+-\\w+$",
    "^(?:x|)y?$",
    "\"",
    "^\\s*$",
    "é|ä",
    "^[^\"\\\\]{1,3}$",
    "^$",
    "a{2,3}",
    "^[\\W\\d]$",
];
const FORMATS: &[&str] = &["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "hostname", "duration", "uri"];

fn strings() -> impl Strategy<Value = Keywords> {
    (
        bounds("minLength", "maxLength", count()),
        prop::option::weighted(0.3, select(PATTERNS)),
        prop::option::weighted(0.1, select(FORMATS)),
    )
        .prop_map(|(lengths, pattern, format)| {
            let mut keywords = vec![("type", json!("string"))];
            keywords.extend(lengths);
            keywords.extend(pattern.map(|pattern| ("pattern", json!(pattern))));
            keywords.extend(format.map(|format| ("format", json!(format))));
            keywords
        })
}

fn arrays(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Keywords> {
    (
        prop::option::weighted(0.7, inner.clone()),
        prop::option::weighted(0.3, prop::collection::vec(inner, 1..3)),
        bounds("minItems", "maxItems", count()),
        prop::option::weighted(0.05, any::<bool>()),
    )
        .prop_map(|(items, prefix, lengths, unique)| {
            let mut keywords = vec![("type", json!("array"))];
            keywords.extend(prefix.map(|prefix| ("prefixItems", Value::Array(prefix))));
            keywords.extend(items.map(|items| ("items", items)));
            keywords.extend(lengths);
            keywords.extend(unique.map(|unique| ("uniqueItems", json!(unique))));
            keywords
        })
}

fn objects(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Keywords> {
    (
        prop::collection::vec((name(), inner.clone()), 0..4),
        prop::option::weighted(0.6, prop_oneof![3 => Just(json!(false)), 1 => Just(json!(true)), 2 => inner.clone()]),
        prop::collection::vec(any::<bool>(), 4),
        prop::option::weighted(0.1, name()),
        prop::option::weighted(0.15, (select(PATTERNS), inner)),
        prop::option::weighted(0.15, bounds("minProperties", "maxProperties", count())),
        prop::option::weighted(0.08, select(PATTERNS)),
    )
        .prop_map(|(properties, others, required, stranger, pattern, counts, names)| {
            let mut keywords = vec![("type", json!("object"))];
            let properties: Map<String, Value> = properties.into_iter().collect();
            let mut needed: Vec<Value> =
                properties.keys().zip(required).filter(|(_, needed)| *needed).map(|(name, _)| json!(name)).collect();
            if let Some(stranger) = stranger
                && !needed.contains(&json!(stranger))
            {
                needed.push(json!(stranger));
            }
            if !properties.is_empty() {
                keywords.push(("properties", Value::Object(properties)));
            }
            if !needed.is_empty() {
                keywords.push(("required", Value::Array(needed)));
            }
            keywords.extend(pattern.map(|(pattern, schema)| ("patternProperties", json!({ pattern: schema }))));
            keywords.extend(others.map(|others| ("additionalProperties", others)));
            keywords.extend(counts.into_iter().flatten());
            keywords.extend(names.map(|pattern| ("propertyNames", json!({ "pattern": pattern }))));
            keywords
        })
}

/// Keywords that hold beside a type, and ones that few keep.
fn beside(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Keywords> {
    let list = prop::collection::vec(inner.clone(), 1..4).prop_map(Value::Array).boxed();
    prop_oneof![
        20 => Just(Vec::new()),
        3 => list.clone().prop_map(|list| vec![("anyOf", list)]),
        2 => list.clone().prop_map(|list| vec![("allOf", list)]),
        2 => list.prop_map(|list| vec![("oneOf", list)]),
        2 => reference().prop_map(|to| vec![("$ref", json!(to))]),
        2 => prop::collection::vec(value(), 1..4).prop_map(|values| vec![("enum", Value::Array(values))]),
        1 => value().prop_map(|value| vec![("const", value)]),
        1 => Just(vec![("description", json!("said")), ("default", json!(1))]),
        1 => inner.clone().prop_map(|schema| vec![("not", schema)]),
        1 => inner.prop_map(|schema| vec![("contains", schema)]),
    ]
}

fn reference() -> impl Strategy<Value = &'static str> {
    select(&["#/$defs/a", "#/$defs/b", "#/$defs/a~1b", "#"][..])
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => numbers(),
        4 => strings(),
        2 => Just(vec![("type", json!("boolean"))]),
        1 => Just(vec![("type", json!("null"))]),
        3 => prop::collection::vec(value(), 1..4).prop_map(|values| vec![("enum", Value::Array(values))]),
        2 => value().prop_map(|value| vec![("const", value)]),
        2 => reference().prop_map(|to| vec![("$ref", json!(to))]),
        1 => Just(vec![("type", json!(["integer", "string", "null"])), ("minimum", json!(1)), ("maxLength", json!(2))]),
        1 => Just(Vec::new()),
    ]
    .prop_map(object)
    .boxed();
    let leaf = prop_oneof![20 => leaf, 1 => any::<bool>().prop_map(Value::Bool)].boxed();
    leaf.prop_recursive(4, 24, 4, |inner| {
        let typed = prop_oneof![
            2 => numbers().boxed(),
            2 => strings().boxed(),
            4 => arrays(inner.clone()).boxed(),
            8 => objects(inner.clone()).boxed(),
            2 => Just(Vec::new()).boxed(),
        ];
        (typed, beside(inner), any::<bool>()).prop_map(|(mut typed, beside, first)| {
            // In either order: some readers go by it.
            if first {
                typed.splice(0..0, beside);
            } else {
                typed.extend(beside);
            }
            object(typed)
        })
    })
}

fn object(keywords: Keywords) -> Value {
    Value::Object(keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect())
}

fn document() -> impl Strategy<Value = String> {
    (schema(), schema(), schema(), schema()).prop_map(|(mut root, a, b, ab)| {
        let needs = root.to_string().contains("#/$defs") || a.to_string().contains("#/$defs");
        if let Some(root) = root.as_object_mut()
            && needs
        {
            root.insert("$defs".into(), json!({"a": a, "b": b, "a/b": ab}));
        }
        root.to_string()
    })
}

/// Texts near one that came: a character taken away, doubled, or another in its place.
fn near(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut near = text.to_vec();
    let at = dice.below(near.len());
    match dice.below(4) {
        0 => drop(near.remove(at)),
        1 => near.insert(at, near[at]),
        2 => near[at] = *dice.pick(b"019ab\"{}[]:, -.enx"),
        _ => near.insert(at, *dice.pick(b"019ab\"{}[]:, -.enx")),
    }
    near
}

fn walks(answer: &Answer, schema: &str, judge: &Judge) -> Result<(), TestCaseError> {
    let fault = |what: String| TestCaseError::fail(format!("{what}\n{schema}"));
    let mut dice = Dice(0);
    for (seed, temper) in TEMPERS.into_iter().enumerate() {
        let walked = Walker::new(answer.clone(), seed as u64)
            .walk(temper, 40)
            .map_err(|broken| fault(format!("{temper:?}: {broken}")))?;
        tally(|t| t.walked(&walked));
        let text = String::from_utf8_lossy(&walked.text);
        judge.check(&walked.text).map_err(|why| fault(format!("{temper:?}: {why}: {text}")))?;
        Walker::new(answer.clone(), 99)
            .follow(&walked.text)
            .map_err(|why| fault(format!("{temper:?}: {text} can't be cut otherwise: {why}")))?;
        for _ in 0..3 {
            let near = near(&walked.text, &mut dice);
            if judge.check(&near).is_err() && Walker::new(answer.clone(), dice.roll()).follow(&near).is_ok() {
                return Err(fault(format!("{} can be the answer", String::from_utf8_lossy(&near))));
            }
        }
    }
    Ok(())
}

fn kept(schema: &str) -> Result<(), TestCaseError> {
    let answer = match small_stack("a random schema", || WORDS.vocabulary.answer(Kind::JsonSchema, schema)) {
        Ok(answer) => answer,
        Err(why) => {
            tally(|t| t.refused += 1);
            let said = why.to_string();
            prop_assert!(!said.is_empty() && said.len() < 2000, "a message of {} bytes", said.len());
            return Ok(());
        }
    };
    tally(|t| t.schemas += 1);
    let judge = Judge::new(schema)
        .map_err(|why| TestCaseError::fail(format!("kept, where the judge refuses: {why}\n{schema}")))?;
    small_stack("walks through a random schema", || walks(&answer, schema, &judge))
}

#[test]
fn random_schemas_are_kept_or_refused() {
    let seed: u64 =
        std::env::var("B158_GRAMMAR_SEED").map_or(7, |seed| seed.parse().expect("B158_GRAMMAR_SEED is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: rounds(400) as u32, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let done = runner.run(&document(), |schema| kept(&schema));
    faults(done.err().map(|why| format!("B158_GRAMMAR_SEED={seed}: {why}")).into_iter().collect());
}
