//! Answers of a form: the module that knows schemas and grammars (`src/grammar`), fetched when one is first asked for.
//!
//! It has a memory of its own, and what it traps on is lost with that memory alone: the next answer gets a new instance.

use super::super::executor::spawn;
use super::super::place::words;
use super::super::protocol::{FromWorker, PlainError, Preparing};
use super::Worker;
use crate::allocate::try_with_capacity;
use crate::constraint::{Constraint, Next, ResponseFormat, Tokens};
use crate::download::LoadProgress;
use crate::download::meter::Phase;
use crate::model::Loaded;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, Shared};
use js_sys::{Function, Promise, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_time::Instant;

// What `www/src/internal/load-grammar.ts` gives, of `src/grammar/web.rs`. A string that is thrown is an error of the text or of the
// answer; anything else is the end of the instance.
#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type Module;
    #[wasm_bindgen(method, catch)]
    fn vocabulary(
        this: &Module,
        bytes: &[u8],
        lengths: &[u32],
        control: &[u32],
        names: Vec<String>,
        ends: &[u32],
    ) -> Result<Vocabulary, JsValue>;
    /// Another instance in place of this one.
    #[wasm_bindgen(method, catch)]
    fn renew(this: &Module) -> Result<(), JsValue>;

    type Vocabulary;
    #[wasm_bindgen(method, catch)]
    fn answer(this: &Vocabulary, kind: &str, text: &str) -> Result<Answer, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn free(this: &Vocabulary) -> Result<(), JsValue>;

    type Answer;
    #[wasm_bindgen(method, catch)]
    fn begin(this: &Answer, text: &[u8]) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn next(this: &Answer, taken: &[u32], allowed: &mut [u32]) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn notes(this: &Answer) -> Result<Vec<String>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn free(this: &Answer) -> Result<(), JsValue>;
}

/// The module and the model's tokens in it, as far as they are there.
#[derive(Default)]
pub(super) struct Forms {
    /// Fetches the module.
    fetch: Option<Function>,
    fetching: RefCell<Option<Fetching>>,
    instance: RefCell<Option<Rc<Instance>>>,
    vocabulary: RefCell<Option<Rc<Held>>>,
    /// Who hears how far it is.
    told: Cell<Told>,
}

type Fetching = Shared<LocalBoxFuture<'static, Result<(), PlainError>>>;

#[derive(Clone, Copy, Default)]
enum Told {
    #[default]
    Nobody,
    Load,
    Generation(u32),
}

/// While it lives, somebody hears how far it is: also one that is cancelled ends so.
struct Listening<'a>(&'a Cell<Told>);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.set(Told::Nobody);
    }
}

/// One life of the module.
struct Instance {
    module: Module,
    /// It has trapped: nothing of it may be touched any more.
    dead: Cell<bool>,
}

impl Instance {
    /// What an exception says. One that is no error of the module's own ends the instance.
    fn reason(&self, thrown: &JsValue) -> Result<String, String> {
        match thrown.as_string() {
            Some(reason) => Ok(reason),
            None => {
                self.dead.set(true);
                Err(format!("it is too much for what holds answers to a form ({}): make it smaller", words(thrown)))
            }
        }
    }

    /// Gives back what is no longer wanted, unless it died with the instance.
    fn give_back(&self, free: impl FnOnce() -> Result<(), JsValue>) {
        // What fails here is nobody's answer. A trap ends the instance, as everywhere.
        if !self.dead.get()
            && let Err(thrown) = free()
        {
            let _ = self.reason(&thrown);
        }
    }
}

/// A model's tokens in the module: its largest part, which the next model's does not lie beside.
struct Held {
    vocabulary: Vocabulary,
    instance: Rc<Instance>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.instance.give_back(|| self.vocabulary.free());
    }
}

impl Forms {
    /// `fetch` gives a promise of the module, and is given a function that hears how many bytes there are.
    pub(super) fn new(fetch: Option<Function>) -> Self {
        Forms { fetch, ..Forms::default() }
    }

    fn heard_by(&self, who: Told) -> Listening<'_> {
        self.told.set(who);
        Listening(&self.told)
    }

    /// The module, where it has been fetched.
    fn alive(&self) -> Result<Option<Rc<Instance>>, PlainError> {
        let Some(instance) = self.instance.borrow().clone() else { return Ok(None) };
        if !instance.dead.get() {
            return Ok(Some(instance));
        }
        self.vocabulary.replace(None);
        let module = instance.module.clone();
        module.renew().map_err(|thrown| of_environment(&thrown))?;
        let instance = Rc::new(Instance { module, dead: Cell::new(false) });
        self.instance.replace(Some(Rc::clone(&instance)));
        Ok(Some(instance))
    }
}

impl Worker {
    /// Begins to fetch the module, for a load.
    pub(super) fn fetch_forms(self: &Rc<Self>) {
        drop(self.fetching_forms());
    }

    /// With the tokens of a model that is being loaded, where the module has come.
    pub(super) fn take_vocabulary(&self, tokenizer: &Tokenizer, logits: usize) -> Result<(), PlainError> {
        let Some(instance) = self.forms.alive()? else { return Ok(()) };
        self.vocabulary_of(&instance, tokenizer, logits).map(drop)
    }

    /// What has been taken was of a model that is loaded no further.
    pub(super) fn forget_vocabulary(&self) {
        self.forms.vocabulary.replace(None);
    }

    /// What a load waits for at its end.
    pub(super) async fn forms_of_load(self: &Rc<Self>, loaded: &Loaded) -> Result<(), PlainError> {
        let _listening = self.forms.heard_by(Told::Load);
        self.forms(loaded).await.map(drop)
    }

    /// A form for an answer, of the generation `id`. The first of a model takes a while.
    pub(super) async fn formed(
        self: &Rc<Self>,
        id: u32,
        loaded: &Loaded,
        format: &ResponseFormat,
        begun: Option<&str>,
    ) -> Result<Formed, PlainError> {
        let (instance, vocabulary) = {
            let _listening = self.forms.heard_by(Told::Generation(id));
            self.forms(loaded).await?
        };
        Ok(Formed::new(instance, &vocabulary.vocabulary, format, begun)?)
    }

    async fn forms(self: &Rc<Self>, loaded: &Loaded) -> Result<(Rc<Instance>, Rc<Held>), PlainError> {
        loop {
            if let Some(instance) = self.forms.alive()? {
                let logits = loaded.model.config.vocabulary;
                let vocabulary = self.vocabulary_of(&instance, &loaded.tokenizer, logits)?;
                return Ok((instance, vocabulary));
            }
            self.fetching_forms().await?;
        }
    }

    fn vocabulary_of(
        &self,
        instance: &Rc<Instance>,
        tokenizer: &Tokenizer,
        logits: usize,
    ) -> Result<Rc<Held>, PlainError> {
        if let Some(vocabulary) = self.forms.vocabulary.borrow().clone() {
            return Ok(vocabulary);
        }
        let total = logits as u64;
        self.tell(Preparing::Vocabulary, 0, Some(total));
        let vocabulary = vocabulary(instance, Tokens::of(tokenizer, logits)?)?;
        let vocabulary = Rc::new(Held { vocabulary, instance: Rc::clone(instance) });
        self.tell(Preparing::Vocabulary, total, Some(total));
        self.forms.vocabulary.replace(Some(Rc::clone(&vocabulary)));
        Ok(vocabulary)
    }

    fn fetching_forms(self: &Rc<Self>) -> Fetching {
        let mut fetching = self.forms.fetching.borrow_mut();
        let worker = Rc::clone(self);
        let new = || {
            let new = worker.fetched_forms().boxed_local().shared();
            // Who waits for it may be cancelled. A failure that nobody polled for would be handed to whoever comes next, however late.
            spawn(new.clone().map(drop));
            new
        };
        fetching.get_or_insert_with(new).clone()
    }

    async fn fetched_forms(self: Rc<Self>) -> Result<(), PlainError> {
        let hears = Rc::clone(&self);
        let progress = Closure::<dyn FnMut(f64, Option<f64>)>::new(move |loaded: f64, total: Option<f64>| {
            hears.tell(Preparing::Fetch, loaded as u64, total.map(|total| total as u64));
        });
        let fetched = match &self.forms.fetch {
            Some(fetch) => match fetch.call1(&JsValue::UNDEFINED, progress.as_ref()) {
                Ok(promise) => JsFuture::from(promise.unchecked_into::<Promise>()).await,
                Err(thrown) => Err(thrown),
            },
            None => Err("this worker was made by an older version, without answers of a form".into()),
        };
        // One that failed is tried again by whoever asks next.
        self.forms.fetching.replace(None);
        let module: Module = fetched.map_err(|thrown| of_environment(&thrown))?.unchecked_into();
        self.forms.instance.replace(Some(Rc::new(Instance { module, dead: Cell::new(false) })));
        Ok(())
    }

    fn tell(&self, phase: Preparing, loaded: u64, total: Option<u64>) {
        match self.forms.told.get() {
            Told::Nobody => {}
            Told::Generation(id) => self.post(&FromWorker::Preparing { id, phase, loaded, total }),
            Told::Load => {
                if let Preparing::Fetch = phase {
                    self.post(&FromWorker::Progress(LoadProgress::of(Phase::Formats, loaded, total)));
                }
            }
        }
    }
}

fn vocabulary(instance: &Instance, tokens: Tokens) -> Result<Vocabulary, PlainError> {
    let total = tokens.bytes.iter().map(Vec::len).sum();
    let mut bytes = try_with_capacity(total, "the vocabulary")?;
    let mut lengths = try_with_capacity(tokens.bytes.len(), "the vocabulary")?;
    for token in &tokens.bytes {
        bytes.extend_from_slice(token);
        lengths.push(token.len() as u32);
    }
    let (control, names): (Vec<_>, Vec<_>) = tokens.control.into_iter().unzip();
    let made = instance.module.vocabulary(&bytes, &lengths, &control, names, &tokens.ends);
    made.map_err(|thrown| {
        let reason = instance.reason(&thrown).unwrap_or_else(|trapped| trapped);
        Error::Constraint { reason: format!("the model's vocabulary: {reason}") }.into()
    })
}

/// What fetching, or the browser's memory, has against it: an error of this package has a code.
fn of_environment(thrown: &JsValue) -> PlainError {
    let code = Reflect::get(thrown, &"code".into()).ok().and_then(|code| code.as_string());
    let code = code.map_or("constraint".into(), Into::into);
    PlainError { code, message: words(thrown) }
}

/// An answer in the module's hands.
pub(super) struct Formed {
    answer: Answer,
    instance: Rc<Instance>,
    compile_time: Duration,
    notes: Vec<String>,
}

impl Formed {
    fn new(
        instance: Rc<Instance>,
        vocabulary: &Vocabulary,
        format: &ResponseFormat,
        begun: Option<&str>,
    ) -> Result<Self> {
        let (kind, text, what) = format.described();
        let refused = |what| {
            let instance = &instance;
            move |thrown: JsValue| match instance.reason(&thrown) {
                Ok(reason) => Error::BadResponseFormat { what, reason },
                Err(reason) => Error::Constraint { reason },
            }
        };
        let began = Instant::now();
        let answer = vocabulary.answer(kind, text).map_err(refused(what))?;
        let compile_time = began.elapsed();
        let mut formed = Formed { answer, instance: Rc::clone(&instance), compile_time, notes: Vec::new() };
        formed.notes = formed.answer.notes().map_err(refused(what))?;
        let what = "text that the answer has begun with";
        formed.answer.begin(begun.unwrap_or_default().as_bytes()).map_err(refused(what))?;
        Ok(formed)
    }

    /// What of the form is not kept though it may have been meant, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Asks the module, which may have ended.
    fn ask<T>(&self, question: impl FnOnce(&Answer) -> Result<T, JsValue>) -> Result<T> {
        if self.instance.dead.get() {
            return Err(Error::Constraint { reason: "what holds answers to a form has stopped: ask again".to_owned() });
        }
        question(&self.answer).map_err(|thrown| Error::Constraint {
            reason: self.instance.reason(&thrown).unwrap_or_else(|trapped| trapped),
        })
    }
}

impl Constraint for Formed {
    fn next(&mut self, taken: &[u32], allowed: &mut [u32]) -> Result<Next> {
        let next = self.ask(|answer| answer.next(taken, allowed))?;
        if next.is_undefined() {
            return Ok(Next::Choice);
        }
        Ok(next.dyn_ref().map_or(Next::Whole, |bytes: &Uint8Array| Next::Certain(bytes.to_vec())))
    }

    fn begin(&mut self, text: &[u8]) -> Result<bool> {
        // A string is a refusal; what fails here traps.
        self.ask(|answer| match answer.begin(text) {
            Err(thrown) if thrown.is_string() => Ok(false),
            begun => begun.map(|()| true),
        })
    }

    fn compile_time(&self) -> Duration {
        self.compile_time
    }
}

impl Drop for Formed {
    fn drop(&mut self) {
        self.instance.give_back(|| self.answer.free());
    }
}
