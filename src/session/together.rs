//! Sessions that work together: a pass reads the weights once, and takes the next tokens of all of them.
//!
//! A session that generates has one token in each pass. What room there is besides goes to the prompts, in the order in which the
//! caller names them. Each session has the bits that it would have alone, whoever comes, goes or fails beside it.

use super::constrained::Constrained;
use super::run::Run;
use super::{Due, InPass, Session, SessionOptions, Step};
use crate::model::{DEFAULT_BATCH, KvCache, Loaded, Next, Pass};
use crate::threads::Tuner;
use crate::{Error, Result};
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;
use web_time::Instant;

/// How sessions work together.
#[derive(Debug, Clone, Copy, Default)]
pub struct TogetherOptions {
    /// Tokens a pass at most, of all sessions; 0 takes [`DEFAULT_BATCH`]. Sessions beyond it take turns. Does not change the result.
    pub batch: usize,
    /// The same of a pass in which prompts are read while others generate, who wait for it; 0 takes [`MIXED_BATCH`]. Of a prompt it
    /// takes a token at least.
    pub mixed: usize,
    /// Let a session that generates alone find out how many of the pool's threads make it fastest; all of them where false.
    pub tune_threads: bool,
}

/// Tokens of a pass in which some read and others generate: a few of the widest register full, and not too long to wait for.
pub const MIXED_BATCH: usize = 32;

/// What sessions of one model have in common: the buffers of a pass.
pub struct Together {
    loaded: Arc<Loaded>,
    pass: Pass,
    mixed: usize,
    tuner: Option<Tuner>,
}

impl Together {
    /// For sessions of this model.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(loaded: Arc<Loaded>, options: TogetherOptions) -> Result<Self> {
        let or = |given: usize, default: usize| if given == 0 { default } else { given };
        let context = loaded.model.config.context(None)?;
        let pass = Pass::new(&loaded.model, context, or(options.batch, DEFAULT_BATCH))?;
        let tuner = options.tune_threads.then(|| Tuner::new(loaded.model.compute.pool.threads()));
        Ok(Together { loaded, pass, mixed: or(options.mixed, MIXED_BATCH), tuner })
    }

    /// A session that uses these buffers, and costs its KV cache alone. `batch` and `tune_threads` of its options count where it is
    /// [stepped](Session::step) alone, for which it takes buffers of its own.
    ///
    /// # Errors
    /// Those of [`Session::new`].
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::without_pass(Arc::clone(&self.loaded), options)
    }

    /// A [step](Session::step) of each of the sessions, in their order, in which prompts have their turn too: all that are under way,
    /// each time. One that is left out has no part any more in the pass under way, and begins again in the next. `budget` is looked at
    /// where prompts, or several certain tokens of a session, are in the pass. While there is something to tell of a session without a
    /// pass, there is none: of the others there is [nothing](Step::Pass) to tell.
    ///
    /// Panics on a session of another model.
    ///
    /// # Errors
    /// Those of [`Session::step`], to each its own: the others go on. Where memory ends in a pass, it is an error of those that have
    /// several tokens in it, and of all where none has.
    pub fn step(&mut self, sessions: &mut [&mut Session], budget: Duration) -> Vec<Result<Step>> {
        let mut steps: Vec<Result<Step>> = sessions.iter().map(|_| Err(Error::NotStarted)).collect();
        let mut talks = Vec::with_capacity(sessions.len());
        for (step, session) in steps.iter_mut().zip(sessions) {
            assert!(Arc::ptr_eq(&session.loaded, &self.loaded), "a session of another model");
            if let Some(run) = session.run.take() {
                talks.push(Talk { session, run, step, part: None, waits: false });
            }
        }
        // A form may take its time to say what may follow.
        self.loaded.model.compute.pool.chunks(&mut talks, 1, |_, talks| talks.iter_mut().for_each(Talk::look));
        // What needs no pass is told before one begins, such as certain tokens one by one: the next takes them all.
        if talks.iter().all(|talk| talk.waits)
            && !talks.is_empty()
            && let Err(error) = self.work(&mut talks, budget)
        {
            let several = talks.iter().any(Talk::has_several);
            for talk in talks.iter_mut().filter(|talk| talk.waits && talk.part.is_some()) {
                talk.run.in_pass = None;
                if talk.has_several() || !several {
                    talk.tell(Err(error.clone()));
                }
            }
        }
        talks.into_iter().for_each(Talk::end);
        steps
    }

    /// The [embedding](Session::embedding) of a text that the last step has read to its end.
    ///
    /// # Errors
    /// Those of [`Session::embedding`].
    pub fn embedding(&mut self, session: &Session) -> Result<Vec<f32>> {
        session.embedding_in(&mut self.pass)
    }

    /// A pass, or what the budget allows of it, and what comes of it.
    fn work(&mut self, talks: &mut [Talk<'_>], budget: Duration) -> Result<()> {
        let begun = Instant::now();
        talks.iter_mut().for_each(|talk| talk.find(&self.pass));
        if talks.iter().all(|talk| talk.part.is_none()) {
            self.begin(talks)?;
        }
        let Together { loaded, pass, tuner, .. } = self;
        let (model, pool) = (&loaded.model, &loaded.model.compute.pool);
        // Several tokens are arithmetic: all threads help.
        let mut tuner = tuner.as_mut().filter(|_| pass.parts() == 1 && pass.is_single());
        pool.set_active(tuner.as_ref().map_or(pool.threads(), |tuner| tuner.threads()));

        let mut caches: Vec<Option<&mut KvCache>> = (0..pass.parts()).map(|_| None).collect();
        for talk in talks.iter_mut() {
            if let Some(part) = talk.part {
                talk.run.threads = pool.active();
                caches[part] = Some(&mut talk.session.cache);
            }
        }
        let is_complete = loop {
            if pass.step(model, &mut caches)? {
                break true;
            }
            if !pass.is_single() && begun.elapsed() >= budget {
                break false;
            }
        };

        let mut rows = Vec::with_capacity(talks.len());
        let (mut all, mut few) = (Vec::with_capacity(talks.len()), Vec::new());
        for talk in talks.iter_mut() {
            let Some(part) = talk.part else { continue };
            if let Some(fault) = pass.fault(part) {
                talk.tell(Err(fault.clone()));
            } else if is_complete && talk.has_read() {
                if talk.few().is_some() {
                    few.push((talk, pass.last_row(part)));
                } else {
                    all.push(talk);
                    rows.push(pass.last_row(part));
                }
            }
        }
        if !rows.is_empty() {
            // The head is read once for all of them.
            let mut choices: Vec<_> = all.into_iter().zip(pass.logits(model, &rows)?.map(Some)).collect();
            pool.chunks(&mut choices, 1, |_, choices| {
                for (talk, logits) in choices {
                    talk.choose(logits.take());
                }
            });
            if let Some(tuner) = &mut tuner {
                tuner.record(begun.elapsed());
            }
        }
        for (talk, row) in few {
            let logits = pass.logits_of(model, row, talk.few().unwrap_or_default());
            talk.choose(Some(logits));
        }
        Ok(())
    }

    /// Begins a pass with what the sessions have to read.
    fn begin(&mut self, talks: &mut [Talk<'_>]) -> Result<()> {
        let shares = self.shares(talks);
        for (talk, share) in talks.iter_mut().zip(&shares) {
            if let Err(error) = talk.session.cache.reserve(*share) {
                talk.tell(Err(error));
            }
        }
        let mut texts = Vec::with_capacity(talks.len());
        for (talk, share) in talks.iter_mut().zip(shares).filter(|(talk, share)| talk.waits && *share > 0) {
            talk.part = Some(texts.len());
            let Session { cache, tokens, .. } = &*talk.session;
            texts.push(Next { cache, tokens: &tokens[cache.len()..][..share] });
        }
        self.pass.begin(&self.loaded.model, &texts)?;
        for talk in talks.iter_mut().filter(|talk| talk.waits) {
            talk.run.in_pass = talk.part.map(|part| InPass { number: self.pass.number(), part });
            talk.run.waited = if talk.part.is_some() { 0 } else { talk.run.waited + 1 };
        }
        Ok(())
    }

    /// How many tokens of each session the next pass takes.
    fn shares(&self, talks: &[Talk<'_>]) -> Vec<usize> {
        let mut shares = vec![0; talks.len()];
        let waiting = (0..talks.len()).filter(|i| talks[*i].waits);
        let (several, mut single): (Vec<usize>, Vec<usize>) = waiting.partition(|i| talks[*i].has_several());
        // Where there are more than fit, those come first that have waited longest.
        single.sort_by_key(|i| Reverse(talks[*i].run.waited));
        let mut room = self.pass.batch();
        for i in &single {
            shares[*i] = room.min(1);
            room -= shares[*i];
        }
        if !single.is_empty() {
            room = room.min(self.mixed.saturating_sub(single.len()).max(1));
        }
        for i in several {
            shares[i] = room.min(talks[i].session.unread());
            room -= shares[i];
        }
        shares
    }
}

/// A session in a step.
struct Talk<'a> {
    session: &'a mut Session,
    run: Run,
    step: &'a mut Result<Step>,
    /// Whether there is nothing to tell yet.
    waits: bool,
    /// Its part in the pass.
    part: Option<usize>,
}

impl Talk<'_> {
    /// Tells what there is to tell without a pass.
    fn look(&mut self) {
        self.waits = true;
        match self.session.due(&mut self.run) {
            Ok(Due::Told(step)) => self.tell(Ok(step)),
            Ok(Due::Read | Due::Choose) => {}
            Err(error) => self.tell(Err(error)),
        }
    }

    fn tell(&mut self, step: Result<Step>) {
        (*self.step, self.waits, self.part) = (step, false, None);
    }

    /// Whether it has more than one token to read.
    fn has_several(&self) -> bool {
        self.waits && self.session.unread() > 1
    }

    /// Finds its part in the pass under way.
    fn find(&mut self, pass: &Pass) {
        let own = self.run.in_pass.filter(|own| pass.is_under_way() && own.number == pass.number());
        self.part = own.map(|own| own.part).filter(|part| self.waits && pass.takes(*part));
    }

    /// The pass is complete. True where a token is to be chosen.
    fn has_read(&mut self) -> bool {
        self.session.read = self.run.in_pass.take();
        if self.session.unread() > 0 {
            self.tell(Ok(self.session.progress(&self.run)));
            return false;
        }
        match self.session.due(&mut self.run) {
            Ok(Due::Told(step)) => self.tell(Ok(step)),
            Ok(Due::Choose) => return true,
            Ok(Due::Read) => {}
            Err(error) => self.tell(Err(error)),
        }
        false
    }

    /// The tokens of which one has to be chosen, where they are few.
    fn few(&self) -> Option<&[u32]> {
        self.run.constrained.as_ref().and_then(Constrained::few)
    }

    fn choose(&mut self, logits: Option<Result<&mut [f32]>>) {
        if let Some(logits) = logits {
            let step = logits.and_then(|logits| self.session.choose(&mut self.run, logits));
            self.tell(step);
        }
    }

    fn end(mut self) {
        if self.waits {
            let step = self.session.progress(&self.run);
            self.tell(Ok(step));
        }
        if matches!(self.step, Ok(step) if !matches!(step, Step::Done(_))) {
            self.session.run = Some(self.run);
        }
    }
}
