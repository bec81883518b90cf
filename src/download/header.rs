//! The first bytes of a model's parts, for whoever needs no more than their headers.

use super::fault::{Patience, Trouble};
use super::model::{Part, Receiver, Stream, promised};
use super::place::{Bytes, Place};
use super::remote::{Kind, Remote, Version};
use super::request::Request;
use super::scratch::Scratch;
use crate::{Error, Result};
use futures::StreamExt;

/// Enough for a small vocabulary; one of 128,256 tokens makes a header of 8 MB.
const FIRST_BYTES: u64 = 1 << 20;
/// What is asked for then; the connection is closed as soon as the header is whole.
const MORE_BYTES: u64 = 16 << 20;

/// The beginnings of all parts into `receiver`, until it wants no more; the size of each, where it is certain. The cache is not asked.
///
/// # Errors
/// As [`load`](super::load).
pub async fn headers<P: Place, R: Receiver>(
    place: &P,
    parts: Vec<Part<P::Bytes>>,
    receiver: &mut R,
) -> Result<Vec<Option<u64>>> {
    let mut scratch = Scratch::default();
    let mut sizes = Vec::new();
    let mut parts = parts.into_iter().enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        let mut reader =
            Reader { receiver: &mut *receiver, scratch: &mut scratch, first: index == 0, begun: false, size: None };
        match part {
            Part::Address(request) => reader.address(place, &request).await?,
            Part::Stream(stream) => reader.stream(stream).await?,
        }
        // A file without a byte is told from one with a header by the engine.
        reader.begin().await?;
        sizes.push(reader.size);
        if receiver.is_complete() && receiver.is_last_part() {
            if let Some((_, Part::Address(next))) = parts.peek() {
                promised(Some(next), index + 1)?;
            }
            break;
        }
    }
    Ok(sizes)
}

/// One part's beginning.
struct Reader<'a, R> {
    receiver: &'a mut R,
    scratch: &'a mut Scratch,
    /// Of the parts.
    first: bool,
    begun: bool,
    size: Option<u64>,
}

impl<R: Receiver> Reader<'_, R> {
    async fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if self.first { self.receiver.begin(self.size).await } else { self.receiver.next_part(self.size) }
    }

    /// Whether that was enough.
    async fn push<B: Bytes>(&mut self, bytes: &B) -> Result<bool> {
        self.begin().await?;
        let Reader { receiver, scratch, .. } = self;
        scratch.read(bytes, |piece| if receiver.is_complete() { Ok(()) } else { receiver.push(piece) })?;
        Ok(self.receiver.is_complete())
    }

    async fn stream<B: Bytes>(&mut self, mut stream: Stream<B>) -> Result<()> {
        self.size = stream.size;
        while let Some(bytes) = stream.bytes.next().await {
            if self.push(&bytes?).await? {
                break;
            }
        }
        Ok(())
    }

    async fn address<P: Place>(&mut self, place: &P, request: &Request) -> Result<()> {
        let remote = Remote::new(place, request);
        let mut patience = Patience::first(place.clock(), place.tuning());
        let mut read = Read { version: None, position: 0 };
        loop {
            match self.request(&remote, &mut read, &mut patience).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(trouble) => patience.after(trouble).await.map_err(|failure| match failure {
                    super::Failure::Error(error) => error,
                    super::Failure::Changed { .. } => changed(&remote),
                })?,
            }
        }
    }

    /// One request's bytes; whether they were the last that are needed.
    async fn request<'r, P: Place>(
        &mut self,
        remote: &'r Remote<'r, P>,
        read: &mut Read,
        patience: &mut Patience<'_, P::Clock>,
    ) -> Result<bool, Trouble> {
        let start = read.position;
        let end = start.saturating_add(if start == 0 { FIRST_BYTES } else { MORE_BYTES });
        let stall_ms = remote.place.tuning().stall_ms;
        let mut answer = remote.open(Some(start..end), read.version.as_ref(), stall_ms).await?;
        // A server that took no notice of the range begins anew.
        let mut known = match answer.kind {
            Kind::Unsatisfiable => return Ok(true),
            Kind::Whole => start,
            Kind::Range(at) if at == start => 0,
            Kind::Range(_) | Kind::Unclear => {
                let url = remote.shown();
                return Err(Trouble::fault(format!(
                    "{url} gave other bytes than it was asked for; ask whoever runs the server whether it knows byte ranges"
                )));
            }
        };
        if read.version.as_ref().is_some_and(|version| version.changed(&answer.version)) {
            return Err(changed(remote).into());
        }
        if let Some(size) = answer.version.size {
            remote.request.expected().check_size(size, &remote.request.url)?;
        }
        let size = answer.version.size.or(remote.request.size);
        read.version.get_or_insert_with(|| answer.version.clone());
        if start == 0 && !self.begun {
            self.size = size;
        }
        while let Some(chunk) = answer.next().await? {
            let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.len());
            known -= skipped as u64;
            if skipped == chunk.len() {
                continue;
            }
            let bytes = chunk.slice(skipped..chunk.len());
            read.position += bytes.len() as u64;
            patience.renew();
            if self.push(&bytes).await? {
                return Ok(true);
            }
        }
        if answer.kind == Kind::Whole || Some(read.position) == size {
            return Ok(true);
        }
        if read.position == start {
            return Err(Trouble::fault(format!("{} gave fewer bytes than it was asked for", remote.shown())));
        }
        Ok(false)
    }
}

/// What there is of a file's beginning.
struct Read {
    version: Option<Version>,
    position: u64,
}

fn changed<P: Place>(remote: &Remote<'_, P>) -> Error {
    let reason = format!("{} changed on the server while its header was read; try again", remote.shown());
    Error::Network { reason }
}
