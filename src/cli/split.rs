//! `b158 split` and `b158 merge`: a model in several files, for hosts that limit what one may have.

use super::load::bar;
use super::output::{self, Output, Replace};
use super::source::Source;
use super::terminal::{self, say};
use super::{Outcome, parts};
use b158::convert::Rewriter;
use b158::download::{Manifest, ManifestFile};
use b158::gguf::Split as Names;
use clap::Args;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Split {
    /// The GGUF file, of a model that is split already the first, name-00001-of-0000N.gguf.
    #[arg(value_parser = Source::parser())]
    file: Source,
    /// What the names begin with: PREFIX-00001-of-0000N.gguf and so on, and PREFIX.json, which lists them with their sizes and
    /// SHA-256.
    #[arg(short = 'o', long, value_name = "PREFIX")]
    output: PathBuf,
    /// Most that a part may have, in MB of 1000000 bytes; also with M, or with G for GB.
    #[arg(long, value_name = "MB", value_parser = size)]
    max_size: u64,
    #[command(flatten)]
    replace: Replace,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// Bytes of a size as llama.cpp's `gguf-split` takes it: `500M` or `2G`; MB where there is no letter.
fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = match text.strip_suffix(['G', 'g']) {
        Some(number) => (number, 1_000_000_000),
        None => (text.strip_suffix(['M', 'm']).unwrap_or(text), 1_000_000),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
    bytes.ok_or("it is a number of MB, as 500 or 500M, or of GB, as 2G")
}

impl Split {
    pub(crate) fn run(self) -> Outcome {
        let paths = parts::paths(&self.file)?;
        let name = self.output.to_str().ok_or("the name of a split model must be UTF-8")?;
        let prefix = name.strip_suffix(".gguf").unwrap_or(name);
        if prefix.ends_with(std::path::is_separator) || self.output.file_name().is_none() {
            let folder = terminal::path(&self.output);
            return Err(format!("{folder}: it is a folder: say what the names in it begin with, as model").into());
        }
        let manifest = PathBuf::from(format!("{prefix}.json"));
        let mut gguf = parts::read(&paths)?;
        let plans = gguf.split(self.max_size)?;
        if let [plan] = &plans[..] {
            let (file, size) = (self.file.name(), plan.size());
            return Err(
                format!("{file}: nothing to split: it has {size} bytes, a part may have {}", self.max_size).into()
            );
        }
        let names = (0..plans.len() as u32).map(|no| PathBuf::from(Names::name(prefix, no, plans.len() as u32)));
        let names: Vec<PathBuf> = names.collect();
        for path in names.iter().chain([&manifest]) {
            self.replace.check(path, paths.iter().map(PathBuf::as_path))?;
        }
        let total = plans.iter().map(|plan| plan.size()).sum();
        let bar = bar(Some(total), self.quiet, "splitting");
        let (mut places, mut files) = (Vec::with_capacity(plans.len() + 1), Vec::with_capacity(plans.len()));
        for (path, plan) in names.iter().zip(&plans) {
            let mut output = Hashed { output: Output::create_as(path, self.replace)?, hasher: Sha256::new() };
            output::stream(&mut Rewriter::new(&mut gguf, plan)?, Rewriter::next_bytes, &mut output, &bar)?;
            let digest: String = output.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            files.push(ManifestFile { name: file_name(path), size: plan.size(), sha256: digest });
            places.push(output.output.close_synced()?);
        }
        let mut output = Output::create_as(&manifest, self.replace)?;
        serde_json::to_writer_pretty(&mut output, &Manifest::new(files))?;
        output.write_all(b"\n")?;
        places.push(output.close_synced()?);
        // All files or none.
        places.into_iter().try_for_each(|place| place.commit())?;
        bar.finish_and_clear();
        if !self.quiet {
            gguf.notes().iter().for_each(|note| say!("note: {note}"));
            let (first, manifest) = (terminal::path(&names[0]), terminal::path(&manifest));
            say!("{first}: {} parts, {:.1} MB; {manifest} lists them", plans.len(), total as f64 / 1e6);
        }
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A file, and the hash of what goes into it.
struct Hashed {
    output: Output,
    hasher: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

#[derive(Args)]
pub(crate) struct Merge {
    /// The first part, name-00001-of-0000N.gguf; the others lie beside it.
    #[arg(value_parser = Source::parser())]
    first: Source,
    /// File to write.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    replace: Replace,
    /// Say nothing on standard error but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
}

impl Merge {
    pub(crate) fn run(self) -> Outcome {
        let paths = parts::paths(&self.first)?;
        self.replace.check(&self.output, paths.iter().map(PathBuf::as_path))?;
        let mut gguf = parts::read(&paths)?;
        let count = gguf.parts();
        if count == 1 {
            return Err(format!("{}: nothing to merge: it is a whole model", self.first.name()).into());
        }
        let plan = gguf.merge()?;
        let bar = bar(Some(plan.size()), self.quiet, "merging");
        let mut output = Output::create_as(&self.output, self.replace)?;
        output::stream(&mut Rewriter::new(&mut gguf, &plan)?, Rewriter::next_bytes, &mut output, &bar)?;
        output.commit_synced()?;
        bar.finish_and_clear();
        if !self.quiet {
            gguf.notes().iter().for_each(|note| say!("note: {note}"));
            say!("{}: {count} parts, {:.1} MB", terminal::path(&self.output), plan.size() as f64 / 1e6);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("1", 1_000_000), ("500M", 500_000_000), ("2G", 2_000_000_000), ("7m", 7_000_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "0", "-1", "1.5", "M", "1K", "99999999999999999999", "18446744073709551615G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
