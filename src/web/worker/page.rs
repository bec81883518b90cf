//! Parts of a model that the page alone can open. It is asked for one at a time, when its turn comes, and hands over a stream, or sends
//! the bytes in messages where the browser transfers no streams.

use super::super::js::Js;
use super::super::place::{Buffer, StreamBody};
use super::super::protocol::FromWorker;
use super::Worker;
use crate::download::{Body, Unreachable};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;

/// What the page sends of a part.
enum Piece {
    Opened(Option<Js>),
    Bytes(Js),
    End,
}

/// Where it waits until it is asked for. The page sends no more than a few megabytes that have not been taken.
pub(super) struct Inbox {
    sent: UnboundedSender<Piece>,
    heard: RefCell<Option<UnboundedReceiver<Piece>>>,
}

impl Default for Inbox {
    fn default() -> Self {
        let (sent, heard) = unbounded();
        Inbox { sent, heard: RefCell::new(Some(heard)) }
    }
}

impl Inbox {
    pub(super) fn opened(&self, stream: Option<Js>) {
        self.push(Piece::Opened(stream));
    }

    pub(super) fn chunk(&self, bytes: Js) {
        self.push(Piece::Bytes(bytes));
    }

    pub(super) fn end(&self) {
        self.push(Piece::End);
    }

    fn push(&self, piece: Piece) {
        // Where nobody listens any more, loading has ended.
        let _ = self.sent.unbounded_send(piece);
    }
}

/// A part that the page opens as soon as somebody reads it.
pub(super) struct PagePart {
    worker: Rc<Worker>,
    index: usize,
    state: State,
}

enum State {
    New,
    Stream(StreamBody),
    /// In messages; whether the last one has not been answered.
    Pieces(UnboundedReceiver<Piece>, bool),
    Ended,
}

impl PagePart {
    pub(super) fn new(worker: Rc<Worker>, index: usize) -> Self {
        PagePart { worker, index, state: State::New }
    }

    async fn open(&self) -> Result<State, Unreachable> {
        let Some(mut heard) = self.worker.inbox.heard.take() else {
            return Err(Unreachable("another part of the page's is being read".to_owned()));
        };
        self.worker.post(&FromWorker::OpenPart { index: self.index });
        loop {
            match heard.next().await {
                Some(Piece::Opened(Some(Js(stream)))) => {
                    self.worker.inbox.heard.replace(Some(heard));
                    return Ok(State::Stream(StreamBody::new(stream.unchecked_ref())?));
                }
                Some(Piece::Opened(None)) => return Ok(State::Pieces(heard, false)),
                // Of a part that was left.
                Some(Piece::Bytes(_) | Piece::End) => {}
                None => return Ok(State::Ended),
            }
        }
    }
}

impl Body for PagePart {
    type Bytes = Buffer;

    async fn next(&mut self) -> Result<Option<Buffer>, Unreachable> {
        if matches!(self.state, State::New) {
            self.state = self.open().await?;
        }
        match &mut self.state {
            State::Stream(body) => body.next().await,
            State::Pieces(heard, waiting) => {
                if std::mem::take(waiting) {
                    self.worker.post(&FromWorker::Taken);
                }
                match heard.next().await {
                    Some(Piece::Bytes(Js(bytes))) => {
                        let bytes: Uint8Array = bytes.unchecked_into();
                        *waiting = true;
                        Ok(Some(bytes.into()))
                    }
                    _ => {
                        if let State::Pieces(heard, _) = std::mem::replace(&mut self.state, State::Ended) {
                            self.worker.inbox.heard.replace(Some(heard));
                        }
                        Ok(None)
                    }
                }
            }
            State::New | State::Ended => Ok(None),
        }
    }
}
