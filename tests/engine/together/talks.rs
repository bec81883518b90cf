//! Talks, alone and several in a pass, and what is heard of them.

use crate::constrained::toy::Texts;
use b158::Error;
use b158::model::{KvType, Loaded};
use b158::session::{FinishReason, GenerateOptions, Session, SessionOptions, Step, Together, Usage};
use std::sync::Arc;
use std::time::Duration;

/// A talk to be had.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) prompt: Vec<u32>,
    pub(super) options: GenerateOptions,
    pub(super) kv_type: KvType,
    pub(super) context: usize,
    /// The answer is one of these, after so many tokens of any kind.
    pub(super) form: Option<(&'static [&'static str], usize)>,
}

impl Asked {
    pub(super) fn session_options(&self) -> SessionOptions {
        SessionOptions { context: Some(self.context), kv_type: Some(self.kv_type), ..Default::default() }
    }

    pub(super) fn start(&self, session: &mut Session) {
        session.start(&self.prompt, self.options.clone()).unwrap();
        if let Some((texts, free)) = self.form {
            let mut form = Texts::new(session.loaded(), texts);
            form.free = free;
            session.constrain(Box::new(form)).unwrap();
        }
    }
}

/// What a talk has said so far.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) ids: Vec<u32>,
    /// Log-probabilities and entropies, which any bit of a logit would change.
    pub(super) logprobs: Vec<(u64, u64)>,
    pub(super) end: Option<Result<(FinishReason, Usage), Error>>,
}

impl Heard {
    /// Takes in a step; true while there is more to come.
    pub(super) fn hear(&mut self, step: Result<Step, Error>) -> bool {
        assert!(self.end.is_none(), "it has ended");
        match step {
            Ok(Step::Prefill { done, total }) => assert!(done <= total && self.ids.is_empty()),
            Ok(Step::Pass) => {}
            Ok(Step::Token { id, text, logprobs }) => {
                self.ids.push(id);
                self.text += &text;
                self.logprobs.extend(logprobs.map(|of| (of.log_probability.to_bits(), of.entropy.to_bits())));
            }
            Ok(Step::Done(summary)) => {
                self.text += &summary.text;
                self.end = Some(Ok((summary.finish_reason, summary.usage)));
            }
            Err(error) => self.end = Some(Err(error)),
        }
        self.end.is_none()
    }
}

pub(super) fn alone(loaded: &Arc<Loaded>, asked: &Asked) -> Heard {
    let mut session = Session::new(loaded.clone(), asked.session_options()).unwrap();
    asked.start(&mut session);
    let mut heard = Heard::default();
    while heard.hear(session.step(Duration::MAX)) {}
    heard
}

/// One step of all that are under way.
pub(super) fn step(together: &mut Together, talks: &mut [(Session, Heard)], budget: Duration) {
    let (mut sessions, heard): (Vec<&mut Session>, Vec<&mut Heard>) =
        talks.iter_mut().filter(|(_, heard)| heard.end.is_none()).map(|(session, heard)| (session, heard)).unzip();
    let steps = together.step(&mut sessions, budget);
    assert_eq!(steps.len(), heard.len());
    for (heard, step) in heard.into_iter().zip(steps) {
        heard.hear(step);
    }
}

pub(super) fn begun(together: &Together, asked: &Asked) -> (Session, Heard) {
    let mut session = together.session(asked.session_options()).unwrap();
    asked.start(&mut session);
    (session, Heard::default())
}

pub(super) fn all_at_once(together: &mut Together, asked: &[Asked], budget: Duration) -> Vec<Heard> {
    let mut talks: Vec<_> = asked.iter().map(|asked| begun(together, asked)).collect();
    while talks.iter().any(|(_, heard)| heard.end.is_none()) {
        step(together, &mut talks, budget);
    }
    talks.into_iter().map(|(_, heard)| heard).collect()
}
