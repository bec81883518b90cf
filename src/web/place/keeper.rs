//! A file of the private file system in the hands of a worker of its own, which reads, writes and hashes it beside this one: a
//! browser's calls for that all wait until it is done, WebCrypto's in Chromium as well.
//!
//! `www/src/internal/keeper.ts` is its side. Its messages are `{ type: "keep", id, … }`, with one answer
//! to each, `{ id, … }`. Bytes are transferred, and come back with the answer.

use super::super::executor::spawn;
use super::clock::Timers;
use super::{Buffer, words};
use crate::download::{Bytes, Clock, StoreError};
use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, Worker};

/// How long it may take to come, or to let go of its file. Without it the file is read and written here.
const PATIENCE_MS: u64 = 2000;

/// Who waits for an answer.
type Waiting = Rc<RefCell<HashMap<u32, oneshot::Sender<Object>>>>;

/// The file, as long as this lives.
#[derive(Debug)]
pub(super) struct Keeper {
    worker: Worker,
    waiting: Waiting,
    next: Cell<u32>,
    /// It will not answer any more.
    dead: Rc<Cell<bool>>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(Event)>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        // What it has open, it lets go of with its life.
        self.worker.terminate();
    }
}

impl Keeper {
    /// Begins to start the worker: `keepers` gives a new one.
    pub(super) fn start(keepers: &Function) -> Result<Self, StoreError> {
        let worker: Worker = keepers.call0(&JsValue::UNDEFINED)?.unchecked_into();
        let waiting = Waiting::default();
        let heard = Rc::clone(&waiting);
        let message = Closure::new(move |event: MessageEvent| {
            let Ok(answer) = event.data().dyn_into::<Object>() else { return };
            let id = get(&answer, "id").as_f64().unwrap_or(-1.0) as u32;
            if let Some(waiting) = heard.borrow_mut().remove(&id) {
                let _ = waiting.send(answer);
            }
        });
        // Whoever waits hears that nobody will answer.
        let heard = Rc::clone(&waiting);
        let dead = Rc::new(Cell::new(false));
        let died = Rc::clone(&dead);
        let error = Closure::new(move |event: Event| {
            // Not an error of this worker's, too.
            event.prevent_default();
            died.set(true);
            heard.borrow_mut().clear();
        });
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        Ok(Keeper { worker, waiting, next: Cell::new(0), dead, _message: message, _error: error })
    }

    /// Opens the file `name` in a folder's folder, which is made where it is not there.
    pub(super) async fn open(&self, folders: [&str; 2], name: &str) -> Result<(), StoreError> {
        let folders: Array = folders.into_iter().map(JsValue::from).collect();
        let told = [("folders", folders.into()), ("name", name.into())];
        let asked = pin!(self.ask(&told, None));
        let clock = Timers::default();
        match select(asked, pin!(clock.sleep(PATIENCE_MS))).await {
            Either::Left((answer, _)) => answer.map(drop),
            Either::Right(_) => Err(gone()),
        }
    }

    pub(super) async fn write(
        &self,
        at: u64,
        bytes: &Buffer,
        sha256: Option<[u8; 32]>,
    ) -> Result<[u8; 32], StoreError> {
        // The bytes are on their way into the engine as well, and can't be in two places.
        let copy = Buffer::room(bytes.len())?;
        copy.as_js().set(bytes.as_js(), 0);
        let told = [("write", copy.as_js().into()), ("at", (at as f64).into()), ("hash", sha256.is_none().into())];
        let answer = self.ask(&told, Some(&copy)).await?;
        let (_, count, found) = bytes_of(&answer)?;
        if count != bytes.len() {
            return Err(StoreError::Quota("the browser gives this site no more room".to_owned()));
        }
        Ok(match sha256.or(found) {
            Some(sha256) => sha256,
            None => bytes.sha256().await,
        })
    }

    /// Fewer bytes where the file ends before.
    pub(super) async fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        let room = Buffer::room(len)?;
        let answer = self.ask(&[("read", room.as_js().into()), ("at", (at as f64).into())], Some(&room)).await?;
        let (bytes, count, sha256) = bytes_of(&answer)?;
        let bytes = if count < bytes.len() { bytes.slice(0..count) } else { bytes };
        Ok(bytes.hashed(sha256))
    }

    pub(super) async fn cut(&self, len: u64) -> Result<(), StoreError> {
        self.ask(&[("cut", (len as f64).into())], None).await.map(drop)
    }

    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.ask(&[("flush", true.into())], None).await.map(drop)
    }

    /// Comes back when the file is closed, or when that takes too long.
    pub(super) async fn close(self) {
        let clock = Timers::default();
        let late = pin!(clock.sleep(PATIENCE_MS));
        let told = [("close", true.into())];
        select(pin!(self.ask(&told, None)), late).await;
    }

    /// The same for who can't wait; `then` is dropped when it has happened.
    pub(super) fn close_behind<T: 'static>(self, then: T) {
        spawn(async move {
            self.close().await;
            drop(then);
        });
    }

    async fn ask(&self, told: &[(&str, JsValue)], bytes: Option<&Buffer>) -> Result<Object, StoreError> {
        if self.dead.get() {
            return Err(gone());
        }
        let id = self.next.replace(self.next.get().wrapping_add(1));
        let (answer, answered) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, answer);
        let message = Object::new();
        for (name, value) in [("type", "keep".into()), ("id", id.into())].iter().chain(told) {
            Reflect::set(&message, &(*name).into(), value)?;
        }
        match bytes {
            Some(bytes) => self.worker.post_message_with_transfer(&message, &Array::of1(&bytes.as_js().buffer()))?,
            None => self.worker.post_message(&message)?,
        }
        let answer = answered.await.map_err(|_| gone())?;
        match get(&answer, "failed") {
            failed if failed.is_undefined() => Ok(answer),
            failed => Err(failed.into()),
        }
    }
}

fn gone() -> StoreError {
    StoreError::Other("the worker that writes the file has ended".to_owned())
}

fn get(object: &Object, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

/// All of the memory that came back, how many bytes of it count, and their hash where the worker has it.
fn bytes_of(answer: &Object) -> Result<(Buffer, usize, Option<[u8; 32]>), StoreError> {
    let bytes: Uint8Array = get(answer, "bytes").dyn_into().map_err(|other| StoreError::Other(words(&other)))?;
    let count = get(answer, "count").as_f64().unwrap_or(0.0) as usize;
    let sha256 = get(answer, "sha256").dyn_into::<Uint8Array>().ok().and_then(|hash| hash.to_vec().try_into().ok());
    Ok((Buffer::landed(bytes), count, sha256))
}
