//! Parses and writes WebSocket frames (RFC 6455) for a server, without extensions.

use crate::graphql::transport::ws::close_code::CloseCode;

/// Maximum bytes of a message from a client.
const MAX_MESSAGE_SIZE: usize = 64 * 1024;

/// Maximum bytes of the payload of a control frame.
const MAX_CONTROL_SIZE: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// With the payload of the close frame, which the server echoes.
    Close(Vec<u8>),
}

/// Parses the frames of a client. Holds no memory between messages.
#[derive(Default)]
pub(super) struct Parser {
    /// Bytes that were received but not parsed yet.
    received: Vec<u8>,
    /// The payload received so far of a text in several frames.
    text: Option<Vec<u8>>,
}

/// The head of a frame. `size` counts the bytes of the head alone.
struct Head {
    is_final: bool,
    opcode: u8,
    mask: [u8; 4],
    size: usize,
    payload_size: usize,
}

impl Parser {
    /// Adds bytes that were received.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next message, once it is complete. The socket must be closed after an error.
    pub(super) fn next(&mut self) -> Result<Option<Message>, CloseCode> {
        while let Some(head) = self.head()? {
            let end = head.size + head.payload_size;
            if self.received.len() < end {
                break;
            }
            let mut payload = self.received[head.size..end].to_vec();
            unmask(&mut payload, head.mask);
            if self.received.len() == end {
                self.received = Vec::new();
            } else {
                self.received.drain(..end);
            }
            if let Some(message) = self.message(&head, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The head of the next frame, once it has arrived. Rejects a frame that is invalid or too big before its payload arrives.
    fn head(&self) -> Result<Option<Head>, CloseCode> {
        let &[first, second, ref rest @ ..] = &self.received[..] else { return Ok(None) };
        let (is_final, opcode) = (first & FINAL != 0, first & !(FINAL | RESERVED));
        let is_control = matches!(opcode, CLOSE | PING | PONG);
        // A client must mask its frames. Only text messages are accepted, so a continuation always belongs to a text.
        let is_valid = match opcode {
            CLOSE | PING | PONG => is_final,
            TEXT => self.text.is_none(),
            CONTINUATION => self.text.is_some(),
            _ => false,
        };
        if !is_valid || first & RESERVED != 0 || second & MASKED == 0 {
            return Err(CloseCode::InvalidMessage);
        }
        let (payload_size, rest) = match (second & !MASKED, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest),
            (126 | 127, _) => return Ok(None),
            (size, rest) => (u64::from(size), rest),
        };
        let payload_size = usize::try_from(payload_size).unwrap_or(usize::MAX);
        if is_control {
            if payload_size > MAX_CONTROL_SIZE {
                return Err(CloseCode::InvalidMessage);
            }
        } else if payload_size > MAX_MESSAGE_SIZE - self.text.as_ref().map_or(0, Vec::len) {
            return Err(CloseCode::MessageTooBig);
        }
        let Some(mask) = rest.first_chunk() else { return Ok(None) };
        let size = self.received.len() - rest.len() + mask.len();
        Ok(Some(Head { is_final, opcode, mask: *mask, size, payload_size }))
    }

    /// The message that a frame completes.
    fn message(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Message>, CloseCode> {
        match head.opcode {
            PING => Ok(Some(Message::Ping(payload))),
            PONG => Ok(Some(Message::Pong)),
            CLOSE => {
                // Either nothing, or a code of two bytes and a reason.
                let is_valid = match &payload[..] {
                    [] => true,
                    [high, low, reason @ ..] => {
                        may_be_sent(u16::from_be_bytes([*high, *low])) && std::str::from_utf8(reason).is_ok()
                    }
                    [_] => false,
                };
                if is_valid { Ok(Some(Message::Close(payload))) } else { Err(CloseCode::InvalidMessage) }
            }
            _ => {
                let text = match self.text.take() {
                    Some(mut text) => {
                        text.extend_from_slice(&payload);
                        text
                    }
                    None => payload,
                };
                if !head.is_final {
                    self.text = Some(text);
                    return Ok(None);
                }
                String::from_utf8(text).map(|text| Some(Message::Text(text))).map_err(|_| CloseCode::InvalidMessage)
            }
        }
    }
}

/// Removes the mask of a payload, or applies it.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    // Whole words, because one byte at a time would take several times as long.
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// Whether a close frame may have this code: section 7.4 of the RFC, and the registry that it founds.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A frame that a server sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum FrameKind {
    /// A whole text.
    Text,
    /// The first part of a text.
    FirstPart,
    /// A part of a text that is neither the first nor the last.
    Part,
    LastPart,
    Ping,
    Pong,
    Close,
}

impl FrameKind {
    const fn first_byte(self) -> u8 {
        match self {
            Self::Text => FINAL | TEXT,
            Self::FirstPart => TEXT,
            Self::Part => CONTINUATION,
            Self::LastPart => FINAL | CONTINUATION,
            Self::Ping => FINAL | PING,
            Self::Pong => FINAL | PONG,
            Self::Close => FINAL | CLOSE,
        }
    }
}

/// Appends a frame to `to`. Its payload is the concatenation of `parts`.
pub(super) fn write(to: &mut Vec<u8>, kind: FrameKind, parts: &[impl AsRef<[u8]>]) {
    let size: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    to.reserve(size + 10);
    to.push(kind.first_byte());
    match size {
        0..126 => to.push(size as u8),
        126..0x1_0000 => {
            to.push(126);
            to.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            to.push(127);
            to.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| to.extend_from_slice(part.as_ref()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame of a client.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(&mut frame, FrameKind::Text, &[payload]);
        frame[0] = first;
        frame[1] |= MASKED;
        let head = frame.len() - payload.len();
        let mask = [0x12, 0x34, 0x56, 0x78];
        let masked: Vec<_> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        frame.truncate(head);
        [frame, mask.to_vec(), masked].concat()
    }

    /// Everything that is parsed from these bytes when they arrive in pieces of this size.
    fn parse(bytes: &[u8], piece: usize) -> Result<Vec<Message>, CloseCode> {
        let (mut parser, mut messages) = (Parser::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            parser.push(piece);
            while let Some(message) = parser.next()? {
                messages.push(message);
            }
        }
        assert_eq!((parser.received.capacity(), parser.text), (0, None), "nothing is held between messages");
        Ok(messages)
    }

    #[test]
    fn parses_messages_however_their_bytes_arrive() {
        let long = "x".repeat(MAX_MESSAGE_SIZE);
        let stream = [
            frame(0x81, b""),
            frame(0x81, "\u{fc}".as_bytes()),
            frame(0x81, "y".repeat(126).as_bytes()),
            frame(0x01, b"in \xc3"),
            frame(0x89, b"ping"),
            frame(0x00, b"\xbc"),
            frame(0x80, b" parts"),
            frame(0x8A, b""),
            frame(0x81, long.as_bytes()),
            // Control frames do not count towards the size of the message that they interrupt.
            frame(0x01, long.as_bytes()),
            frame(0x89, b"in between"),
            frame(0x80, b""),
            frame(0x88, b""),
            frame(0x88, b"\x03\xe8bye"),
        ]
        .concat();
        let text = |text: &str| Message::Text(text.to_owned());
        for piece in [1, 2, 7, 1_024, stream.len()] {
            let parsed = parse(&stream, piece).expect("valid frames");
            let expected = [
                text(""),
                text("\u{fc}"),
                text(&"y".repeat(126)),
                Message::Ping(b"ping".to_vec()),
                text("in \u{fc} parts"),
                Message::Pong,
                text(&long),
                Message::Ping(b"in between".to_vec()),
                text(&long),
                Message::Close(vec![]),
                Message::Close(b"\x03\xe8bye".to_vec()),
            ];
            assert!(parsed == expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn rejects_what_the_protocol_forbids() {
        let long = vec![b'x'; MAX_MESSAGE_SIZE];
        for (bytes, code) in [
            (vec![0x81, 0x00], CloseCode::InvalidMessage),
            (frame(0xC1, b"compressed"), CloseCode::InvalidMessage),
            (frame(0x83, b"unknown"), CloseCode::InvalidMessage),
            (frame(0x82, b"binary"), CloseCode::InvalidMessage),
            (frame(0x81, b"\xff\xfe"), CloseCode::InvalidMessage),
            (frame(0x80, b"nothing to continue"), CloseCode::InvalidMessage),
            ([frame(0x01, b"a"), frame(0x01, b"b")].concat(), CloseCode::InvalidMessage),
            (frame(0x09, b"a ping in parts"), CloseCode::InvalidMessage),
            (frame(0x89, &[0; 126]), CloseCode::InvalidMessage),
            (frame(0x88, b"1"), CloseCode::InvalidMessage),
            (frame(0x88, b"\x03\xe8\xff"), CloseCode::InvalidMessage),
            // 1005 means that there was no code, so no frame has it.
            (frame(0x88, b"\x03\xed"), CloseCode::InvalidMessage),
            (frame(0x81, &[&long[..], b"x"].concat())[..10].to_vec(), CloseCode::MessageTooBig),
            ([frame(0x01, &long), frame(0x80, b"x")].concat(), CloseCode::MessageTooBig),
            (vec![0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], CloseCode::MessageTooBig),
        ] {
            let shown = format!("{:?}", &bytes[..bytes.len().min(20)]);
            assert_eq!(parse(&bytes, bytes.len()), Err(code), "{shown}");
        }
    }
}
