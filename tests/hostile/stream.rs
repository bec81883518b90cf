//! A file that stops, goes on after its end, or comes with a wrong size. Every other attack comes in chunks of 1, 7, 4096
//! bytes and whole: see `outcome`.

use super::file::File;
use super::{load, refused, test};
use b158::Error;
use b158::kernels::Compute;
use b158::model::{Loader, LoaderOptions};

#[test]
fn told_to_stop_midway() {
    let file = File::new().bytes();
    for stop in (0..file.len()).step_by(991) {
        let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
        loader.push(&file[..stop]).unwrap();
        assert_eq!(loader.position(), stop as u64);
        // Empty chunks are no end.
        loader.push(&[]).unwrap();
        let error = loader.finish().err().unwrap();
        if stop == 0 {
            assert_eq!(error, Error::EmptyFile);
            continue;
        }
        assert!(matches!(error, Error::Truncated { offset, .. } if offset == stop as u64), "{stop}: {error:?}");
    }
}

#[test]
fn more_than_the_file() {
    let mut file = File::new().bytes();
    let whole = load(&file, usize::MAX, None).unwrap();
    file.extend(b"GGUF\x03\0\0\0and so on");
    for chunk in super::CHUNKS {
        let longer = load(&file, chunk, None).unwrap();
        assert_eq!(longer.model.weights.bytes(), whole.model.weights.bytes());
    }
}

#[test]
fn a_size_that_is_not_the_files() {
    let file = File::new().bytes();
    for size in [0, 1, 24, 1000, file.len() as u64 - 1] {
        let error = load(&file, usize::MAX, Some(size)).err().unwrap();
        assert!(matches!(error, Error::BeyondEnd { .. }), "{size}: {error:?}");
        for chunk in super::CHUNKS {
            assert_eq!(load(&file, chunk, Some(size)).err().as_ref(), Some(&error), "{size}, chunks of {chunk}");
        }
    }
    // One that promises more is no reason to wait for it.
    assert!(load(&file, 4096, Some(u64::MAX)).is_ok());
}

#[test]
fn another_file_in_the_middle() {
    let file = File::new().bytes();
    for cut in [100, 4000, file.len() - 9000] {
        let spliced =
            [&file[..cut], &b"<html>Your session has expired</html>".repeat(file.len() / 30)[..file.len() - cut]]
                .concat();
        refused(&format!("a web page from byte {cut} on"), &spliced, |_| true);
    }
}
