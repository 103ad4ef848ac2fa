//! XMPP over WebSocket as a browser speaks it (RFC 6455, RFC 7395): one text frame a stanza.

use jitctl_transport::Stream;
use jitctl_wire::Element;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::web::{Until, exchange, status_line};

/// Longest message that is read.
const LIMIT: u64 = 1 << 20;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open WebSocket.
pub(super) struct Socket<S> {
    stream: S,
}

impl<S: Stream> Socket<S> {
    /// Shakes hands on a connection to the site's web server.
    pub(super) async fn open(mut stream: S, domain: &str) -> Result<Self, String> {
        let request = format!(
            "GET /xmpp-websocket HTTP/1.1\r\nHost: {domain}\r\nUser-Agent: jitctl-doctor\r\n\
             Origin: https://{domain}\r\n{}\r\n",
            super::web::WEBSOCKET
        );
        let head = exchange(&mut stream, request.as_bytes(), Until::EndOfHead).await?;
        match status_line(&head)? {
            101 => Ok(Self { stream }),
            other => Err(format!("the WebSocket answered {other}")),
        }
    }

    pub(super) async fn send(&mut self, stanza: &str) -> Result<(), String> {
        self.frame(TEXT, stanza.as_bytes()).await
    }

    /// The next stanza.
    pub(super) async fn receive(&mut self) -> Result<Element, String> {
        loop {
            let (kind, payload) = self.read_frame().await?;
            match kind {
                TEXT => {
                    let text = String::from_utf8_lossy(&payload);
                    return Element::parse(&text).map_err(|error| format!("not XMPP: {error}"));
                }
                PING => self.frame(PONG, &payload).await?,
                CLOSE => return Err("the server closed the WebSocket".to_owned()),
                _ => {}
            }
        }
    }

    /// A frame of a client: masked, as RFC 6455 5.3 wants it. The mask protects proxies from
    /// scripts in pages, of which there are none here.
    async fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), String> {
        let mut frame = vec![0x80 | kind];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short), _) if short < 126 => frame.push(0x80 | short),
            (_, Ok(long)) => {
                frame.push(0x80 | 0x7e);
                frame.extend(long.to_be_bytes());
            }
            _ => return Err("the message is too long".to_owned()),
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        let failed = |error: std::io::Error| format!("the connection broke: {error}");
        self.stream.write_all(&frame).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)
    }

    async fn read_frame(&mut self) -> Result<(u8, Vec<u8>), String> {
        let failed = |error: std::io::Error| format!("the connection broke: {error}");
        let [first, second] = self.bytes::<2>().await?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes().await?)),
            127 => u64::from_be_bytes(self.bytes().await?),
            short => u64::from(short),
        };
        if length > LIMIT || second & 0x80 != 0 || first & 0x80 == 0 {
            return Err("the WebSocket carries something odd".to_owned());
        }
        let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
        self.stream.read_exact(&mut payload).await.map_err(failed)?;
        Ok((first & 0x0f, payload))
    }

    async fn bytes<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], String> {
        let mut bytes = [0; COUNT];
        let read = self.stream.read_exact(&mut bytes).await;
        read.map_err(|error| format!("the connection broke: {error}"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stanzas_are_framed_both_ways_and_pings_answered() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let mut socket = Socket { stream: ours };
        socket.send("<a/>").await.unwrap();
        let mut frame = [0; 10];
        theirs.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame, b"\x81\x84\0\0\0\0<a/>");
        theirs.write_all(b"\x89\x01x\x81\x04<b/>").await.unwrap();
        assert_eq!(socket.receive().await.unwrap().name(), "b");
        let mut pong = [0; 7];
        theirs.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\x8a\x81\0\0\0\0x");
        theirs.write_all(b"\x88\x00").await.unwrap();
        assert!(socket.receive().await.is_err());
    }
}
