//! The codes with which sockets are closed.

/// Why the server closes a socket. Each variant says whether the stock `graphql-ws` client reconnects after it. Clients of the
/// older protocol always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseCode {
    /// The client ended the connection with `connection_terminate`, in the older protocol.
    Normal,
    /// The client reconnects, to another server.
    Restart,
    /// The client reconnects, and resumes at its cursors.
    TooSlow,
    /// The client reconnects, if it is still there.
    PingTimeout,
    /// The client does not reconnect: it would send the same again.
    InvalidMessage,
    /// The client does not reconnect: it would send the same again.
    MessageTooBig,
    /// The client does not reconnect: it violates the protocol.
    Unauthorized,
    /// The client does not reconnect: it offers no protocol that this server speaks.
    SubprotocolNotAcceptable,
    /// The client reconnects.
    InitTimeout,
    /// The client does not reconnect: it violates the protocol.
    SubscriberExists,
    /// The client does not reconnect: it violates the protocol.
    TooManyInits,
}

impl CloseCode {
    /// Code and reason of the close frame. A reason may have at most 123 bytes.
    pub(super) const fn frame(self) -> (u16, &'static str) {
        match self {
            Self::Normal => (1000, "Connection terminated"),
            Self::Restart => (1012, "Service restart"),
            Self::TooSlow => (1013, "Too slow, connect again and resume"),
            Self::PingTimeout => (4499, "No answer to pings"),
            Self::InvalidMessage => (4400, "Invalid message"),
            Self::MessageTooBig => (1009, "Message too big"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::SubprotocolNotAcceptable => (4406, "Subprotocol not acceptable"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::SubscriberExists => (4409, "Subscriber already exists"),
            Self::TooManyInits => (4429, "Too many initialisation requests"),
        }
    }
}
