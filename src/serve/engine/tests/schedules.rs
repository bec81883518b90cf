//! Talks in any number, order and company: each says what it says alone.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Mutex;

/// What talks begin with: some begin as others do.
const BEGINNINGS: [&str; 6] = [
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the sun with her dog Max.",
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the rain.",
    "Once upon a time, there was a brave fox named Pip.",
    "Tom and his dog went to the park.",
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the sun with her dog Max. One day, \
     they saw a big, red ball in the garden, and Max wanted to have it.",
    "One night, Sam was in bed. Then he heard a strange noise. Sam hid under the blanket, for he was afraid of the dark, and of \
     what may be in it. He waited for his mother, and for the sun, and for a long time nothing came at all.",
];

/// A job by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    beginning: usize,
    talk: bool,
    seed: u64,
    max_tokens: usize,
    form: bool,
}

impl Kind {
    fn job(self) -> Job {
        let text = BEGINNINGS[self.beginning];
        let prompt = match self.talk {
            true => Prompt::Messages(vec![Message::new("system", BEGINNINGS[0]), Message::new("user", text)]),
            false => Prompt::Text(text.to_owned()),
        };
        let mut job = job(prompt, self.max_tokens);
        job.options.sampler.seed = self.seed;
        job.pieces = self.talk;
        job.options.logprobs = self.seed == 1;
        job.format = self.form.then(|| ResponseFormat::Regex { pattern: "[A-Z][a-z ]{3,20}\\.".to_owned() });
        job
    }

    /// What it says where there is nothing else.
    fn alone(self) -> Told {
        static KNOWN: LazyLock<Mutex<HashMap<Kind, Told>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap();
        compared(known.entry(self).or_insert_with(|| all(engine(LIMITS).submit(self.job()).unwrap())).clone())
    }
}

/// But for what may differ: how much of the prompt was known.
fn compared(mut told: Told) -> Told {
    match &mut told.end {
        Some((_, usage)) => usage.cached_tokens = 0,
        None => panic!("{told:?}"),
    }
    told
}

fn kinds() -> impl Strategy<Value = Kind> {
    (0..BEGINNINGS.len(), any::<bool>(), 0..2u64, prop_oneof![Just(0usize), 1..30usize], prop::bool::weighted(0.2))
        .prop_map(|(beginning, talk, seed, max_tokens, form)| Kind { beginning, talk, seed, max_tokens, form })
}

/// What happens one after the other.
#[derive(Debug, Clone)]
enum Act {
    /// A job comes.
    Submit(Kind),
    /// The one of these that waits is heard for so many events.
    Hear(usize, usize),
    /// It goes.
    Drop(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => kinds().prop_map(Act::Submit),
        4 => (any::<usize>(), 1..12usize).prop_map(|(at, events)| Act::Hear(at, events)),
        1 => any::<usize>().prop_map(Act::Drop),
    ];
    prop::collection::vec(act, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn each_says_what_it_says_alone(
        parallel in 1..5usize,
        // Room for no talk, for some, and for all.
        memory in prop_oneof![Just(0u64), (1u64 << 20)..(4 << 20), Just(1 << 30)],
        acts in acts(),
    ) {
        let engine = engine(Limits { parallel, queue: 64, memory, ..LIMITS });
        let mut talks: Vec<(Kind, Answer, Told)> = Vec::new();
        let check = |engine: &Engine| {
            let stats = engine.stats();
            prop_assert!(stats.kept_talks == 0 || stats.kept_bytes + stats.running_bytes <= memory, "{stats:?}");
            prop_assert!(stats.running <= parallel);
            Ok(())
        };
        for act in acts {
            match act {
                Act::Submit(kind) => talks.push((kind, engine.submit(kind.job()).unwrap(), Told::default())),
                Act::Hear(at, events) if !talks.is_empty() => {
                    let at = at % talks.len();
                    let (_, answer, told) = &mut talks[at];
                    for _ in 0..events {
                        match block_on(answer.next()) {
                            Some(event) => told.take(event),
                            None => break,
                        }
                    }
                }
                Act::Drop(at) if !talks.is_empty() => drop(talks.swap_remove(at % talks.len())),
                Act::Hear(..) | Act::Drop(_) => {}
            }
            check(&engine)?;
        }
        for (kind, answer, told) in talks {
            let told = rest(answer, told);
            prop_assert_eq!(compared(told), kind.alone(), "{:?}", kind);
        }
        block_on(engine.drain());
        let stats = engine.stats();
        prop_assert_eq!((stats.running, stats.waiting, stats.running_bytes), (0, 0, 0));
        check(&engine)?;
    }
}
