//! What the engine is asked, and what it answers.

use b158::Error;
use b158::chat::{Message, Piece, Tools, Variables};
use b158::constraint::ResponseFormat;
use b158::sampler::Logprobs;
use b158::session::{GenerateOptions, Summary, Usage};
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A text to make.
pub(crate) struct Job {
    pub(crate) prompt: Prompt,
    /// `spelled` is filled by the engine.
    pub(crate) options: GenerateOptions,
    pub(crate) format: Option<ResponseFormat>,
    pub(crate) tools: Tools,
    pub(crate) variables: Variables,
    /// Read the answer into words, thoughts and calls. Of messages alone.
    pub(crate) pieces: bool,
}

/// What an answer comes after.
#[derive(Clone)]
pub(crate) enum Prompt {
    /// A talk, which the model's chat template writes.
    Messages(Vec<Message>),
    /// A text as it is; names of special tokens in it are the tokens.
    Text(String),
    /// Tokens as they are.
    Ids(Vec<u32>),
}

/// How an answer goes on.
#[derive(Debug)]
pub(crate) enum Event {
    /// The talk has a slot. What is refused has been refused before this.
    Begun {
        /// Of the tokens that are read already there may be more at the end: see [`Summary::usage`].
        usage: Usage,
    },
    /// A token.
    Token {
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "nothing over HTTP has ids; what holds one answer against another does")
        )]
        id: u32,
        /// Empty inside a character or a possible stop string.
        text: String,
        /// What the text comes to, where pieces are asked for.
        pieces: Vec<Piece>,
        /// Whether some of it is content: always, where pieces are not asked for.
        in_content: bool,
        logprobs: Option<Logprobs>,
    },
    /// The end. Nothing follows.
    Done {
        /// Its `text` is what was held back.
        summary: Summary,
        /// What that comes to.
        pieces: Vec<Piece>,
        /// Tools were called, and every call is whole.
        called: bool,
        /// What a user should know of the form or of the tools, one sentence each.
        notes: Vec<String>,
    },
    /// There will be no more. Nothing follows.
    Failed(Failure),
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// In the library's words.
    Error(Error),
    /// A fault of this program.
    Fault(String),
    /// The server has ended.
    Stopped,
}

impl Failure {
    /// A panic. What it says stands in the log, and may be of another talk than the one that is told.
    pub(super) fn fault() -> Self {
        Failure::Fault("the server has a fault, which its log tells; other requests go on".to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => error.fmt(f),
            Failure::Fault(what) => f.write_str(what),
            Failure::Stopped => f.write_str("the server has ended before the answer has: ask again"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

/// An answer under way, or in the queue. Dropping it cancels the job.
#[derive(Debug)]
pub(crate) struct Answer {
    events: mpsc::UnboundedReceiver<Event>,
    has_ended: bool,
}

impl Answer {
    /// What comes next; nothing after [`Event::Done`] or [`Event::Failed`], one of which always comes.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await;
        if event.is_none() && !self.has_ended {
            self.has_ended = true;
            return Some(Event::Failed(Failure::fault()));
        }
        self.has_ended |= matches!(event, Some(Event::Done { .. } | Event::Failed(_)));
        event
    }

    /// Where an answer goes, and where it comes.
    pub(super) fn channel() -> (mpsc::UnboundedSender<Event>, Self) {
        let (sender, events) = mpsc::unbounded_channel();
        (sender, Answer { events, has_ended: false })
    }
}

/// Texts whose embeddings are wanted.
pub(crate) struct Embed {
    pub(crate) inputs: Vec<Input>,
    /// The first so many numbers of each, of length 1 again.
    pub(crate) dimensions: Option<usize>,
}

/// One of them.
pub(crate) enum Input {
    Text(String),
    Ids(Vec<u32>),
}

/// Embeddings.
#[derive(Debug, PartialEq)]
pub(crate) struct Embeddings {
    /// One for each input, in order.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Of all inputs.
    pub(crate) prompt_tokens: usize,
}

/// Something that comes as a whole. Dropping it cancels the job.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    pub(super) whole: oneshot::Receiver<Result<T, Failure>>,
}

impl<T> Pending<T> {
    /// Waits for it.
    pub(crate) async fn wait(self) -> Result<T, Failure> {
        self.whole.await.unwrap_or_else(|_| Err(Failure::fault()))
    }
}

/// A job that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Whole seconds, one at least: a guess after which there may be a place.
    pub(crate) retry_after: Duration,
    pub(crate) why: Why,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// So many wait, and no more may.
    QueueIsFull { waiting: usize },
    /// The server is going down.
    Ending,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::QueueIsFull { waiting } => {
                let seconds = self.retry_after.as_secs();
                write!(f, "{waiting} requests wait already, and no more may: try again in {seconds} s")
            }
            Why::Ending => f.write_str("the server is going down"),
        }
    }
}
