//! Messages of the bridge channel: one JSON object each, named by its `colibriClass`.
//!
//! Parsing is strict where a peer could do harm (size, nesting, duplicate keys, counts, name
//! lengths) and lenient where clients differ (unknown keys, absent keys). A refused message has
//! a typed reason and no effect. The carrier (data channel or WebSocket) is not known here.

mod json;
mod message;

pub use message::{
    AudioMapping, ChannelMessage, ConstraintsMessage, EndpointMessage, EndpointStats,
    ReceiverAudioSubscription, ReceiverVideoConstraints, VideoMapping,
};

/// Longest message accepted from a peer, in bytes.
pub const MAXIMUM_MESSAGE_LENGTH: usize = 64 * 1024;
/// Most names accepted in one list of a message.
pub const MAXIMUM_NAMES: usize = 1024;
/// Longest name accepted, in bytes.
pub const MAXIMUM_NAME_LENGTH: usize = 255;

/// Why a message was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Longer than [`MAXIMUM_MESSAGE_LENGTH`].
    #[error("bridge-channel message of {length} bytes exceeds {MAXIMUM_MESSAGE_LENGTH}: send less")]
    TooLong {
        /// Length of the message in bytes.
        length: usize,
    },
    /// Not JSON, a duplicate key, too deep, or a field of the wrong type.
    #[error("bridge-channel message is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The class is missing or not known.
    #[error("bridge-channel message class `{class}` is unknown: it was dropped")]
    UnknownClass {
        /// The class named, cut to a printable length.
        class: String,
    },
    /// A list is longer than [`MAXIMUM_NAMES`] or a name longer than [`MAXIMUM_NAME_LENGTH`].
    #[error("bridge-channel message field `{field}` is too large: it was dropped")]
    TooLarge {
        /// Name of the field.
        field: &'static str,
    },
    /// A class that only the bridge may send.
    #[error("bridge-channel message class `{class}` may not come from this peer: it was dropped")]
    WrongDirection {
        /// Name of the class.
        class: &'static str,
    },
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client.
    Client,
    /// Another bridge.
    Relay,
    /// A bridge, seen from a client (load generators, tests).
    Bridge,
}

/// Parses one message sent by `peer`.
pub fn parse(text: &[u8], peer: Peer) -> Result<ChannelMessage, ChannelError> {
    if text.len() > MAXIMUM_MESSAGE_LENGTH {
        return Err(ChannelError::TooLong { length: text.len() });
    }
    let object = json::parse_object(text)?;
    let class = match object.get("colibriClass") {
        Some(serde_json::Value::String(class)) => class.clone(),
        _ => String::new(),
    };
    if !ChannelMessage::CLASSES.contains(&class.as_str()) {
        return Err(ChannelError::UnknownClass {
            class: class.chars().take(64).collect(),
        });
    }
    let message: ChannelMessage = serde_json::from_value(serde_json::Value::Object(object))?;
    message.check_limits()?;
    if !message.may_come_from(peer) {
        return Err(ChannelError::WrongDirection {
            class: message.class(),
        });
    }
    Ok(message)
}

impl ChannelMessage {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        // Serialising these types cannot fail: all map keys are strings.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
