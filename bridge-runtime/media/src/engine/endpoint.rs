//! What the engine keeps of one endpoint.

use crate::transport::Transport;

/// Where an endpoint's messages go: the channel that spoke last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActiveChannel {
    None,
    Data,
    Socket,
}

/// A packet that waits in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) offset: u32,
    pub(super) length: u16,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) transport: Transport,
    pub(super) channel: ActiveChannel,
    pub(super) has_socket: bool,
    /// Packets waiting for the next flush, in order.
    pub(super) segments: Vec<Segment>,
    fragments: Vec<String>,
}

impl Endpoint {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            channel: ActiveChannel::None,
            has_socket: false,
            segments: Vec::new(),
            fragments: Vec::new(),
        }
    }

    /// Whether the transport answers to other fragments than at the last call.
    pub(super) fn fragments_changed(&mut self) -> bool {
        if self
            .transport
            .fragments()
            .eq(self.fragments.iter().map(String::as_str))
        {
            return false;
        }
        self.fragments = self.transport.fragments().map(str::to_owned).collect();
        true
    }
}
