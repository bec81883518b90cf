//! A loaded model and the sessions on it.

use super::super::protocol::{Memory, ModelInfo, OWN_SESSION, PlainError};
use super::{Threads, Worker};
use crate::Result;
use crate::model::{KvCache, KvType, Loaded, quantization};
use crate::session::{Session, SessionOptions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// A session that a generation and a call both have, one at a time.
pub(super) type Shared = Rc<RefCell<Session>>;

#[derive(Clone)]
pub(super) struct Engine {
    pub(super) loaded: Arc<Loaded>,
    /// Of every session.
    options: SessionOptions,
    pub(super) kv_type: KvType,
    /// Why the KV cache has that type, where nobody asked for it.
    note: Option<String>,
    context: usize,
    sessions: Rc<RefCell<Sessions>>,
}

#[derive(Default)]
struct Sessions {
    open: BTreeMap<u32, Shared>,
    next: u32,
}

impl Engine {
    /// With the session that a model has from the start.
    pub(super) fn new(loaded: Loaded, options: SessionOptions) -> Result<Self> {
        let context = loaded.model.config.context(options.context)?;
        let (kv_type, note) = loaded.kv_cache(options.kv_type, context);
        let options = SessionOptions { kv_type: Some(kv_type), ..options };
        let engine = Engine { loaded: Arc::new(loaded), options, kv_type, note, context, sessions: Rc::default() };
        let own = engine.open()?;
        debug_assert_eq!(own, OWN_SESSION);
        Ok(engine)
    }

    pub(super) fn open(&self) -> Result<u32> {
        Ok(self.keep(self.session_apart()?))
    }

    /// One that the page does not know.
    pub(super) fn session_apart(&self) -> Result<Session> {
        Session::new(Arc::clone(&self.loaded), self.options)
    }

    /// Its number.
    pub(super) fn keep(&self, session: Session) -> u32 {
        let mut sessions = self.sessions.borrow_mut();
        let number = sessions.next;
        sessions.next += 1;
        sessions.open.insert(number, Rc::new(RefCell::new(session)));
        number
    }

    pub(super) fn session(&self, number: u32) -> Result<Shared, PlainError> {
        let session = self.sessions.borrow().open.get(&number).cloned();
        session.ok_or_else(|| PlainError::new("disposed", "the session has been disposed of"))
    }

    pub(super) fn close(&self, number: u32) {
        self.sessions.borrow_mut().open.remove(&number);
    }

    pub(super) fn memory(&self) -> Memory {
        let sessions = self.sessions.borrow();
        Memory {
            wasm_bytes: core::arch::wasm32::memory_size::<0>() as u64 * 65_536,
            weight_bytes: self.loaded.model.weights.bytes(),
            kv_cache_bytes: sessions.open.values().map(|session| session.borrow().cache().bytes()).sum(),
            sessions: sessions.open.len(),
        }
    }

    /// What was loaded and what computes it; `notes` come after the loader's own.
    pub(super) fn info(&self, threads: &Threads, cached: Option<bool>, notes: Vec<String>) -> ModelInfo {
        let loaded = &self.loaded;
        let (config, compute) = (&loaded.model.config, &loaded.model.compute);
        let cache = KvCache::new(config, self.kv_type, self.context);
        let have = compute.pool.threads();
        let mut notes = [loaded.notes.clone(), self.note.iter().cloned().collect(), notes].concat();
        let mut why_single_threaded = None;
        if let Some(why) = &threads.why {
            if have == 1 {
                why_single_threaded = Some(why.clone());
            } else if have < threads.wanted {
                notes.push(format!("{have} threads instead of {}: {why}", threads.wanted));
            }
        }
        ModelInfo {
            architecture: config.architecture.clone(),
            name: loaded.name.clone(),
            parameters: loaded.model.parameters(),
            layers: config.layers,
            embedding: config.embedding,
            vocabulary: config.vocabulary,
            context_length: cache.context(),
            trained_context_length: config.context_length,
            quantization: quantization(&loaded.types),
            weight_bytes: loaded.model.weights.bytes(),
            kv_cache_bytes: cache.bytes_when_full(),
            kv_cache: cache.kind(),
            backend: compute.backend.name().to_owned(),
            threads: have,
            why_single_threaded,
            cached,
            notes,
        }
    }
}

impl Worker {
    /// The model that has been loaded.
    pub(super) fn engine(&self) -> Result<Engine, PlainError> {
        let engine = self.engine.borrow().clone();
        engine.ok_or_else(|| PlainError::new("invalid-argument", "there is no model yet: load one first"))
    }
}
