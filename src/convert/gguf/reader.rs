//! A GGUF to be written again, whole or in parts: what it holds, and where.

use crate::allocate::{try_reserve, try_zeroed};
use crate::convert::Folder;
use crate::gguf::{Decoder, Event, Limits, Metadata, Sequence, Split, TensorInfo};
use crate::{Error, Result};

/// Bytes of a header that are read at a time.
const CHUNK: usize = 1 << 18;

/// A model in GGUF, of one file or of several parts: all headers, and the tensors' bytes where they lie.
pub struct Gguf<F: Folder> {
    pub(super) folder: F,
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<Stored>,
    notes: Vec<String>,
    parts: usize,
}

/// A tensor, and where its bytes are.
pub(super) struct Stored {
    pub(super) info: TensorInfo,
    /// The file in the folder's list.
    pub(super) file: usize,
    /// Bytes from its start.
    pub(super) start: u64,
}

impl<F: Folder> Gguf<F> {
    /// Reads the headers of a model whose parts are the folder's files, in order. What is behind the last part is not looked at.
    ///
    /// # Errors
    /// [`Error::InFile`] with what is wrong with a file; [`Error::MissingPart`].
    pub fn open(mut folder: F) -> Result<Self> {
        let mut files = Sequence::default();
        let (mut metadata, mut tensors, mut notes) = (Metadata::new(), Vec::new(), Vec::new());
        let mut buffer: Vec<u8> = try_zeroed(CHUNK, "a chunk of the file")?;
        let list: Vec<_> = folder.files().to_vec();
        let mut parts = 0;
        for (file, (name, size)) in list.iter().enumerate() {
            let limits = Limits { file_size: Some(*size), ..Limits::default() };
            let architecture = metadata.str("general.architecture").ok().flatten();
            let mut decoder = architecture.map_or_else(
                || Decoder::new(limits.clone()),
                |architecture| Decoder::of_part(limits.clone(), architecture),
            );
            read_header(&mut folder, name, *size, &mut decoder, &mut files, &mut buffer)
                .map_err(|error| error.in_file(name))?;
            parts += 1;
            notes.extend(decoder.notes());
            let data = decoder.data_offset().unwrap_or(0);
            try_reserve(&mut tensors, decoder.tensors().len(), "the tensor table")?;
            let stored =
                decoder.tensors().iter().map(|info| Stored { info: info.clone(), file, start: data + info.offset });
            tensors.extend(stored);
            if files.is_first() {
                metadata = std::mem::take(decoder.metadata_mut());
            }
            if files.is_last() {
                break;
            }
            // Of a part that is not there it is known that it is missing.
            if parts < list.len() {
                files.next(decoder.tensors())?;
            }
        }
        if parts == 0 {
            return Err(Error::EmptyFile);
        }
        files.finish()?;
        Split::remove(&mut metadata);
        Ok(Gguf { folder, metadata, tensors, notes, parts })
    }

    /// What is odd about the files and was taken all the same.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The model's key-values, without those of a part.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The files that it consists of.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.info.size).sum()
    }
}

/// Reads a file up to its tensors' bytes.
fn read_header(
    folder: &mut impl Folder,
    name: &str,
    size: u64,
    decoder: &mut Decoder,
    files: &mut Sequence,
    buffer: &mut [u8],
) -> Result<()> {
    while decoder.position() < size {
        let at = decoder.position();
        let len = usize::try_from(size - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let chunk = &mut buffer[..len];
        folder.read(name, at, chunk)?;
        let mut rest = &chunk[..];
        loop {
            let (taken, event) = decoder.push(rest)?;
            rest = &rest[taken..];
            match event {
                Event::NeedMore => break,
                Event::Metadata => files.check_metadata(decoder.metadata())?,
                Event::Tensors => return files.check_tensors(decoder.tensors()),
                _ => {}
            }
        }
    }
    // Less than a header.
    decoder.finish()
}
