//! One file on a server: requests for it or a range of it, and what their answers are worth.

use super::address::{origin, shown};
use super::fault::{Fault, Trouble};
use super::hub::digest;
use super::place::{Body, Clock, Place, Transport};
use super::request::{HttpRequest, HttpResponse, Request, Unreachable};
use crate::Error;
use futures::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::pin::pin;
use std::task::Poll;
use std::time::UNIX_EPOCH;

type PlaceBody<P> = <<P as Place>::Transport as Transport>::Body;

/// What tells one version of a file from another, as far as the server says and the page may read it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Version {
    /// Whether `now` is another file. What servers say less of than of others (another host of the same name) speaks for no
    /// change.
    pub(super) fn changed(&self, now: &Version) -> bool {
        fn differ<T: PartialEq>(before: &Option<T>, now: &Option<T>) -> bool {
            before.is_some() && now.is_some() && before != now
        }
        if self.etag.is_some() && now.etag.is_some() {
            return self.etag != now.etag;
        }
        differ(&self.last_modified, &now.last_modified) || differ(&self.size, &now.size)
    }

    /// Whether there is anything by which a change would show.
    pub(super) fn is_recognizable(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// What `If-Range` may name: a strong ETag, else a date.
    fn condition(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| etag.starts_with('"')).or(self.last_modified.as_deref())
    }
}

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of the file from here on.
    Range(u64),
    /// All of it: the server took no notice of a range.
    Whole,
    /// Bytes that nobody says the place of.
    Unclear,
    /// There are no such bytes.
    Unsatisfiable,
}

/// The head of an answer, and its body. Dropped, it ends the connection.
pub(super) struct Answer<'a, P: Place> {
    pub(super) kind: Kind,
    pub(super) version: Version,
    /// Bytes in all for a progress bar, where they are not certain enough for `version`.
    pub(super) hint: Option<u64>,
    body: PlaceBody<P>,
    remote: &'a Remote<'a, P>,
    silence_ms: u64,
    /// It came from the storage that sites share.
    from_storage: bool,
    /// The SHA-256 that a hub says the file has.
    pub(super) linked: Option<String>,
}

impl<P: Place> Answer<'_, P> {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<P::Bytes>, Trouble> {
        let url = self.remote.shown();
        let next = within(self.remote.place.clock(), self.silence_ms, self.body.next()).await;
        if self.from_storage && !matches!(next, Some(Ok(_))) {
            self.remote.stored_as.replace(None);
        }
        match next {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(Unreachable(cause))) => Err(Trouble::fault(format!(
                "the download of {url} broke off{}; check the connection and load again",
                bracketed(&cause)
            ))),
            None => Err(Trouble::fault(format!(
                "the download of {url} {}; check the connection and load again",
                silent(self.silence_ms)
            ))),
        }
    }
}

/// A file by its address.
pub(super) struct Remote<'a, P: Place> {
    pub(super) place: &'a P,
    pub(super) request: &'a Request,
    /// Where redirects led: asked directly from then on. Such addresses expire.
    moved: RefCell<Option<String>>,
    /// The server has answered properly once.
    known: Cell<bool>,
    /// The SHA-256 by which the file is had from a storage that sites share, as long as it is there.
    stored_as: RefCell<Option<String>>,
    /// Some of it came from there.
    from_storage: Cell<bool>,
}

impl<'a, P: Place> Remote<'a, P> {
    pub(super) fn new(place: &'a P, request: &'a Request) -> Self {
        Remote {
            place,
            request,
            moved: RefCell::default(),
            known: Cell::default(),
            stored_as: RefCell::default(),
            from_storage: Cell::default(),
        }
    }

    /// From here on the file is looked for in the storage that sites share, before the server is asked.
    pub(super) fn look_for(&self, sha256: &str) {
        self.stored_as.replace(Some(sha256.to_owned()));
    }

    /// Whether some of it came from there.
    pub(super) fn is_from_storage(&self) -> bool {
        self.from_storage.get()
    }

    /// Whether the server sends whoever asks to another one.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.moved.borrow().as_deref().is_some_and(|moved| origin(moved) != origin(&self.request.url))
    }

    async fn open_in_storage(&self, range: Option<Range<u64>>) -> Option<HttpResponse<PlaceBody<P>>> {
        let sha256 = self.stored_as.borrow().clone()?;
        let asking = self.place.transport().cross_origin_file(&sha256, range);
        let response = within(self.place.clock(), self.place.tuning().ask_ms, asking).await.flatten();
        if response.is_none() {
            self.stored_as.replace(None);
        }
        response
    }

    /// Its address for a message.
    pub(super) fn shown(&self) -> String {
        shown(&self.request.url)
    }

    /// Asks for a range, or for all; of this version, if the server can be told.
    pub(super) async fn open(
        &self,
        range: Option<Range<u64>>,
        version: Option<&Version>,
        silence_ms: u64,
    ) -> Result<Answer<'_, P>, Trouble> {
        if let Some(response) = self.open_in_storage(range.clone()).await {
            self.from_storage.set(true);
            return Ok(Answer { from_storage: true, ..self.answer(response, silence_ms) });
        }
        let moved = self.moved.borrow().clone();
        let request = self.asked(moved.as_deref().unwrap_or(&self.request.url), range, version);
        let answer = within(self.place.clock(), silence_ms, self.place.transport().send(&request)).await;
        let response = match answer {
            Some(Ok(response)) => response,
            // Where an address has expired, the refusal may be one that a page may not read: it looks like no answer at all.
            Some(Err(Unreachable(cause))) => {
                let unreachable = !self.forget(moved.as_deref());
                return Err(Trouble::Fault(Fault { reason: self.unreachable(&cause), wait_ms: 0, unreachable }));
            }
            None => {
                self.forget(moved.as_deref());
                let reason = format!("{} {}; check the connection and load again", self.shown(), silent(silence_ms));
                return Err(Trouble::fault(reason));
            }
        };
        self.judge(&response, moved.as_deref())?;
        self.known.set(true);
        if response.url != request.url {
            self.moved.replace(Some(response.url.clone()));
        }
        Ok(self.answer(response, silence_ms))
    }

    /// The address that `moved` was is not asked again; false where there was none.
    fn forget(&self, moved: Option<&str>) -> bool {
        self.moved.borrow_mut().take_if(|now| Some(now.as_str()) == moved);
        moved.is_some()
    }

    pub(super) fn asked(&self, url: &str, range: Option<Range<u64>>, version: Option<&Version>) -> HttpRequest {
        let Request { headers, credentials, redirect, referrer_policy, .. } = self.request;
        let own = origin(&self.request.url);
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        // As fetch does when it follows a redirect by itself.
        headers.retain(|(name, _)| name != "authorization" || origin(url) == own);
        if let Some(Range { start, end }) = range {
            headers.push(("range".to_owned(), format!("bytes={start}-{}", end.saturating_sub(1))));
            // For another origin If-Range would need a preflight, which file servers refuse. There each answer's own headers must
            // do, as they do here too.
            let allowed = self.request.origin.as_deref().is_none_or(|page| page == origin(url));
            if let Some(condition) = version.and_then(Version::condition).filter(|_| allowed && self.known.get()) {
                headers.push(("if-range".to_owned(), condition.to_owned()));
            }
        }
        HttpRequest {
            url: url.to_owned(),
            headers,
            credentials: credentials.clone(),
            redirect: redirect.clone(),
            referrer_policy: referrer_policy.clone(),
            aside: false,
        }
    }

    fn unreachable(&self, cause: &str) -> String {
        let foreign = self.request.origin.as_deref().is_some_and(|page| page != origin(&self.request.url));
        let allow = if foreign { "; a server of another origin must allow this page to read it (CORS)" } else { "" };
        format!(
            "{} could not be fetched{}: check the address and the connection{allow}",
            self.shown(),
            bracketed(cause)
        )
    }

    fn judge(&self, response: &HttpResponse<PlaceBody<P>>, moved: Option<&str>) -> Result<(), Trouble> {
        let status = response.status;
        let ok = (200..300).contains(&status);
        let page = header(response, "content-type")
            .is_some_and(|kind| kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")));
        if ok && page {
            self.forget(moved);
            let error = Error::WebPage { url: self.shown() };
            // In the middle of a file: a hotel's login page, perhaps.
            return Err(if self.known.get() { Trouble::fault(error.to_string()) } else { error.into() });
        }
        if ok || status == 416 {
            return Ok(());
        }
        let answered = format!("{status} {}", response.status_text);
        let reason = format!("{} answered {}: {}", self.shown(), answered.trim_end(), advice(status));
        if moved.is_some() && status < 500 && status != 429 {
            self.forget(moved);
            return Err(Trouble::fault(reason));
        }
        if status >= 500 || matches!(status, 408 | 425 | 429) {
            let wait_ms = header(response, "retry-after").map_or(0, |text| self.retry_after(text));
            return Err(Trouble::Fault(Fault { reason, wait_ms, unreachable: false }));
        }
        Err(Error::Network { reason }.into())
    }

    /// Milliseconds: seconds or a date are given.
    fn retry_after(&self, text: &str) -> u64 {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return text.parse().unwrap_or(u64::MAX).saturating_mul(1000);
        }
        let date = httpdate::parse_http_date(text).ok().and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        let ms = date.and_then(|date| u64::try_from(date.as_millis()).ok()).unwrap_or(0);
        ms.saturating_sub(self.place.clock().since_1970())
    }

    fn answer(&'a self, response: HttpResponse<PlaceBody<P>>, silence_ms: u64) -> Answer<'a, P> {
        let encoded =
            header(&response, "content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
        let range = header(&response, "content-range").and_then(ContentRange::read);
        let length = header(&response, "content-length").and_then(|length| length.trim().parse().ok());
        let plain = length.filter(|length| *length > 0 && response.status == 200 && !encoded);
        // Another origin need not tell that a body is compressed, and the length of a compressed one says nothing of the file.
        let size = range.map(|range| range.size).or(plain.filter(|_| !response.cross_origin));
        let text = |name| header(&response, name).filter(|text| !text.is_empty()).map(str::to_owned);
        let version = Version { size, etag: text("etag"), last_modified: text("last-modified") };
        let kind = match (response.status, range.and_then(|range| range.start)) {
            (416, _) => Kind::Unsatisfiable,
            (206, Some(start)) if !encoded => Kind::Range(start),
            (206, _) => Kind::Unclear,
            _ => Kind::Whole,
        };
        let linked = response.linked_etag.as_deref().filter(|_| self.request.hub).and_then(digest);
        Answer {
            kind,
            version,
            hint: size.or(plain),
            body: response.body,
            remote: self,
            silence_ms,
            from_storage: false,
            linked,
        }
    }
}

/// `bytes 0-999/25500`, or `bytes */25500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    size: u64,
}

impl ContentRange {
    /// `None` for what makes no sense.
    fn read(text: &str) -> Option<Self> {
        let number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?;
        let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
        let size = number(size)?;
        if range == "*" {
            return Some(ContentRange { start: None, size });
        }
        let (start, last) = range.split_once('-')?;
        let (start, last): (u64, u64) = (number(start)?, number(last)?);
        (start <= last && last < size).then_some(ContentRange { start: Some(start), size })
    }
}

fn header<'a, B>(response: &'a HttpResponse<B>, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "the file needs a permission; pass an Authorization header, or use a public file",
        404 | 410 => "there is no such file; check the address",
        429 => "the server has been asked too often; try again later",
        500.. => "the server has a problem; try again later",
        _ => "check the address",
    }
}

fn silent(ms: u64) -> String {
    format!("gave no byte for {} s", ms as f64 / 1000.0)
}

fn bracketed(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(" ({cause})") }
}

/// What `future` gives, if it does within so many milliseconds. A timer is made only for one that has to wait.
pub(super) async fn within<T>(clock: &impl Clock, ms: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    if let Poll::Ready(value) = futures::poll!(future.as_mut()) {
        return Some(value);
    }
    match select(future, pin!(clock.sleep(ms))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(((), _)) => None,
    }
}
