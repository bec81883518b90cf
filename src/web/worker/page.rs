//! Parts of a model that the page opens, and files of the disk: streams that are read here.

use super::super::protocol::{FromWorker, Js, OpenPart};
use super::Worker;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::{Reflect, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStream, ReadableStreamDefaultReader};

/// What the page sends of a part.
enum Piece {
    Opened(OpenPart),
    Bytes(JsValue),
    End,
}

/// Where it waits until it is asked for. The page sends no more than a few megabytes that have not been taken.
pub(super) struct Page {
    sent: UnboundedSender<Piece>,
    heard: RefCell<Option<UnboundedReceiver<Piece>>>,
}

impl Default for Page {
    fn default() -> Self {
        let (sent, heard) = unbounded();
        Page { sent, heard: RefCell::new(Some(heard)) }
    }
}

impl Page {
    pub(super) fn opened(&self, part: OpenPart) {
        self.push(Piece::Opened(part));
    }

    pub(super) fn chunk(&self, Js(bytes): Js) {
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

/// Why a stream gave no more.
#[derive(Debug, Clone)]
pub(super) enum Broken {
    /// What the page's stream failed with.
    Page(JsValue),
    /// A file of the disk can't be read.
    File(String),
}

/// Bytes as they come.
pub(super) enum Stream {
    /// Of a stream, which ends when this is dropped.
    Reader { reader: ReadableStreamDefaultReader, file: bool },
    /// In messages.
    Pieces { worker: Rc<Worker>, heard: UnboundedReceiver<Piece>, taken: u32 },
}

/// A part that is open.
pub(super) struct Opened {
    pub(super) stream: Stream,
    pub(super) total: Option<u64>,
    pub(super) file_size: Option<u64>,
}

/// A file.
pub(super) fn of_blob(blob: &JsValue) -> Opened {
    let blob: &Blob = blob.unchecked_ref();
    let size = Some(blob.size() as u64);
    Opened { stream: Stream::of(&blob.stream(), true), total: size, file_size: size }
}

/// The part of this number, which the page opens.
pub(super) async fn of_page(worker: &Rc<Worker>, index: usize) -> Option<Opened> {
    let mut heard = worker.page.heard.take()?;
    worker.post(&FromWorker::OpenPart { index });
    let part = loop {
        match heard.next().await? {
            Piece::Opened(part) => break part,
            Piece::Bytes(_) | Piece::End => {} // of a part that has been left
        }
    };
    let stream = match part.stream {
        Some(Js(stream)) => {
            worker.page.heard.replace(Some(heard));
            Stream::of(stream.unchecked_ref(), false)
        }
        None => Stream::Pieces { worker: Rc::clone(worker), heard, taken: 0 },
    };
    Some(Opened { stream, total: part.total, file_size: part.file_size })
}

impl Stream {
    fn of(stream: &ReadableStream, file: bool) -> Self {
        Stream::Reader { reader: stream.get_reader().unchecked_into(), file }
    }

    /// The next bytes; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Uint8Array>, Broken> {
        match self {
            Stream::Reader { reader, file } => match JsFuture::from(reader.read()).await {
                Ok(read) => {
                    let value = Reflect::get(&read, &"value".into()).unwrap_or_default();
                    Ok(value.dyn_into().ok())
                }
                Err(reason) if *file => Err(Broken::File(message(&reason))),
                Err(reason) => Err(Broken::Page(reason)),
            },
            Stream::Pieces { worker, heard, taken } => {
                let before = std::mem::take(taken);
                if before > 0 {
                    worker.post(&FromWorker::Taken { bytes: before });
                }
                loop {
                    match heard.next().await {
                        Some(Piece::Bytes(bytes)) => {
                            let bytes: Uint8Array = bytes.unchecked_into();
                            *taken = bytes.length();
                            return Ok(Some(bytes));
                        }
                        Some(Piece::Opened(_)) => {}
                        Some(Piece::End) | None => return Ok(None),
                    }
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        match self {
            Stream::Reader { reader, .. } => {
                // One that has ended takes no notice; one that fails is of no interest any more.
                let cancelled = reader.cancel();
                super::spawn(async move {
                    let _ = JsFuture::from(cancelled).await;
                });
            }
            Stream::Pieces { worker, heard, .. } => {
                let (_, closed) = unbounded();
                worker.page.heard.replace(Some(std::mem::replace(heard, closed)));
            }
        }
    }
}

/// An exception in words.
pub(super) fn message(error: &JsValue) -> String {
    let text = error.dyn_ref::<js_sys::Object>().map(|error| String::from(error.to_string()));
    text.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
