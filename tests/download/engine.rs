//! An engine that keeps what it gets.

use b158::download::{Bytes, Sink};
use b158::{Error, Result};
use std::cell::Cell;
use std::rc::Rc;

#[derive(Default)]
pub(crate) struct Engine {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pushes: usize,
    /// As it was told at the beginning.
    pub(crate) size: Option<u64>,
    /// What it makes of the header, once so many bytes are there.
    pub(crate) expected: Option<(usize, u64)>,
    /// It refuses the push of this number.
    pub(crate) refuses: Option<(usize, Error)>,
    /// It says nothing more after so many pushes.
    pub(crate) silent_after: Option<usize>,
    pub(crate) stopped: Rc<Cell<bool>>,
    /// Called before each push, with the number of those before.
    #[allow(clippy::type_complexity)]
    pub(crate) at_push: Option<Box<dyn FnMut(usize)>>,
    /// It waits at its beginning.
    pub(crate) begins: Option<futures::channel::oneshot::Receiver<()>>,
}

impl Sink for Engine {
    async fn begin(&mut self, size: Option<u64>) -> Result<()> {
        self.size = size;
        if let Some(begins) = self.begins.take() {
            let _ = begins.await;
        }
        Ok(())
    }

    async fn push<B: Bytes>(&mut self, bytes: &B) -> Result<()> {
        if let Some(at_push) = &mut self.at_push {
            at_push(self.pushes);
        }
        if self.silent_after == Some(self.pushes) {
            self.stopped.set(true);
            std::future::pending::<()>().await;
        }
        if let Some((_, error)) = self.refuses.as_ref().filter(|(at, _)| *at == self.pushes) {
            return Err(error.clone());
        }
        self.pushes += 1;
        let before = self.bytes.len();
        self.bytes.resize(before + bytes.len(), 0);
        bytes.read(0, &mut self.bytes[before..]);
        Ok(())
    }

    fn expected_size(&self) -> Option<u64> {
        self.expected.filter(|(from, _)| *from <= self.bytes.len()).map(|(_, size)| size)
    }
}
