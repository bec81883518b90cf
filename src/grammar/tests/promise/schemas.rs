//! The table's schemas: kept, or refused by name.

use crate::judge::Judge;
use crate::table::{self, Case, Right};
use crate::walk::{Dice, TEMPERS, Walker};
use crate::words::WORDS;
use crate::{faults, json, rounds, small_stack, tally};
use b158_grammar::{Answer, Kind};

/// A screen.
const MESSAGE: usize = 2000;

fn in_style(text: &str) -> String {
    match json::strict(text) {
        Ok(value) => {
            let mut out = String::new();
            value.write(WORDS.style, &mut out);
            out
        }
        Err(_) => text.to_owned(),
    }
}

/// The first faults of a case.
fn run(case: &Case) -> Vec<String> {
    let start = std::time::Instant::now();
    let mut found = all(case);
    if start.elapsed().as_secs() > 1 {
        println!("{}: {:?}", case.name, start.elapsed());
    }
    found.truncate(4);
    found.into_iter().map(|what| format!("{}: {what}\n    {:.300}", case.name, case.schema)).collect()
}

fn all(case: &Case) -> Vec<String> {
    let Case { schema, valid, invalid, right, .. } = *case;
    let judge = Judge::new(schema);
    let mut found = Vec::new();
    if let Ok(judge) = &judge {
        for text in valid {
            if let Err(why) = judge.check(text.as_bytes()) {
                found.push(format!("the table is wrong: {text}: {why}"));
            }
        }
        for text in invalid {
            if judge.check(text.as_bytes()).is_ok() {
                found.push(format!("the table is wrong: {text} is valid"));
            }
        }
    }
    // What can be told without a model is what is told with one.
    if let (Err(why), Ok(_)) | (Ok(()), Err(why)) =
        (b158_grammar::check(Kind::JsonSchema, schema), WORDS.vocabulary.answer(Kind::JsonSchema, schema))
    {
        found.push(format!("check and answer are not of one opinion: {why}"));
    }
    let answer = match WORDS.vocabulary.answer(Kind::JsonSchema, schema) {
        Ok(answer) => answer,
        Err(why) => {
            let said = why.to_string();
            tally(|t| t.refused += 1);
            if said.len() > MESSAGE || said.trim().is_empty() {
                found.push(format!("a message of {} bytes", said.len()));
            }
            let named = |word: &&str| said.contains(*word);
            match right {
                Right::Refused(word) if !named(&word) => found.push(format!("refused without naming {word:?}: {said}")),
                Right::Either(words) if !words.iter().any(named) => {
                    found.push(format!("refused without naming one of {words:?}: {said}"))
                }
                Right::Kept | Right::Narrowed => found.push(format!("not kept: {said}")),
                _ => {}
            }
            return found;
        }
    };
    tally(|t| t.schemas += 1);
    if let Right::Refused(word) = right {
        found.push(format!("not refused, naming {word:?}"));
        return found;
    }
    let judge = match judge {
        Ok(judge) => judge,
        // A schema that its own meta-schema refuses, though what it means is plain.
        Err(_) if valid.is_empty() && invalid.is_empty() => return found,
        Err(why) => {
            found.push(format!("kept, where the judge refuses the schema: {why}"));
            return found;
        }
    };
    let mut seed = 0;
    for _ in 0..rounds(1) {
        for temper in TEMPERS {
            seed += 1;
            match Walker::new(answer.clone(), seed).walk(temper, 60) {
                Ok(walked) => {
                    tally(|t| t.walked(&walked));
                    if let Err(why) = judge.check(&walked.text) {
                        found.push(format!("{temper:?} {seed}: {why}: {:.300}", String::from_utf8_lossy(&walked.text)));
                    }
                    if let Err(why) = begun(&answer, &walked.text, seed) {
                        found.push(format!(
                            "{temper:?} {seed}: begun: {why}: {:.300}",
                            String::from_utf8_lossy(&walked.text)
                        ));
                    }
                    // The same text in other tokens.
                    if let Err(why) = Walker::new(answer.clone(), !seed).follow(&walked.text) {
                        found.push(format!("{temper:?} {seed}: once walked, it can't be the answer: {why}"));
                    }
                }
                Err(broken) => found.push(format!("{temper:?} {seed}: {broken}")),
            }
        }
        if right == Right::Kept {
            for text in valid {
                seed += 1;
                if let Err(why) = Walker::new(answer.clone(), seed).follow(in_style(text).as_bytes()) {
                    found.push(format!("{text} can't be the answer: {why}"));
                }
            }
        }
        for text in invalid {
            seed += 1;
            for text in [in_style(text), (*text).to_owned()] {
                if Walker::new(answer.clone(), seed).follow(text.as_bytes()).is_ok() {
                    found.push(format!("{text} can be the answer"));
                }
            }
        }
    }
    found
}

/// An answer that begins with a part of `text` goes on with the rest; a beginning that is none changes nothing.
fn begun(answer: &Answer, text: &[u8], seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let cut = dice.below(text.len() + 1);
    let mut other = answer.clone();
    for wrong in [&[&text[..cut], b"\x01"].concat()[..], &[text, b"~"].concat()] {
        if other.begin(wrong).is_ok() {
            return Err(format!("{:?} is taken as a beginning", String::from_utf8_lossy(wrong)));
        }
    }
    other.begin(&text[..cut]).map_err(|why| format!("of {cut} bytes: {why}"))?;
    Walker::new(other, seed).follow(&text[cut..]).map_err(|why| format!("after {cut} bytes: {why}"))
}

/// Every `of`th case of the table, from `nth` on: the parts run beside each other.
fn part(nth: usize, of: usize) {
    faults(table::all().skip(nth).step_by(of).flat_map(|case| small_stack(case.name, || run(case))).collect());
}

#[test]
fn schemas_are_kept_or_refused_by_name_first_half() {
    part(0, 2);
}

#[test]
fn schemas_are_kept_or_refused_by_name_second_half() {
    part(1, 2);
}

#[test]
fn names_are_told_apart() {
    let mut names = std::collections::HashSet::new();
    for case in table::all() {
        assert!(names.insert(case.name), "{} twice", case.name);
    }
    assert!(names.len() > 500, "{} schemas", names.len());
}
