//! Actions of XEP-0166 and of the sources extension.

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $alias:literal)*;)*) => {
        /// What a `<jingle>` does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// The attribute value.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The action of this name; older spellings are known too.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name $(| $alias)* => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

actions! {
    /// The focus invites.
    SessionInitiate = "session-initiate";
    /// The client accepts.
    SessionAccept = "session-accept";
    /// Either side ends the session.
    SessionTerminate = "session-terminate";
    /// Anything about the session: ICE states and restarts.
    SessionInfo = "session-info";
    /// Trickled candidates or new credentials.
    TransportInfo = "transport-info";
    /// A new transport is offered.
    TransportReplace = "transport-replace";
    /// The new transport is taken.
    TransportAccept = "transport-accept";
    /// The new transport is refused.
    TransportReject = "transport-reject";
    /// Sources appear.
    SourceAdd = "source-add" | "addsource";
    /// Sources go.
    SourceRemove = "source-remove" | "removesource";
    /// Senders or parameters of a content change.
    ContentModify = "content-modify";
    /// A content appears.
    ContentAdd = "content-add";
    /// A content goes.
    ContentRemove = "content-remove";
    /// A content is taken.
    ContentAccept = "content-accept";
    /// A content is refused.
    ContentReject = "content-reject";
    /// Parameters of a description.
    DescriptionInfo = "description-info";
    /// Security preconditions.
    SecurityInfo = "security-info";
}
