//! The writer behind `tracing`: standard error, masked, without tearing progress bars.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::{Mask, Progress};

/// Makes one [`LogLine`] per event.
#[derive(Clone, Debug)]
pub(crate) struct LogWriter {
    mask: Mask,
    progress: Progress,
}

impl LogWriter {
    pub(super) fn new(mask: Mask, progress: Progress) -> Self {
        Self { mask, progress }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine {
            writer: self,
            buffer: Vec::new(),
        }
    }
}

/// Collects an event and writes it in one piece, so that no secret is cut in two by a write.
#[derive(Debug)]
pub(crate) struct LogLine<'a> {
    writer: &'a LogWriter,
    buffer: Vec<u8>,
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.buffer);
        let masked = self.writer.mask.apply(&text);
        self.writer.progress.suspend(|| {
            // Nobody is left to tell when standard error is closed.
            let _ = io::stderr().lock().write_all(masked.as_bytes());
        });
    }
}
