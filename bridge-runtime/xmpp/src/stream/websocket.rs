//! The client's end of a WebSocket, without I/O (RFC 6455), as XMPP uses it (RFC 7395).
//!
//! Bytes from inside TLS go in, whole text messages come out; frames to send are built masked as
//! the RFC wants of clients. Not done here: compression and binary messages, which XMPP never
//! sends. A peer can make us hold at most one message of `maximum` bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// What every server must mix into its answer (RFC 6455 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest head of an HTTP answer.
const MAXIMUM_HEAD: usize = 16 * 1024;

/// Bit of the second byte: the payload is masked.
const MASKED: u8 = 0x80;
/// Lengths that say that two or eight bytes of length follow.
const MEDIUM: u8 = 126;
const LONG: u8 = 127;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The server switched protocols.
    Opened,
    /// A whole message.
    Text(String),
    /// Asks for a pong with the same bytes.
    Ping(Vec<u8>),
    /// The server closes.
    Closed,
}

/// One connection.
#[derive(Debug)]
pub(super) struct WebSocket {
    path: String,
    key: String,
    open: bool,
    buffer: Vec<u8>,
    message: Vec<u8>,
    maximum: usize,
}

impl WebSocket {
    /// A connection to be opened at `path`; `nonce` must be fresh.
    pub(super) fn new(path: &str, nonce: [u8; 16], maximum: usize) -> Self {
        Self {
            path: path.to_owned(),
            key: STANDARD.encode(nonce),
            open: false,
            buffer: Vec::new(),
            message: Vec::new(),
            maximum,
        }
    }

    /// The HTTP request that opens it.
    pub(super) fn request(&self, host: &str) -> Vec<u8> {
        format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Origin: https://{host}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n",
            self.path, self.key
        )
        .into_bytes()
    }

    /// Takes bytes as they arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is complete.
    ///
    /// # Errors
    /// What is wrong, in words; the connection is of no further use.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, String> {
        if !self.open {
            return self.next_head();
        }
        while let Some((header, opcode, payload)) = self.next_frame()? {
            match opcode {
                TEXT | CONTINUATION => {
                    if (opcode == TEXT) != self.message.is_empty() && !payload.is_empty() {
                        return Err(String::from("fragments of a message out of order"));
                    }
                    if self.message.len() + payload.len() > self.maximum {
                        return Err(format!("a message of more than {} bytes", self.maximum));
                    }
                    self.message.extend_from_slice(&payload);
                    if header & 0x80 != 0 {
                        let text = String::from_utf8(std::mem::take(&mut self.message))
                            .map_err(|_| String::from("a message that is not UTF-8"))?;
                        return Ok(Some(Incoming::Text(text)));
                    }
                }
                CLOSE => return Ok(Some(Incoming::Closed)),
                PING => return Ok(Some(Incoming::Ping(payload))),
                PONG => {}
                other => return Err(format!("a frame of unknown kind {other}")),
            }
        }
        Ok(None)
    }

    fn next_head(&mut self) -> Result<Option<Incoming>, String> {
        let Some(end) = self
            .buffer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        else {
            if self.buffer.len() > MAXIMUM_HEAD {
                return Err(String::from("the answer is no HTTP"));
            }
            return Ok(None);
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("101") {
            return Err(format!(
                "`{}` answered `{}` instead of switching to WebSocket",
                self.path,
                status.chars().take(80).collect::<String>()
            ));
        }
        let value = |name: &str| {
            lines.clone().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let expected = STANDARD.encode(Sha1::digest(format!("{}{MAGIC}", self.key)));
        if value("sec-websocket-accept") != Some(expected.as_str()) {
            return Err(String::from("the answer was not made for this request"));
        }
        if value("sec-websocket-protocol") != Some("xmpp") {
            return Err(format!("`{}` does not speak XMPP", self.path));
        }
        self.open = true;
        Ok(Some(Incoming::Opened))
    }

    /// First byte, opcode and payload of the next whole frame (RFC 6455 5.2).
    fn next_frame(&mut self) -> Result<Option<(u8, u8, Vec<u8>)>, String> {
        let &[header, short, ..] = self.buffer.as_slice() else {
            return Ok(None);
        };
        if header & 0x70 != 0 || short & 0x80 != 0 {
            return Err(String::from("a frame with bits that were not agreed on"));
        }
        let extended = match short {
            MEDIUM => 2,
            LONG => 8,
            _ => 0,
        };
        let Some(digits) = self.buffer.get(2..2 + extended) else {
            return Ok(None);
        };
        let length = match extended {
            0 => u64::from(short),
            _ => digits
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.maximum)
            .ok_or_else(|| format!("a frame of more than {} bytes", self.maximum))?;
        let start = 2 + extended;
        let Some(payload) = self.buffer.get(start..start + length) else {
            return Ok(None);
        };
        let payload = payload.to_vec();
        self.buffer.drain(..start + length);
        Ok(Some((header, header & 0x0f, payload)))
    }
}

/// A text message in one frame.
pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, payload.as_bytes())
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, payload)
}

/// The frame that closes the connection, with status 1000.
pub(super) fn close() -> Vec<u8> {
    frame(CLOSE, &1000u16.to_be_bytes())
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    // The mask keeps scripts of web pages from forging requests to proxies (RFC 6455 10.3). What
    // we send is inside TLS and ours, so that a mask of zeros would do when there is no randomness.
    let mut mask = [0u8; 4];
    let _ = getrandom::fill(&mut mask);
    let mut bytes = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => bytes.push(MASKED | length),
        (_, Ok(length)) => {
            bytes.push(MASKED | MEDIUM);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | LONG);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accept(key: &str) -> String {
        STANDARD.encode(Sha1::digest(format!("{key}{MAGIC}")))
    }

    fn opened() -> WebSocket {
        let mut socket = WebSocket::new("/xmpp-websocket", [7; 16], 1 << 20);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {}\r\n\
             Sec-WebSocket-Protocol: xmpp\r\n\r\n",
            accept(&socket.key)
        );
        socket.push(answer.as_bytes());
        assert_eq!(socket.next(), Ok(Some(Incoming::Opened)));
        socket
    }

    /// As a server sends: without a mask.
    fn unmasked(header: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![header];
        match payload.len() {
            length @ 0..126 => bytes.push(u8::try_from(length).unwrap()),
            length => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_accept_value_is_that_of_the_example_in_the_rfc() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn another_answer_than_101_is_named() {
        let mut socket = WebSocket::new("/xmpp-websocket", [0; 16], 100);
        socket.push(b"HTTP/1.1 404 Not Found\r\n\r\n");
        let error = socket.next().unwrap_err();
        assert!(error.contains("404 Not Found"), "{error}");
    }

    #[test]
    fn fragments_make_one_message_and_a_ping_may_come_between() {
        let mut socket = opened();
        socket.push(&unmasked(0x01, b"<a"));
        socket.push(&unmasked(0x89, b"?"));
        socket.push(&unmasked(0x80, b"/>"));
        assert_eq!(socket.next(), Ok(Some(Incoming::Ping(b"?".to_vec()))));
        assert_eq!(
            socket.next(),
            Ok(Some(Incoming::Text(String::from("<a/>"))))
        );
        socket.push(&unmasked(0x88, &[]));
        assert_eq!(socket.next(), Ok(Some(Incoming::Closed)));
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_is_held() {
        let mut socket = opened();
        socket.maximum = 10;
        socket.push(&[0x81, 127, 0, 0, 0, 0, 0x10, 0, 0, 0]);
        assert!(socket.next().is_err());
    }

    proptest! {
        #[test]
        fn whatever_arrives_it_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut socket = opened();
            socket.push(&bytes);
            while let Ok(Some(_)) = socket.next() {}
        }

        #[test]
        fn what_we_send_reads_back(payload in "\\PC{0,300}") {
            let mut bytes = text(&payload);
            // Take the mask off, as a server does.
            let start = if payload.len() < 126 { 2 } else { 4 };
            let mask: Vec<u8> = bytes.drain(start..start + 4).collect();
            bytes[1] &= 0x7f;
            for (byte, mask) in bytes[start..].iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
            let mut socket = opened();
            socket.push(&bytes);
            prop_assert_eq!(socket.next(), Ok(Some(Incoming::Text(payload))));
        }
    }
}
