//! Texts that are made to break what reads them: each gives an answer or a refusal, on the stack of a worker, within so many steps.

mod expressions;
mod grammars;
mod mutations;
mod schemas;

use crate::walk::{Dice, Temper};
use crate::words::WORDS;
use crate::{rounds, small_stack, tally};
use b158_grammar::{Kind, Next};
use std::time::Instant;

/// Compiles, and takes some steps. What it says is at most a screen, and an answer that goes on breaks no promise.
fn survives(name: &str, kind: Kind, text: &str) -> Vec<String> {
    let start = Instant::now();
    let found = small_stack(name, || {
        let answer = match WORDS.vocabulary.answer(kind, text) {
            Ok(answer) => answer,
            Err(why) => {
                tally(|t| t.refused += 1);
                let said = why.to_string();
                return match said.len() {
                    1..=2000 => Vec::new(),
                    length => vec![format!("a message of {length} bytes: {said:.200}")],
                };
            }
        };
        tally(|t| t.schemas += 1);
        let mut found = Vec::new();
        for temper in [Temper::Endless, Temper::Closing] {
            // Clones share what they have worked out, and its bounds.
            let mut answer = match temper {
                Temper::Endless => answer.clone(),
                _ => WORDS.vocabulary.answer(kind, text).expect("an answer, as before"),
            };
            let mut mask = WORDS.mask();
            let mut dice = Dice(1);
            let mut taken = Vec::new();
            for step in 0..60 {
                match answer.next(&taken, &mut mask) {
                    Ok(Next::Whole) => break,
                    Ok(Next::Certain(bytes)) => taken = bytes.iter().take(3000).map(|&b| u32::from(b)).collect(),
                    Ok(Next::Choice) => {
                        let allowed: Vec<u32> = (0..WORDS.bytes.len() as u32)
                            .filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1)
                            .collect();
                        if allowed.is_empty() {
                            found.push(format!("{temper:?}: nothing is allowed at step {step}"));
                            break;
                        }
                        let open = |id: &&u32| WORDS.bytes[**id as usize].iter().all(|b| b"{[\":(<,".contains(b));
                        let close = |id: &&u32| {
                            WORDS.ends.contains(id) || WORDS.bytes[**id as usize].iter().all(|b| b"}])\"".contains(b))
                        };
                        let liked: Vec<u32> = if temper == Temper::Endless {
                            allowed.iter().filter(open).copied().collect()
                        } else {
                            allowed.iter().filter(close).copied().collect()
                        };
                        taken = vec![*dice.pick(if liked.is_empty() { &allowed } else { &liked })];
                    }
                    Err(why) => {
                        // What an expression or a grammar costs is seen on the way; but what can't begin is refused.
                        let costly = kind != Kind::JsonSchema || text.contains("pattern");
                        if !(costly && step > 0 && why.to_string().contains("more work")) {
                            found.push(format!("{temper:?}: an error at step {step}: {why}"));
                        }
                        break;
                    }
                }
            }
        }
        found
    });
    if start.elapsed().as_secs_f64() > 2.0 {
        println!("{name}: {:?}", start.elapsed());
    }
    found.into_iter().map(|what| format!("{name}: {what}")).collect()
}

/// `text` so often, around `inside`.
fn nested(open: &str, inside: &str, close: &str, times: usize) -> String {
    [&open.repeat(times), inside, &close.repeat(times)].concat()
}

/// The sizes up to `usual`; all of them if more is asked for than usual.
fn sizes(all: &[usize], usual: usize) -> Vec<usize> {
    all.iter().copied().filter(|&size| size <= usual || rounds(1) > 1).collect()
}

fn list(n: usize, one: impl FnMut(usize) -> String) -> String {
    (0..n).map(one).collect::<Vec<_>>().join(",")
}
