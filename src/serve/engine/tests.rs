//! The engine with the story model: what a talk gets does not depend on what else there is.

mod faults;
mod schedules;

use super::*;
use b158::chat::{Message, Piece, Tools, Variables};
use b158::constraint::{Constraint, Next, ResponseFormat};
use b158::sampler::SamplerOptions;
use b158::session::{FinishReason, GenerateOptions, Session, Usage};
use futures::executor::block_on;
use prepare::{Prepared, Talk};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

static STORIES: LazyLock<Arc<Loaded>> =
    LazyLock::new(|| Arc::new(Loaded::open("tests/models/stories-I2_S.gguf").unwrap()));

const LIMITS: Limits = Limits {
    parallel: 3,
    queue: 8,
    memory: 1 << 30,
    session: SessionOptions { context: None, kv_type: None, tune_threads: false, batch: 0 },
};

fn engine(limits: Limits) -> Engine {
    Engine::new(Arc::clone(&STORIES), limits).unwrap()
}

fn job(prompt: Prompt, max_tokens: usize) -> Job {
    let sampler = SamplerOptions { seed: 7, ..Default::default() };
    let options = GenerateOptions { max_tokens: Some(max_tokens), sampler, ..Default::default() };
    let (tools, variables) = (Tools::default(), Variables::NONE);
    Job { prompt, options, format: None, tools, variables, pieces: false }
}

fn story(begin: &str, max_tokens: usize) -> Job {
    job(Prompt::Text(begin.to_owned()), max_tokens)
}

/// A prompt of so many tokens.
fn long(tokens: u32) -> Vec<u32> {
    (0..tokens).map(|i| 300 + i * 7 % 500).collect()
}

/// What a form does when it is asked, in the engine's thread.
enum Odd {
    Panics,
    /// Before it is asked.
    PanicsAtOnce,
    HasNoMemory,
    /// Tells that it is asked, and waits for an answer as long as somebody may give one.
    Waits(Sender<()>, Receiver<()>),
}

impl Constraint for Odd {
    fn next(&mut self, _: &[u32], _: &mut [u32]) -> b158::Result<Next> {
        match self {
            Odd::Panics | Odd::PanicsAtOnce => panic!("a secret"),
            Odd::HasNoMemory => Err(b158::Error::OutOfMemory { what: "a test".to_owned(), bytes: 1 }),
            Odd::Waits(asked, answer) => {
                let _ = asked.send(());
                let _ = answer.recv();
                Ok(Next::Any)
            }
        }
    }

    fn compile_time(&self) -> Duration {
        assert!(!matches!(self, Odd::PanicsAtOnce), "a secret");
        Duration::ZERO
    }
}

fn submit_odd(engine: &Engine, form: Odd) -> Answer {
    submit_ready(engine, vec![5, 6, 7], 500, Some(Box::new(form)))
}

/// A job that is prepared already, and begins before the next step.
fn submit_ready(engine: &Engine, prompt: Vec<u32>, max_tokens: usize, form: Option<Box<dyn Constraint>>) -> Answer {
    let (events, answer) = Answer::channel();
    let mut options = story("", max_tokens).options;
    options.ignore_end = true;
    let talk = Talk { prompt, options, form, reader: None, notes: vec![], events };
    engine.queue.push_prepared(Prepared::Talk(Box::new(talk)));
    answer
}

/// A job that holds the engine's thread in the middle of each of its steps.
struct Held {
    job: Answer,
    asked: Receiver<()>,
    answer: Sender<()>,
}

impl Held {
    /// The first one.
    fn new(engine: &Engine) -> Self {
        let ((asks, asked), (answer, answers)) = (channel(), channel());
        let job = submit_odd(engine, Odd::Waits(asks, answers));
        asked.recv().unwrap();
        Held { job, asked, answer }
    }

    /// Lets it go on to the middle of its next step.
    fn step(&self) {
        self.answer.send(()).unwrap();
        self.asked.recv().unwrap();
    }

    /// Lets it go on to its end.
    fn release(self) -> Answer {
        self.job
    }
}

/// All that came of a job.
#[derive(Debug, Default, Clone, PartialEq)]
struct Told {
    text: String,
    ids: Vec<u32>,
    /// Of log-probabilities and entropies, which any bit of a logit would change.
    bits: Vec<[u64; 2]>,
    pieces: Vec<Piece>,
    begun: bool,
    end: Option<(FinishReason, Usage)>,
    failed: Option<Failure>,
}

impl Told {
    fn take(&mut self, event: Event) {
        assert!(self.end.is_none() && self.failed.is_none(), "{event:?} after the end");
        match event {
            Event::Begun { .. } => assert!(!std::mem::replace(&mut self.begun, true)),
            Event::Token { id, text, pieces, logprobs, .. } => {
                assert!(self.begun);
                self.ids.push(id);
                self.pieces.extend(pieces);
                self.bits.extend(logprobs.map(|of| [of.log_probability.to_bits(), of.entropy.to_bits()]));
                self.text += &text;
            }
            Event::Done { summary, pieces, .. } => {
                assert!(self.begun);
                self.pieces.extend(pieces);
                self.text += &summary.text;
                self.end = Some((summary.finish_reason, summary.usage));
            }
            Event::Failed(failure) => self.failed = Some(failure),
        }
    }

    fn usage(&self) -> Usage {
        self.end.expect("it has come to its end").1
    }
}

/// To the end.
fn all(answer: Answer) -> Told {
    rest(answer, Told::default())
}

fn rest(mut answer: Answer, mut told: Told) -> Told {
    block_on(async {
        while let Some(event) = answer.next().await {
            told.take(event);
        }
    });
    assert!(told.end.is_some() || told.failed.is_some());
    told
}

/// Up to its first event, which is that it has begun.
fn begun(mut answer: Answer) -> (Answer, Told) {
    let mut told = Told::default();
    told.take(block_on(answer.next()).unwrap());
    assert!(told.begun, "{told:?}");
    (answer, told)
}

#[test]
fn says_what_a_session_says() {
    let engine = engine(LIMITS);
    let told = all(engine.submit(story("Tom and his dog went to the park.", 40)).unwrap());
    let prompt = STORIES.tokenizer.encode_prompt("Tom and his dog went to the park.", b158::tokenizer::Special::PARSED);
    let prompt = prompt.unwrap();
    let mut session = Session::new(Arc::clone(&STORIES), SessionOptions::default()).unwrap();
    let options = story("", 40).options;
    let text: String = session.generate(&prompt, options).unwrap().map(Result::unwrap).collect();
    assert_eq!(told.text, text);
    assert_eq!((told.usage().prompt_tokens, told.usage().completion_tokens), (prompt.len(), 40));
    let stats = engine.stats();
    assert_eq!((stats.done, stats.running, stats.waiting, stats.completion_tokens), (1, 0, 0, 40));
}

#[test]
fn a_kept_talk_changes_nothing_but_the_work() {
    let begin =
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the sun with her dog.";
    let fresh = |text: &str| all(engine(LIMITS).submit(story(text, 20)).unwrap());
    let engine = engine(LIMITS);
    let first = all(engine.submit(story(begin, 20)).unwrap());
    assert_eq!(first.usage().cached_tokens, 0);
    let goes_on = begin.to_owned() + &first.text + " Then";
    let other = begin.to_owned() + " But one day it rained.";
    for text in [&*goes_on, &other, begin, &goes_on, &other] {
        let (told, alone) = (all(engine.submit(story(text, 20)).unwrap()), fresh(text));
        assert!(told.usage().cached_tokens > 20, "{text}: {:?}", told.usage());
        assert_eq!((&told.text, &told.ids), (&alone.text, &alone.ids), "{text}");
        assert_eq!(told.usage().prompt_tokens, alone.usage().prompt_tokens);
    }
}

#[test]
fn what_two_prompts_begin_with_is_read_once() {
    let engine = engine(LIMITS);
    let with = |last: u32| Prompt::Ids(long(300).into_iter().chain([last; 5]).collect());
    let answers: Vec<_> = (100..103).map(|last| engine.submit(job(with(last), 5)).unwrap()).collect();
    let cached: Vec<usize> = answers.into_iter().map(|answer| all(answer).usage().cached_tokens).collect();
    assert_eq!(
        (cached.iter().filter(|cached| **cached == 0).count(), cached.iter().filter(|cached| **cached >= 300).count()),
        (1, 2),
        "{cached:?}"
    );
}

#[test]
fn the_queue_has_a_bound() {
    let engine = engine(Limits { parallel: 1, queue: 2, ..LIMITS });
    let held = Held::new(&engine);
    let second = engine.submit(story("Tom", 3)).unwrap();
    let third = engine.submit(story("Tom", 3)).unwrap();
    let busy = engine.submit(story("Tom", 3)).unwrap_err();
    assert_eq!(busy.why, Why::QueueIsFull { waiting: 2 });
    assert!(busy.retry_after >= Duration::from_secs(1) && busy.retry_after.subsec_nanos() == 0);
    // Who goes makes room, once nobody works at what he wanted.
    drop(third);
    let third = loop {
        match engine.submit(story("Tom", 3)) {
            Ok(answer) => break answer,
            Err(_) => std::thread::yield_now(),
        }
    };
    drop(held.release());
    assert!(all(second).end.is_some() && all(third).end.is_some());
    let stats = engine.stats();
    assert_eq!((stats.done, stats.cancelled, stats.failed), (2, 2, 0));
    assert!(stats.refused >= 1);
}

#[test]
fn who_goes_is_heard_in_the_middle_of_a_prompt() {
    let engine = engine(LIMITS);
    let held = Held::new(&engine);
    let long = submit_ready(&engine, long(500), 5, None);
    while engine.stats().running < 2 {
        held.step();
    }
    // A part of it is read beside the other's token.
    held.step();
    drop(long);
    drop(held.release());
    block_on(engine.drain());
    let stats = engine.stats();
    assert_eq!((stats.cancelled, stats.running, stats.running_bytes), (2, 0, 0));
    assert!((1..400).contains(&stats.prompt_tokens), "{stats:?}");
}

#[test]
fn others_go_on_beside_a_long_prompt() {
    let engine = engine(LIMITS);
    let held = Held::new(&engine);
    let long = submit_ready(&engine, long(450), 1, None);
    while engine.stats().running < 2 {
        held.step();
    }
    let tokens = engine.stats().completion_tokens;
    let (beside, told) = (held.release(), all(long));
    assert_eq!(told.ids.len(), 1);
    let tokens = engine.stats().completion_tokens - tokens;
    assert!(tokens > 5, "{tokens} tokens beside a prompt of 450");
    drop(beside);
}

#[test]
fn what_is_refused_has_not_begun() {
    let engine = engine(Limits { parallel: 1, ..LIMITS });
    // Also while there is no slot.
    let held = Held::new(&engine);
    let schema = |schema: &str| {
        let mut job = story("Tom", 5);
        job.format = Some(ResponseFormat::JsonSchema { schema: schema.to_owned() });
        job
    };
    for refused in [
        job(Prompt::Ids(long(513)), 5),
        job(Prompt::Ids(vec![]), 5),
        job(Prompt::Ids(vec![99_999]), 5),
        schema("nonsense"),
    ] {
        let told = all(engine.submit(refused).unwrap());
        assert!(!told.begun && matches!(told.failed, Some(Failure::Error(_))), "{told:?}");
    }
    let many = (0..513).map(|_| Message::new("user", "")).collect();
    let told = all(engine.submit(job(Prompt::Messages(many), 5)).unwrap());
    assert!(matches!(told.failed, Some(Failure::Error(b158::Error::PromptTooLong { tokens: 513, context: 512 }))));
    assert_eq!(engine.stats().failed, 5);
    drop(held.release());
    // Those that are refused by the session.
    let mut odd = story("Tom", 5);
    odd.options.sampler.top_p = -1.0;
    let told = all(engine.submit(odd).unwrap());
    assert!(!told.begun && matches!(told.failed, Some(Failure::Error(b158::Error::BadOption { .. }))));
    let told = all(engine.submit(schema(r#"{"enum": ["yes", "no"]}"#)).unwrap());
    assert!([r#""yes""#, r#""no""#].contains(&&*told.text), "{told:?}");
}

#[test]
fn no_tokens_are_an_answer() {
    let told = all(engine(LIMITS).submit(story("Tom and his dog", 0)).unwrap());
    let (reason, usage) = told.end.unwrap();
    assert_eq!((reason, usage.completion_tokens, &*told.text), (FinishReason::Length, 0, ""));
    assert!(usage.prompt_tokens > 0);
}

#[test]
fn draining_ends_what_was_taken() {
    let engine = engine(Limits { parallel: 1, ..LIMITS });
    let (under_way, told) = begun(engine.submit(story("Tom", 30)).unwrap());
    let waiting = engine.submit(story("Sam", 3)).unwrap();
    let drained = std::thread::scope(|scope| {
        let drain = scope.spawn(|| block_on(engine.drain()));
        let told = [rest(under_way, told), all(waiting)];
        drain.join().unwrap();
        told
    });
    assert!(drained.iter().all(|told| told.end.is_some()), "{drained:?}");
    assert_eq!(engine.submit(story("Tom", 3)).unwrap_err().why, Why::Ending);
    assert!(engine.stats().ending);
    // Nothing is under way.
    block_on(engine.drain());
}

#[test]
fn the_end_of_the_engine_is_told() {
    let engine = engine(Limits { parallel: 1, ..LIMITS });
    let held = Held::new(&engine);
    let waiting = engine.submit(story("Sam", 3)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(engine));
        assert_eq!(all(waiting).failed, Some(Failure::Stopped));
        assert_eq!(all(held.release()).failed, Some(Failure::Stopped));
    });
}

#[test]
fn without_memory_to_keep_talks_answers_go_on_side_by_side() {
    let engine = engine(Limits { memory: 0, ..LIMITS });
    let held = Held::new(&engine);
    let other = submit_ready(&engine, long(9), 3, None);
    while engine.stats().running < 2 {
        held.step();
    }
    assert!(all(held.release()).end.is_some() && all(other).end.is_some());
    assert_eq!(engine.stats().kept_talks, 0);
}

#[test]
fn embeddings_are_those_of_a_session() {
    let engine = engine(LIMITS);
    let beside = engine.submit(story("Once upon a time", 100)).unwrap();
    let texts = ["Tom and his dog", "a big red ball", ""];
    let inputs = texts.iter().map(|text| Input::Text((*text).to_owned())).collect();
    let made = block_on(engine.embed(Embed { inputs, dimensions: Some(8) }).unwrap().wait()).unwrap();
    let mut session = Session::new(Arc::clone(&STORIES), SessionOptions::default()).unwrap();
    let mut tokens = 0;
    for (text, vector) in texts.iter().zip(&made.vectors) {
        let ids = STORIES.text_to_embed(text).unwrap();
        tokens += ids.len();
        assert_eq!(*vector, b158::session::shortened(session.embed(&ids).unwrap(), 8).unwrap());
    }
    assert_eq!((made.vectors.len(), made.prompt_tokens), (texts.len(), tokens));
    drop(beside);
    let none = Embed { inputs: vec![], dimensions: None };
    assert_eq!(block_on(engine.embed(none).unwrap().wait()).unwrap().vectors.len(), 0);
    let beyond = Embed { inputs: vec![Input::Text("Tom".into())], dimensions: Some(9999) };
    let refused = block_on(engine.embed(beyond).unwrap().wait());
    assert!(matches!(refused, Err(Failure::Error(b158::Error::BadOption { .. }))), "{refused:?}");
}
