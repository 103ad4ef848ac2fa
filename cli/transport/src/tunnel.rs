//! A byte stream that starts at a host: what a probe from there would see.
//!
//! Over `ssh` this is one forwarded connection of the master (RFC 4254 7.2): nothing needs to be
//! installed on the host. A connection that the host cannot make ends at once without a byte; one
//! that a packet filter swallows stays silent.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::remote::RemoteError;

/// Both directions of a stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open stream.
pub struct Tunnel(Box<dyn Stream>);

impl Tunnel {
    /// Wraps a stream.
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self(Box::new(stream))
    }

    /// The stream itself.
    pub fn into_inner(self) -> Box<dyn Stream> {
        self.0
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

/// A future of an opening tunnel.
pub type TunnelFuture<'a> = Pin<Box<dyn Future<Output = Result<Tunnel, RemoteError>> + Send + 'a>>;
