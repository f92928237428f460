//! A sorted run on disk.

use std::{
    cmp::Reverse,
    env,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write},
};

use super::SortKey;

/// Bytes of a key as it is written.
const KEY: usize = 1 + 16 + 4 * 8;

/// A run that is complete.
#[derive(Debug)]
pub(super) struct Run(File);

/// A run that is being written.
#[derive(Debug)]
pub(super) struct Writer(BufWriter<File>);

impl Writer {
    pub(super) fn new(buffer: usize, temporary: fn() -> io::Result<File>) -> io::Result<Self> {
        let file = temporary().map_err(|error| told("making a temporary file", &error))?;
        Ok(Self(BufWriter::with_capacity(buffer, file)))
    }

    /// Keys must come in order.
    pub(super) fn add(&mut self, key: &SortKey, payload: &[u8]) -> io::Result<()> {
        self.head(key, payload.len() as u64)
            .and_then(|()| self.0.write_all(payload))
            .map_err(|error| writing(&error))
    }

    /// The same with the payload that is next in `source`.
    pub(super) fn copy(&mut self, key: &SortKey, source: &mut Source) -> io::Result<()> {
        self.head(key, source.left).map_err(|error| writing(&error))?;
        while source.left > 0 {
            let part = source.part()?;
            self.0.write_all(part).map_err(|error| writing(&error))?;
            let length = part.len();
            source.taken(length);
        }
        Ok(())
    }

    fn head(&mut self, key: &SortKey, length: u64) -> io::Result<()> {
        self.0.write_all(&[key.is_limit.into()])?;
        self.0.write_all(&key.nanos.0.to_le_bytes())?;
        for number in [key.set, key.file, key.line, key.sequence, length] {
            self.0.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Run> {
        let mut file = self.0.into_inner().map_err(|error| writing(error.error()))?;
        file.rewind().map_err(|error| writing(&error))?;
        Ok(Run(file))
    }
}

impl Run {
    /// From its beginning; one reading at a time.
    pub(super) fn read(&self, buffer: usize) -> io::Result<Source> {
        let open = || {
            let mut file = self.0.try_clone()?;
            file.rewind()?;
            Ok(file)
        };
        Ok(Source {
            reader: BufReader::with_capacity(buffer, open().map_err(|error| reading(&error))?),
            left: 0,
        })
    }
}

/// A run that is being read.
#[derive(Debug)]
pub(super) struct Source {
    reader: BufReader<File>,
    /// Bytes of the payload that are still to be read.
    left: u64,
}

impl Source {
    /// The next key, once the payload before it was read; none at the end.
    pub(super) fn next_key(&mut self) -> io::Result<Option<SortKey>> {
        if self.reader.fill_buf().map_err(|error| reading(&error))?.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; KEY + 8];
        self.reader.read_exact(&mut bytes).map_err(|error| reading(&error))?;
        let mut rest = &bytes[..];
        let is_limit = number::<1>(&mut rest) != [0];
        let nanos = Reverse(i128::from_le_bytes(number(&mut rest)));
        let mut next = || u64::from_le_bytes(number(&mut rest));
        let key = SortKey {
            is_limit,
            nanos,
            set: next(),
            file: next(),
            line: next(),
            sequence: next(),
        };
        self.left = next();
        Ok(Some(key))
    }

    /// The payload of the key that was given last.
    pub(super) fn payload(&mut self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(usize::try_from(self.left).unwrap_or_default());
        let length = std::mem::take(&mut self.left);
        let read = (&mut self.reader).take(length).read_to_end(&mut payload);
        match read.map_err(|error| reading(&error))? as u64 == length {
            true => Ok(payload),
            false => Err(reading(&io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// A part of the payload; what was used of it is then [taken](Self::taken).
    fn part(&mut self) -> io::Result<&[u8]> {
        let part = self.reader.fill_buf().map_err(|error| reading(&error))?;
        if part.is_empty() {
            return Err(reading(&io::ErrorKind::UnexpectedEof.into()));
        }
        let length = usize::try_from(self.left).map_or(part.len(), |left| left.min(part.len()));
        Ok(part.get(..length).unwrap_or_default())
    }

    fn taken(&mut self, length: usize) {
        self.reader.consume(length);
        self.left -= length as u64;
    }
}

/// Takes the first bytes; there are as many by the length of the array that is read.
fn number<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((first, rest)) = bytes.split_first_chunk() else {
        return [0; N];
    };
    *bytes = rest;
    *first
}

fn writing(error: &io::Error) -> io::Error {
    told("writing a temporary file", error)
}

fn reading(error: &io::Error) -> io::Error {
    told("reading a temporary file", error)
}

/// What was tried, where, and what to do.
fn told(what: &str, error: &io::Error) -> io::Error {
    let folder = env::temp_dir();
    io::Error::new(
        error.kind(),
        format!(
            "sorting findings that are more than fit into memory: {what} in {}: {error}; set TMPDIR to a folder on a disk \
             with more room, or hunt in less (--since, --until, fewer files)",
            folder.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_what_to_do_and_keeps_its_kind() {
        let error = writing(&io::ErrorKind::StorageFull.into());
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let message = error.to_string();
        for part in ["writing", &env::temp_dir().display().to_string(), "TMPDIR", "--since"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
