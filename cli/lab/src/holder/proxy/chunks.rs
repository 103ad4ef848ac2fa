//! Reading a body that comes in chunks (RFC 9112 section 7.1).

use std::io::{self, BufRead, Read};

/// The longest line between chunks that is believed.
const LONGEST_LINE: u64 = 4096;

/// The body's bytes without their frame. An early end is an error, never a short body.
#[derive(Debug)]
pub(super) struct Chunks<R> {
    inner: R,
    left_in_chunk: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Within,
    Done,
}

impl<R: BufRead> Chunks<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            left_in_chunk: 0,
            state: State::First,
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let length = (&mut self.inner).take(LONGEST_LINE).read_line(&mut line)?;
        if length == 0 || !line.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        if self.state == State::Within && !self.line()?.is_empty() {
            return Err(io::Error::other("a chunk is longer than it says"));
        }
        self.state = State::Within;
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        self.left_in_chunk =
            u64::from_str_radix(size, 16).map_err(|_| io::Error::other("a chunk has no size"))?;
        if self.left_in_chunk == 0 {
            while !self.line()?.is_empty() {}
            self.state = State::Done;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left_in_chunk == 0 && self.state != State::Done && !buffer.is_empty() {
            self.next_chunk()?;
        }
        if self.state == State::Done || buffer.is_empty() {
            return Ok(0);
        }
        let room = u64::try_from(buffer.len())
            .unwrap_or(u64::MAX)
            .min(self.left_in_chunk);
        let room = usize::try_from(room).unwrap_or(buffer.len());
        let length = self.inner.read(&mut buffer[..room])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left_in_chunk -= u64::try_from(length).unwrap_or(self.left_in_chunk);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Chunks::new(bytes).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn chunks_are_joined() {
        let body = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\nTrailer: 1\r\n\r\n";
        assert_eq!(read(body).unwrap(), "Wikipedia");
    }

    #[test]
    fn an_early_end_is_an_error_wherever_it_is() {
        let body = b"4\r\nWiki\r\n0\r\n\r\n";
        for end in 0..body.len() {
            assert!(read(&body[..end]).is_err(), "{end} bytes");
        }
        assert!(read(b"4\r\nWikip\r\n0\r\n\r\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = io::copy(&mut Chunks::new(&bytes[..]), &mut io::sink());
        }
    }
}
