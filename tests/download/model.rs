//! Models of one part and of several, from addresses and from streams, whole and their headers alone.

use crate::memory::Buffer;
use crate::rig::{Rig, request, requested};
use crate::server::{Fault, random_file, sha256};
use b158::download::meter::{PartNumber, Phase};
use b158::download::{
    CacheMode, Estimating, LoadProgress, Loading, Part, Receiver, Request, Stream, Tuning, headers, load,
};
use b158::kernels::Compute;
use b158::model::{Estimator, Loader, LoaderOptions};
use b158::{Error, Result};
use futures::StreamExt;
use std::cell::Cell;
use std::rc::Rc;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Keeps what it gets, and wants so many bytes of each header.
#[derive(Default)]
pub(crate) struct Taker {
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) sizes: Vec<Option<u64>>,
    pub(crate) begun: usize,
    /// Bytes of a header.
    pub(crate) header: usize,
    /// This part is the last one.
    pub(crate) last: Option<usize>,
    /// It refuses a part that begins so.
    pub(crate) refuses: Option<Vec<u8>>,
}

impl Receiver for Taker {
    async fn begin(&mut self, size: Option<u64>) -> Result<()> {
        (self.parts, self.sizes) = (vec![Vec::new()], vec![size]);
        self.begun += 1;
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> Result<()> {
        assert!(self.begun > 0);
        self.parts.push(Vec::new());
        self.sizes.push(size);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        assert!(!self.is_complete(), "it had enough");
        assert!(!bytes.is_empty() && bytes.len() <= 256 << 10);
        let part = self.parts.last_mut().unwrap();
        part.extend(bytes);
        match &self.refuses {
            Some(start) if part.starts_with(start) => Err(Error::EmptyFile),
            _ => Ok(()),
        }
    }

    fn is_complete(&self) -> bool {
        self.header > 0 && self.parts.last().is_some_and(|part| part.len() >= self.header)
    }

    fn is_last_part(&self) -> bool {
        self.last.is_some_and(|last| last < self.parts.len())
    }

    fn expected_size(&self) -> Option<u64> {
        None
    }
}

pub(crate) fn url(part: usize) -> String {
    format!("https://models.example/m-0000{part}-of-00003.gguf")
}

pub(crate) fn files() -> [Vec<u8>; 3] {
    [random_file(30_000, 2), random_file(1000, 3), random_file(25_001, 4)]
}

/// With a model of three parts.
pub(crate) fn rig() -> Rig {
    let rig = Rig::new();
    for (file, part) in files().into_iter().zip(1..) {
        rig.server.put(&url(part), file);
    }
    rig
}

fn addresses() -> Vec<Part<Buffer>> {
    (1..=3).map(|part| Part::Address(requested(|request| request.url = url(part)))).collect()
}

fn stream(bytes: &[u8], chunk: usize) -> Stream<Buffer> {
    let chunks: Vec<Result<Buffer>> = bytes.chunks(chunk).map(|chunk| Ok(chunk.to_vec().into())).collect();
    let size = Some(bytes.len() as u64);
    Stream { bytes: futures::stream::iter(chunks).boxed_local(), size, total: None, sha256: None }
}

pub(crate) struct Loaded {
    pub(crate) taker: Taker,
    pub(crate) bytes: u64,
    pub(crate) cached: Option<bool>,
    pub(crate) notes: Vec<String>,
    pub(crate) progress: Vec<LoadProgress>,
}

pub(crate) fn run(rig: &Rig, parts: Vec<Part<Buffer>>) -> Result<Loaded> {
    run_into(rig, parts, Taker::default())
}

pub(crate) fn run_into(rig: &Rig, parts: Vec<Part<Buffer>>, mut taker: Taker) -> Result<Loaded> {
    let mut progress = Vec::new();
    let loaded = rig.clock.run(async {
        let loaded = load(rig, parts, &mut taker, &mut |report| progress.push(report)).await?;
        let (bytes, cached, notes) = (loaded.bytes, loaded.cached, loaded.notes.clone());
        progress.push(loaded.ready());
        loaded.end(&Ok(())).await;
        Ok((bytes, cached, notes))
    });
    assert_eq!((rig.store.writers(), rig.server.open()), (0, 0), "locks and connections");
    let (bytes, cached, notes) = loaded?;
    Ok(Loaded { taker, bytes, cached, notes, progress })
}

#[test]
fn a_split_model_is_loaded_whole_with_one_progress() {
    let rig = rig();
    rig.server.always(Fault { drip: Some(10), ..Fault::default() });
    let loaded = run(&rig, addresses()).unwrap();
    assert_eq!(loaded.taker.parts, files());
    assert_eq!(loaded.taker.sizes, [Some(30_000), Some(1000), Some(25_001)]);
    assert_eq!((loaded.bytes, loaded.cached), (56_001, Some(false)));
    let download: Vec<_> = loaded.progress.iter().filter(|report| report.phase == Phase::Download).collect();
    assert!(download.is_sorted_by_key(|report| report.loaded) && download.len() > 3);
    assert_eq!(download[0].part, Some(PartNumber { index: 0, count: 3 }));
    let last = download.last().unwrap();
    assert_eq!((last.loaded, last.total, last.fraction), (56_001, Some(56_001), Some(1.0)));
    let phases: Vec<Phase> = loaded.progress.iter().rev().take(2).map(|report| report.phase).collect();
    assert_eq!(phases, [Phase::Ready, Phase::Load]);
    rig.server.right();
    let again = run(&rig, addresses()).unwrap();
    assert_eq!((again.taker.parts.len(), again.cached), (3, Some(true)));
    assert!(again.progress.iter().any(|report| report.phase == Phase::Verify && report.cached));
    assert!(again.progress.last().unwrap().cached);
}

#[test]
fn parts_may_be_of_any_kind() {
    let [first, second, third] = files();
    let rig = rig();
    let parts = |hashes: [&[u8]; 3]| {
        let address = requested(|request| (request.url, request.sha256) = (url(2), Some(sha256(hashes[1]))));
        vec![
            Part::Stream(Stream { sha256: Some(sha256(hashes[0])), ..stream(&first, 777) }),
            Part::Address(address),
            Part::Stream(Stream { sha256: Some(sha256(hashes[2])), size: None, ..stream(&third, 99_999) }),
        ]
    };
    let loaded = run(&rig, parts([&first, &second, &third])).unwrap();
    assert_eq!(loaded.taker.parts, files());
    assert_eq!(loaded.taker.sizes, [Some(30_000), Some(1000), None]);
    assert_eq!((loaded.bytes, loaded.cached), (56_001, None));
    for wrong in [[&second, &second, &third], [&first, &third, &third], [&first, &second, &first]] {
        let error = run(&rig, parts(wrong.map(|bytes| &**bytes))).map(drop).unwrap_err();
        assert_eq!(error.code(), "integrity", "{error}");
    }
    assert!(run(&rig, Vec::new()).is_err());
}

#[test]
fn a_stream_that_breaks_off_says_why_in_its_own_words() {
    let rig = rig();
    let lost = || Error::Io { reason: "the file is gone: choose it again".to_owned() };
    let bytes = futures::stream::iter([Ok(vec![1; 500].into()), Err(lost())]).boxed_local();
    let part = Part::Stream(Stream { bytes, size: None, total: None, sha256: None });
    assert_eq!(run(&rig, vec![part]).map(drop).unwrap_err(), lost());
    let short = Stream { size: None, total: Some(30_000), ..stream(&files()[0][..20_000], 1000) };
    let error = run(&rig, vec![Part::Stream(short)]).map(drop).unwrap_err();
    assert!(error.to_string().contains("broke off after 20000 of 30000 bytes"), "{error}");
}

#[test]
fn a_file_that_changes_is_loaded_anew_and_given_up_when_it_does_so_each_time() {
    let rig = rig();
    let other = Rc::new(random_file(20_000, 9));
    let file = other.clone();
    rig.server.script(move |_, index| Fault { file: (index > 0).then(|| file.clone()), ..Fault::default() });
    let loaded = run(&rig, vec![Part::Address(request())]).unwrap();
    assert_eq!((loaded.taker.parts, loaded.taker.begun), (vec![other.to_vec()], 2));
    assert_eq!(loaded.bytes, 20_000);

    let mut version = 0;
    rig.server.script(move |_, _| {
        version += 1;
        Fault { etag: Some(Some(format!("\"{version}\""))), ..Fault::default() }
    });
    let error = run(&rig, vec![Part::Address(request())]).map(drop).unwrap_err();
    assert!(error.code() == "network" && error.to_string().contains("another file each time"), "{error}");
    assert_eq!(rig.store.len(), 0);

    // What can be read only once can't begin anew.
    let mixed = vec![Part::Stream(stream(&files()[0], 1000)), Part::Address(request())];
    let error = run(&rig, mixed).map(drop).unwrap_err();
    assert!(error.code() == "network" && error.to_string().contains("read only once"), "{error}");
}

#[test]
fn no_part_is_asked_for_beyond_the_one_that_says_it_is_the_last() {
    let rig = rig();
    let loaded = run_into(&rig, addresses(), Taker { last: Some(1), ..Taker::default() }).unwrap();
    assert_eq!(loaded.taker.parts.len(), 2);
    assert_eq!(loaded.bytes, 31_000);
}

#[test]
fn what_the_engine_refuses_leaves_the_cache_all_parts_of_it() {
    let rig = rig();
    let taker = Taker { refuses: Some(files()[2][..500].to_vec()), ..Taker::default() };
    assert_eq!(run_into(&rig, addresses(), taker).map(drop).unwrap_err(), Error::EmptyFile);
    assert_eq!(rig.store.len(), 0);
    // At its end too.
    for (outcome, left) in [(Err(Error::EmptyFile), 0), (Err(Error::NotStarted), 3), (Ok(()), 3)] {
        let mut taker = Taker::default();
        rig.clock.run(async {
            let loaded = load(&rig, addresses(), &mut taker, &mut |_| ()).await.unwrap();
            loaded.end(&outcome).await;
        });
        assert_eq!(rig.store.len(), left);
    }
}

/// Parts that are whole are not at fault where a later one can't be had.
#[test]
fn a_web_page_instead_of_a_later_part_costs_nothing_of_the_others() {
    let rig = rig();
    rig.server.script(|asked, _| Fault { html: asked.url == url(3), ..Fault::default() });
    assert!(matches!(run(&rig, addresses()), Err(Error::WebPage { .. })));
    assert_eq!(rig.store.len(), 2);
}

#[test]
fn notes_are_told_once_and_sizes_only_where_a_network_may_be_asked() {
    let rig = rig();
    rig.store.set_broken("a private window");
    let loaded = run(&rig, addresses()).unwrap();
    assert_eq!(loaded.notes, ["not kept in the cache: a private window"]);
    let rig = self::rig();
    run(&rig, addresses()).unwrap();
    rig.server.take_requests();
    let offline = |part| {
        let offline = |request: &mut Request| (request.url, request.offline) = (url(part), true);
        Part::Address(requested(offline))
    };
    assert_eq!(run(&rig, (1..=3).map(offline).collect()).unwrap().cached, Some(true));
    assert!(rig.server.requests().is_empty());
}

pub(crate) fn read_headers(rig: &Rig, parts: Vec<Part<Buffer>>, header: usize) -> Result<(Taker, Vec<Option<u64>>)> {
    let mut taker = Taker { header, ..Taker::default() };
    let sizes = rig.clock.run(headers(rig, parts, &mut taker));
    assert_eq!((rig.store.len(), rig.server.open()), (0, 0));
    Ok((taker, sizes?))
}

const MIB: u64 = 1 << 20;

#[test]
fn an_estimate_asks_for_the_first_bytes_and_knows_the_size_from_the_answer() {
    let rig = rig();
    let (taker, sizes) = read_headers(&rig, vec![Part::Address(request())], 4).unwrap();
    assert_eq!((sizes, taker.sizes), (vec![Some(25_500)], vec![Some(25_500)]));
    assert_eq!(rig.server.wanted(), [Some((0, MIB))]);
    assert!(taker.parts[0].len() <= 700, "no more than the first chunk");
}

#[test]
fn it_goes_on_where_an_answer_ends_or_breaks_off() {
    let rig = rig();
    rig.server.script(|_, index| match index {
        0 => Fault { cut_after: Some(100), ..Fault::default() },
        1 => Fault { short_by: 25_000, ..Fault::default() },
        _ => Fault::default(),
    });
    let (taker, _) = read_headers(&rig, vec![Part::Address(request())], 5000).unwrap();
    assert_eq!(taker.parts[0], crate::rig::file()[..taker.parts[0].len()]);
    assert_eq!(rig.server.wanted(), [Some((0, MIB)), Some((100, 100 + 16 * MIB)), Some((500, 500 + 16 * MIB))]);
}

#[test]
fn it_reads_the_beginning_of_the_whole_file_where_the_server_knows_no_ranges() {
    let rig = rig();
    rig.server.script(|_, index| Fault {
        ignore_range: true,
        cut_after: (index == 0).then_some(1500),
        ..Fault::default()
    });
    let (taker, sizes) = read_headers(&rig, vec![Part::Address(request())], 5000).unwrap();
    assert_eq!(sizes, [Some(25_500)]);
    assert_eq!(taker.parts[0], crate::rig::file()[..taker.parts[0].len()]);
    assert_eq!(rig.server.requests().len(), 2);
}

#[test]
fn it_refuses_a_file_that_changes_meanwhile_and_other_bytes_than_it_asked_for() {
    let rig = rig();
    rig.server.script(|_, index| match index {
        0 => Fault { cut_after: Some(1), ..Fault::default() },
        _ => Fault { etag: Some(Some("\"other\"".to_owned())), ..Fault::default() },
    });
    let error = read_headers(&rig, vec![Part::Address(request())], 5000).map(drop).unwrap_err();
    assert!(error.code() == "network" && error.to_string().contains("changed"), "{error}");
    let faults = [
        (Fault { content_range: Some(Some("bytes 5-99/25500".into())), ..Fault::default() }, "network"),
        (Fault { short_by: 1_000_000, ..Fault::default() }, "network"),
        (Fault { status: Some(404), ..Fault::default() }, "network"),
        (Fault { html: true, ..Fault::default() }, "format"),
    ];
    for (fault, code) in faults {
        rig.server.always(fault);
        let error = read_headers(&rig, vec![Part::Address(request())], 5000).map(drop).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn it_takes_no_more_of_a_stream_than_the_header_and_ends_it() {
    let rig = rig();
    let pulled = Rc::new(Cell::new(0));
    let count = pulled.clone();
    let endless = futures::stream::repeat_with(move || {
        count.set(count.get() + 1);
        Ok(vec![1; 2].into())
    });
    let part = Part::Stream(Stream { bytes: endless.boxed_local(), size: None, total: None, sha256: None });
    read_headers(&rig, vec![part], 9).unwrap();
    assert_eq!(pulled.get(), 5);
    assert_eq!(Rc::strong_count(&pulled), 1, "the stream is gone");
}

#[test]
fn it_reads_the_headers_of_all_parts_and_knows_of_a_file_without_a_byte() {
    let rig = rig();
    let (taker, sizes) = read_headers(&rig, addresses(), 4).unwrap();
    assert_eq!(sizes, [Some(30_000), Some(1000), Some(25_001)]);
    assert_eq!(taker.parts.len(), 3);
    rig.server.put(&url(2), Vec::new());
    let (taker, sizes) = read_headers(&rig, addresses(), 4).unwrap();
    assert_eq!((taker.parts[1].len(), sizes[1]), (0, None));
}

/// The loader and the estimator themselves, over a server that goes wrong.
#[test]
fn a_real_model_comes_through() {
    let model = include_bytes!("../models/stories-I2_S.gguf");
    let mut rig = Rig::new();
    rig.tuning = Tuning { part_bytes: 1 << 16, ..rig.tuning };
    rig.server.put(crate::server::URL, model.to_vec());
    rig.server.script(|_, index| Fault { cut_after: (index % 2 == 1).then_some(100_000), ..Fault::default() });
    let options = |file_size| LoaderOptions { file_size, hash: true, ..LoaderOptions::default() };
    let mut loading = Loading::new(async |size| Ok(Loader::new(Compute::default(), options(size))));
    let loaded = rig.clock.run(async {
        let parts = load(&rig, vec![Part::Address(request())], &mut loading, &mut |_| ()).await.unwrap();
        let loaded = loading.finish();
        parts.end(&loaded).await;
        loaded.unwrap()
    });
    assert_eq!(loaded.sha256, Some(sha256(model)));
    let mut estimating = Estimating::new(|size| Estimator::new(options(size)));
    rig.clock.run(headers(&rig, vec![Part::Address(request())], &mut estimating)).unwrap();
    let estimate = estimating.finish().unwrap();
    assert_eq!((estimate.file_bytes, estimate.config), (model.len() as u64, loaded.model.config));
    // Nonsense is refused, and leaves nothing.
    rig.server.put(crate::server::URL, vec![1; 5000]);
    rig.server.right();
    let error = rig.clock.run(async {
        let mut loading = Loading::new(async |size| Ok(Loader::new(Compute::default(), options(size))));
        load(&rig, vec![Part::Address(request())], &mut loading, &mut |_| ()).await.map(drop).unwrap_err()
    });
    assert!(matches!(error, Error::NotGguf { .. }), "{error}");
    assert_eq!(rig.store.len(), 0);
    let off = requested(|request| request.cache = CacheMode::Off);
    let mut estimating = Estimating::new(|size| Estimator::new(options(size)));
    let error = rig.clock.run(headers(&rig, vec![Part::Address(off)], &mut estimating)).unwrap_err();
    assert!(matches!(error, Error::NotGguf { .. }), "{error}");
}
