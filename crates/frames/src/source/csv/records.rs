//! A CSV file in stretches of whole records, so that no one ever holds more of it than one stretch.

use std::io::{self, Chain, Cursor, Read};
use std::sync::mpsc::sync_channel;

use polars::prelude::{PolarsResult, polars_bail};

/// The longest record that is read. A quote that is never closed makes one of all that follows it.
const LONGEST: usize = 32 << 20;

/// Cuts what it reads between records. A record ends with a line feed that has an even number of quotes before it: that is
/// where polars ends it, too, so that every stretch is read as it would be as part of the whole.
pub(super) struct Records<R> {
    source: Chain<Cursor<Vec<u8>>, R>,
    /// How many bytes of records there are in a stretch, unless one alone is longer.
    size: usize,
    /// Everything up to the end of the header's line.
    header: Vec<u8>,
    /// The beginning of a record that was read already.
    rest: Vec<u8>,
    /// How many records were handed on.
    rows: u64,
    ended: bool,
}

/// Some records of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Stretch {
    /// The header and the records.
    pub bytes: Vec<u8>,
    /// The place of the first record in the file.
    pub first_row: u64,
}

impl<R: Read> Records<R> {
    /// Reads the header.
    pub(super) fn open(source: R, size: usize) -> PolarsResult<Self> {
        let (mut source, mut bytes, mut wanted) = (source, Vec::new(), 1 << 12);
        let header = loop {
            let ended = fill(&mut source, &mut bytes, wanted)?;
            match header_length(&bytes) {
                Some(length) => break length,
                None if ended => break bytes.len(),
                None if wanted > LONGEST => polars_bail!(ComputeError: "the line of its header is longer than {LONGEST} bytes"),
                None => wanted *= 2,
            }
        };
        let behind = bytes.split_off(header);
        let source = Cursor::new(behind).chain(source);
        Ok(Self { source, size, header: bytes, rest: Vec::new(), rows: 0, ended: false })
    }

    /// The header's line, and what stands before it: nothing, a byte order mark, empty lines.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    fn stretch(&mut self) -> PolarsResult<Option<Stretch>> {
        let mut size = self.size.max(self.rest.len());
        let mut bytes = Vec::with_capacity(self.header.len() + size);
        bytes.extend_from_slice(&self.header);
        bytes.append(&mut self.rest);
        let mut cut = Cut { seen: self.header.len(), ..Cut::default() };
        while cut.rows == 0 && !self.ended {
            self.ended = fill(&mut self.source, &mut bytes, self.header.len() + size)?;
            cut.go_on(&bytes);
            if size > LONGEST && cut.rows == 0 && !self.ended {
                let row = self.rows;
                polars_bail!(ComputeError: "row {row} is longer than {LONGEST} bytes: is there a quote that is never closed?");
            }
            size *= 2;
        }
        if bytes.len() == self.header.len() {
            return Ok(None);
        }
        if !self.ended {
            self.rest = bytes.split_off(cut.end);
        }
        let first_row = self.rows;
        self.rows += cut.rows;
        Ok(Some(Stretch { bytes, first_row }))
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = PolarsResult<Stretch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended && self.rest.is_empty() {
            return None;
        }
        let stretch = self.stretch().transpose();
        if matches!(stretch, None | Some(Err(_))) {
            (self.ended, self.rest) = (true, Vec::new());
        }
        stretch
    }
}

/// Reads until there are `length` bytes, and says whether there are no more.
fn fill(source: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let wanted = length.saturating_sub(bytes.len());
    bytes.reserve_exact(wanted);
    Ok(source.by_ref().take(wanted as u64).read_to_end(bytes)? < wanted)
}

/// How far the ends of records have been looked for.
#[derive(Default)]
struct Cut {
    seen: usize,
    quoted: bool,
    /// The records that have ended.
    rows: u64,
    /// Where the last of them has.
    end: usize,
}

impl Cut {
    fn go_on(&mut self, bytes: &[u8]) {
        /// So few bytes that what they are counted by is one byte, too, which is fast.
        const BLOCK: usize = u8::MAX as usize;
        for block in bytes[self.seen..].chunks(BLOCK) {
            let count = |wanted: u8| block.iter().map(|byte| u8::from(*byte == wanted)).sum::<u8>();
            if count(b'"') > 0 {
                self.with_quotes(block);
            } else if !self.quoted {
                let rows = count(b'\n');
                if rows > 0 {
                    self.rows += u64::from(rows);
                    self.end = self.seen + block.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
                }
            }
            self.seen += block.len();
        }
    }

    fn with_quotes(&mut self, block: &[u8]) {
        for (place, byte) in block.iter().enumerate() {
            self.quoted ^= *byte == b'"';
            if *byte == b'\n' && !self.quoted {
                self.rows += 1;
                self.end = self.seen + place + 1;
            }
        }
    }
}

/// Hands on what an iterator gives, and has the next one ready meanwhile.
pub(super) fn ahead<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> impl Iterator<Item = T> {
    let (sender, receiver) = sync_channel(0);
    std::thread::spawn(move || {
        // Whoever takes no more ends it.
        let _ = items.map(|item| sender.send(item)).take_while(Result::is_ok).count();
    });
    receiver.into_iter()
}

/// Where the first line ends that is not empty, if it does.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (mut quoted, mut line) = (false, mark);
    for (place, byte) in bytes.iter().enumerate().skip(mark) {
        quoted ^= *byte == b'"';
        if *byte == b'\n' && !quoted {
            if !matches!(&bytes[line..place], b"" | b"\r") {
                return Some(place + 1);
            }
            line = place + 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize) -> Vec<(u64, String)> {
        let records = Records::open(text.as_bytes(), size).expect("a header");
        let stretches = records.map(|stretch| stretch.expect("records"));
        stretches.map(|it| (it.first_row, String::from_utf8(it.bytes).expect("text"))).collect()
    }

    fn stretches(parts: &[(u64, &str)]) -> Vec<(u64, String)> {
        parts.iter().map(|(row, text)| (*row, (*text).to_owned())).collect()
    }

    #[test]
    fn stretches_end_with_records() {
        assert_eq!(cut("a\n1\n2\n3\n", 4), stretches(&[(0, "a\n1\n2\n"), (2, "a\n3\n")]));
        assert_eq!(cut("a\n1\n2\n3", 3), stretches(&[(0, "a\n1\n"), (1, "a\n2\n"), (2, "a\n3")]));
        assert_eq!(
            cut("a\r\n\"1\n\"\r\n\"\"\"\n\"\r\n3\r\n", 9),
            stretches(&[(0, "a\r\n\"1\n\"\r\n"), (1, "a\r\n\"\"\"\n\"\r\n"), (2, "a\r\n3\r\n"),])
        );
    }

    #[test]
    fn a_record_longer_than_a_stretch_is_one() {
        assert_eq!(cut("a\n12345\n\n1\n", 1), stretches(&[(0, "a\n12345\n\n"), (2, "a\n1\n")]));
        let long = format!("a\n\"{}\n", "x\n".repeat(LONGEST));
        let error = Records::open(long.as_bytes(), 10).expect("a header").next().expect("a stretch").expect_err("too long");
        assert!(error.to_string().contains("row 0 is longer than 33554432 bytes: is there a quote"), "{error}");
    }

    #[test]
    fn a_header_may_be_all_there_is() {
        for text in ["a,b", "a,b\n", "\u{feff}\n\r\na,\"b\nc\"\r\n"] {
            let records = Records::open(text.as_bytes(), 10).expect("a header");
            assert_eq!(records.header(), text.as_bytes());
            assert_eq!(cut(text, 10), []);
        }
    }
}
