//! Talks that have ended, kept for those that begin the same.

use b158::session::Session;

/// A talk of fewer tokens is read again as fast.
pub(super) const FEWEST: usize = 16;
/// Each is looked at when a job begins.
const MOST: usize = 1024;

/// Kept talks, the one used last at the end.
#[derive(Default)]
pub(super) struct Kept {
    talks: Vec<Session>,
}

impl Kept {
    /// Keeps a talk, unless another begins with all of it; one that it begins with all of goes.
    pub(super) fn put(&mut self, mut talk: Session) {
        talk.shrink();
        if talk.tokens().len() < FEWEST {
            return;
        }
        if let Some(at) = self.talks.iter().position(|other| other.tokens().starts_with(talk.tokens())) {
            return self.touch(at);
        }
        self.talks.retain(|other| !talk.tokens().starts_with(other.tokens()));
        if self.talks.len() == MOST {
            self.talks.remove(0);
        }
        self.talks.push(talk);
    }

    /// The talk that has read most of the prompt, the one used last of several, and how much that is.
    pub(super) fn best(&self, prompt: &[u32]) -> Option<(usize, usize)> {
        let best = (0..self.talks.len()).map(|at| (shared(self.talks[at].tokens(), prompt), at)).max()?;
        Some((best.1, best.0)).filter(|(_, shared)| *shared >= FEWEST)
    }

    pub(super) fn get(&self, at: usize) -> &Session {
        &self.talks[at]
    }

    pub(super) fn take(&mut self, at: usize) -> Session {
        self.talks.remove(at)
    }

    /// It is used now.
    pub(super) fn touch(&mut self, at: usize) {
        let talk = self.talks.remove(at);
        self.talks.push(talk);
    }

    /// Drops those that have not been used for longest until the others have no more bytes than that.
    pub(super) fn shrink_to(&mut self, most: u64) {
        let mut bytes = self.bytes();
        let mut count = 0;
        while bytes > most && count < self.talks.len() {
            bytes -= self.talks[count].cache().bytes();
            count += 1;
        }
        self.talks.drain(..count);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.talks.iter().map(|talk| talk.cache().bytes()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.talks.len()
    }
}

/// Tokens that both begin with.
pub(super) fn shared(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
