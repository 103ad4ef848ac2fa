//! Fetching one file from a package server, or from the outer machine's own proxy.
//!
//! Each file comes on a connection of its own.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::chunks::Chunks;
use super::read_head;
use super::request::{ResponseHead, Target};
use super::store::Entry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pages that explain an error are short.
const LONGEST_OTHER: u64 = 1 << 20;

/// What came of a fetch.
#[derive(Debug)]
pub(super) enum Answer {
    /// The file is in the store now.
    Stored,
    /// The file in the store is still the server's.
    Unchanged,
    /// The server said something else: to be passed on.
    Other(Other),
}

/// An answer without a file, such as a redirection or "not found".
#[derive(Debug)]
pub(super) struct Other {
    head: ResponseHead,
    body: Vec<u8>,
}

pub(super) fn fetch(
    target: &Target,
    chained_proxy: Option<&str>,
    entry: &Entry,
) -> io::Result<Answer> {
    let server = format!("{}:{}", target.host, target.port);
    let stream = connect(chained_proxy.unwrap_or(&server))?;
    let path = if chained_proxy.is_some() {
        target.uri()
    } else {
        target.path.clone()
    };
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: jitctl-lab\r\nConnection: close\r\n",
        target.host
    );
    if let Some(time) = entry.last_modified() {
        request.push_str("If-Modified-Since: ");
        request.push_str(time.trim());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    (&stream).write_all(request.as_bytes())?;

    let mut reader = BufReader::new(&stream);
    let head = read_head(&mut reader)?.ok_or_else(|| io::Error::other("no answer"))?;
    let head =
        ResponseHead::parse(&head).ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    let length = head
        .field("content-length")
        .and_then(|length| length.parse().ok());
    match head.field("transfer-encoding") {
        None => take_answer(head, length, &mut reader, entry),
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => {
            take_answer(head, None, &mut Chunks::new(reader), entry)
        }
        Some(coding) => Err(io::Error::other(format!("the answer is coded as {coding}"))),
    }
}

fn take_answer(
    head: ResponseHead,
    length: Option<u64>,
    body: &mut impl Read,
    entry: &Entry,
) -> io::Result<Answer> {
    match head.status {
        304 if entry.exists() => Ok(Answer::Unchanged),
        200 => {
            entry.fill(body, length, head.field("last-modified"))?;
            Ok(Answer::Stored)
        }
        500..=599 => Err(io::Error::other(format!(
            "status {} {}",
            head.status, head.reason
        ))),
        _ => {
            let mut text = Vec::new();
            body.take(length.unwrap_or(LONGEST_OTHER).min(LONGEST_OTHER))
                .read_to_end(&mut text)?;
            Ok(Answer::Other(Other { head, body: text }))
        }
    }
}

/// Connects to `host:port` from the network of this thread.
pub(super) fn connect(server: &str) -> io::Result<TcpStream> {
    let mut problem = io::Error::other("the name has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

impl Other {
    pub(super) fn send(&self, client: &TcpStream, with_body: bool) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.head.status, self.head.reason);
        if let Some(location) = self.head.field("location") {
            text.push_str("Location: ");
            text.push_str(location);
            text.push_str("\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n", self.body.len());
        let mut client = client;
        client.write_all(text.as_bytes())?;
        if with_body {
            client.write_all(&self.body)?;
        }
        Ok(())
    }
}
