//! Splits a document into tokens, following section 2 of the GraphQL specification of September 2025
//! (<https://spec.graphql.org/September2025/#sec-Language.Source-Text>). The limits of size and nesting are checked here, before
//! the parser sees the document.

use async_graphql::Pos;

use crate::graphql::execution::document::limits::Limits;
use crate::graphql::execution::document::rejection::Rejection;

/// Splits a text into tokens, and checks its size, names and nesting.
pub(super) fn tokenize<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Token<'a>>, Rejection> {
    if text.len() > limits.bytes {
        return Err(Rejection::DocumentTooLarge { limit: limits.bytes });
    }
    let mut lexer = Lexer { text, at: 0, pos: Pos { line: 1, column: 1 }, pos_at: 0 };
    let (mut tokens, mut nesting) = (Vec::new(), 0_usize);
    while let Some(token) = lexer.next()? {
        if tokens.len() == limits.tokens {
            return Err(Rejection::TooManyTokens { limit: limits.tokens });
        }
        match token.kind {
            Kind::Name if token.text.len() > limits.name => {
                return Err(Rejection::NameTooLong { limit: limits.name });
            }
            Kind::Punctuator(b'(' | b'[' | b'{') if nesting == limits.nesting => {
                return Err(Rejection::NestedTooDeep { limit: limits.nesting });
            }
            Kind::Punctuator(b'(' | b'[' | b'{') => nesting += 1,
            Kind::Punctuator(b')' | b']' | b'}') => {
                nesting = nesting
                    .checked_sub(1)
                    .ok_or_else(|| syntax_error(token.pos, "this bracket closes nothing".to_owned()))?;
            }
            _ => {}
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Int,
    Float,
    /// With its quotes and escapes.
    String,
    /// With its quotes, escapes and indentation.
    BlockString,
    /// One byte; the first of `...` stands for all three.
    Punctuator(u8),
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) pos: Pos,
}

/// A syntax error.
pub(super) fn syntax_error(at: Pos, problem: String) -> Rejection {
    Rejection::Syntax { at, problem }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// The line and column of the last token, and its offset.
    pos: Pos,
    pos_at: usize,
}

impl<'a> Lexer<'a> {
    /// The line and column of the current offset. Lines end with CR LF, LF or CR.
    fn pos(&mut self) -> Pos {
        let bytes = self.text.as_bytes();
        for at in self.pos_at..self.at {
            match bytes[at] {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => self.pos.column += 1,
                b'\n' | b'\r' => self.pos = Pos { line: self.pos.line + 1, column: 1 },
                // Only the first byte of a character counts.
                byte => self.pos.column += usize::from(byte & 0b1100_0000 != 0b1000_0000),
            }
        }
        self.pos_at = self.at;
        self.pos
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn skip_while(&mut self, matches: impl Fn(u8) -> bool) -> usize {
        let length = self.rest().iter().take_while(|byte| matches(**byte)).count();
        self.at += length;
        length
    }

    /// The next token; `None` at the end.
    fn next(&mut self) -> Result<Option<Token<'a>>, Rejection> {
        self.skip_ignored();
        let Some(byte) = self.peek() else { return Ok(None) };
        let start = self.at;
        let pos = self.pos();
        let kind = match byte {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                Kind::Name
            }
            b'-' | b'0'..=b'9' => self.number().ok_or_else(|| syntax_error(pos, "this is not a number".to_owned()))?,
            b'"' if self.rest().starts_with(br#"""""#) => {
                self.block_string().ok_or_else(|| syntax_error(pos, "a block string does not end".to_owned()))?
            }
            b'"' => self.string().ok_or_else(|| syntax_error(pos, "a string does not end".to_owned()))?,
            b'.' if self.rest().starts_with(b"...") => {
                self.at += 3;
                Kind::Punctuator(b'.')
            }
            b'(' | b'[' | b'{' | b')' | b']' | b'}' | b'!' | b'$' | b'&' | b':' | b'=' | b'@' | b'|' => {
                self.at += 1;
                Kind::Punctuator(byte)
            }
            _ => return Err(syntax_error(pos, "unexpected character".to_owned())),
        };
        Ok(Some(Token { kind, text: &self.text[start..self.at], pos }))
    }

    /// Skips white space, line ends, commas, byte order marks and comments.
    fn skip_ignored(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                b'#' => {
                    self.skip_while(|byte| !matches!(byte, b'\n' | b'\r'));
                }
                0xEF if self.rest().starts_with("\u{feff}".as_bytes()) => self.at += 3,
                _ => return,
            }
        }
    }

    /// Reads an integer without leading zeros, with an optional fraction and exponent. No name or number may follow directly.
    fn number(&mut self) -> Option<Kind> {
        let mut kind = Kind::Int;
        self.accept(b"-");
        if !self.accept(b"0") && self.skip_while(|byte| byte.is_ascii_digit()) == 0 {
            return None;
        }
        if self.accept(b".") {
            kind = Kind::Float;
            self.digits()?;
        }
        if self.accept(b"eE") {
            kind = Kind::Float;
            self.accept(b"+-");
            self.digits()?;
        }
        let ends = self.peek().is_none_or(|byte| !(byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric()));
        ends.then_some(kind)
    }

    fn digits(&mut self) -> Option<()> {
        (self.skip_while(|byte| byte.is_ascii_digit()) > 0).then_some(())
    }

    fn accept(&mut self, of: &[u8]) -> bool {
        let accepts = self.peek().is_some_and(|byte| of.contains(&byte));
        self.at += usize::from(accepts);
        accepts
    }

    fn string(&mut self) -> Option<Kind> {
        self.at += 1;
        loop {
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\' | b'\n' | b'\r'));
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Kind::String);
                }
                // An escaped character does not end the string. Whether the escape is valid is checked by `strings`.
                b'\\' if !matches!(self.rest().get(1), None | Some(b'\n' | b'\r')) => self.at += 2,
                _ => return None,
            }
        }
    }

    fn block_string(&mut self) -> Option<Kind> {
        self.at += 3;
        loop {
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\'));
            if self.rest().starts_with(br#"""""#) {
                self.at += 3;
                return Some(Kind::BlockString);
            }
            self.peek()?;
            self.at += if self.rest().starts_with(br#"\""""#) { 4 } else { 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::execution::document::tests::LIMITS;

    fn tokens(text: &str) -> Option<usize> {
        super::tokenize(text, &LIMITS).ok().map(|tokens| tokens.len())
    }

    #[test]
    fn every_kind_of_token_is_read() {
        assert_eq!(tokens(""), Some(0));
        assert_eq!(tokens("\u{feff}{ a, b }\r\n"), Some(4));
        assert_eq!(tokens("query Q($a:[Int!]!=[1 -2.5e+3])@d{...on F{x}}#{{{"), Some(27));
        assert_eq!(tokens(r#"a:"x\"\\" b:"" c:"\u{1F600}""#), Some(9));
        assert_eq!(tokens("a:\"\"\"one \" \"\" \\\"\"\" \n {{{ \"\"\" b"), Some(4));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count_as_nesting() {
        let open = "{[(".repeat(100);
        assert_eq!(tokens(&format!("a \"{open}\" \"\"\"{open}\"\"\" #{open}\r b")), Some(4));
        assert_eq!(tokens(&open), None);
    }

    #[test]
    fn invalid_tokens_are_rejected_with_their_position() {
        let Err(Rejection::Syntax { at, .. }) = super::tokenize("{ a\n  é ?", &LIMITS) else { panic!("it was taken") };
        assert_eq!((at.line, at.column), (2, 3));
        for text in ["?", "..", "\"a", "\"a\n\"", "\"a\\", "\"\"\"a\"\"", "}", "\u{0}", "{ \u{a0} }"] {
            assert!(matches!(super::tokenize(text, &LIMITS), Err(Rejection::Syntax { .. })), "{text:?} was taken");
        }
    }
}
