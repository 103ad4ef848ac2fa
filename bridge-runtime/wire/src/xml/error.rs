//! Why bytes are not acceptable XML.

/// Why bytes are not acceptable XML (RFC 6120 4.9.3 and 11).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// One stanza is larger than the limit.
    #[error("stanza is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Elements are nested deeper than the limit.
    #[error("elements are nested deeper than {limit}")]
    TooDeep {
        /// The limit, in levels.
        limit: usize,
    },
    /// An element carries more attributes than the limit.
    #[error("<{element}> carries more than {limit} attributes")]
    TooManyAttributes {
        /// Name of the element.
        element: String,
        /// The limit.
        limit: usize,
    },
    /// A comment, processing instruction or document type.
    #[error("{what} is not allowed in XMPP")]
    Restricted {
        /// What was found.
        what: &'static str,
    },
    /// A prefix without a declaration.
    #[error("prefix `{prefix}` is not declared")]
    UndeclaredPrefix {
        /// The prefix.
        prefix: String,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Anything else that is not well-formed.
    #[error("not well-formed: {reason}")]
    NotWellFormed {
        /// What is wrong.
        reason: String,
    },
    /// The document ends inside an element.
    #[error("the document ends inside <{element}>")]
    Unfinished {
        /// The innermost open element, or empty.
        element: String,
    },
}

impl XmlError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::NotWellFormed {
            reason: reason.into(),
        }
    }
}
