//! A WebSocket that is asked now and then, and a request over plain HTTP.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::Failure;

/// How long servers may think.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client's end.
pub(crate) struct Socket {
    stream: WebSocket<TcpStream>,
    /// What came while something else was waited for.
    passed_over: VecDeque<Message>,
}

impl Socket {
    pub(crate) fn dial(address: &str, path: &str, protocol: &str) -> Result<Self, Failure> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        if !protocol.is_empty() {
            let headers = request.headers_mut();
            headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_str(protocol)?);
        }
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let (stream, _) = client(request, stream).map_err(|error| error.to_string())?;
        stream.get_ref().set_nonblocking(true)?;
        Ok(Self {
            stream,
            passed_over: VecDeque::new(),
        })
    }

    pub(crate) fn send(&mut self, message: Message) -> Result<(), Failure> {
        match self.stream.send(message) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => Ok(other?),
        }
    }

    /// The next message, if one is there.
    pub(crate) fn receive(&mut self) -> Result<Option<Message>, Failure> {
        match self.passed_over.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<Message>, Failure> {
        match self.stream.read() {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the first new message that `pick` takes; the others are received later.
    pub(crate) fn wait_for<Output>(
        &mut self,
        pick: impl Fn(&Message) -> Option<Output>,
    ) -> Result<Output, Failure> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.read()? {
                Some(message) => match pick(&message) {
                    Some(output) => return Ok(output),
                    None => self.passed_over.push_back(message),
                },
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        }
        Err("the server does not answer".into())
    }
}

/// Sends JSON and reads JSON.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    body: &serde_json::Value,
) -> Result<serde_json::Value, Failure> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("{method} {path}: {head}\n{body}").into());
    }
    Ok(serde_json::from_str(body)?)
}
