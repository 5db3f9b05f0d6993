//! The tokens of a document, counted before the parser sees it, after the GraphQL specification of September 2025, section 2
//! (<https://spec.graphql.org/September2025/#sec-Language.Source-Text>).
//!
//! It takes every document of the specification and some that are none, which the parser refuses. What matters is that both
//! agree where strings and comments end: then the parser nests no deeper than what was counted here.

use async_graphql::Pos;

use crate::graphql::document::{Limits, Refusal};

/// Checks size, tokens, names and nesting; returns the number of tokens.
pub(super) fn check(text: &str, limits: &Limits) -> Result<usize, Refusal> {
    if text.len() > limits.bytes {
        return Err(Refusal::DocumentTooLarge { limit: limits.bytes });
    }
    let mut lexer = Lexer { text, at: 0 };
    let (mut tokens, mut nesting) = (0, 0_usize);
    while let Some(token) = lexer.next()? {
        tokens += 1;
        if tokens > limits.tokens {
            return Err(Refusal::TooManyTokens { limit: limits.tokens });
        }
        match token {
            Token::Name(length) if length > limits.name => return Err(Refusal::NameTooLong { limit: limits.name }),
            Token::Opening if nesting == limits.nesting => {
                return Err(Refusal::NestedTooDeep { limit: limits.nesting });
            }
            Token::Opening => nesting += 1,
            Token::Closing => {
                nesting = nesting.checked_sub(1).ok_or_else(|| lexer.problem("nothing is open that this closes"))?;
            }
            Token::Name(_) | Token::Other => {}
        }
    }
    Ok(tokens)
}

enum Token {
    /// With its length.
    Name(usize),
    /// `(`, `[` or `{`.
    Opening,
    /// `)`, `]` or `}`.
    Closing,
    /// A number, a string or any other punctuator.
    Other,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
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
    fn next(&mut self) -> Result<Option<Token>, Refusal> {
        self.skip_ignored();
        let Some(byte) = self.peek() else { return Ok(None) };
        let token = match byte {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                return Ok(Some(Token::Name(self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric()))));
            }
            b'-' | b'0'..=b'9' => {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-'));
                return Ok(Some(Token::Other));
            }
            b'"' if self.rest().starts_with(br#"""""#) => return self.block_string().map(Some),
            b'"' => return self.string().map(Some),
            b'(' | b'[' | b'{' => Token::Opening,
            b')' | b']' | b'}' => Token::Closing,
            b'.' if self.rest().starts_with(b"...") => {
                self.at += 2;
                Token::Other
            }
            b'!' | b'$' | b'&' | b':' | b'=' | b'@' | b'|' => Token::Other,
            _ => return Err(self.problem("no token begins like this")),
        };
        self.at += 1;
        Ok(Some(token))
    }

    /// White space, line ends, commas, byte order marks and comments.
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

    fn string(&mut self) -> Result<Token, Refusal> {
        let start = self.at;
        self.at += 1;
        loop {
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\' | b'\n' | b'\r'));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Token::Other);
                }
                // Whatever is escaped here does not end the string; whether it may be is up to the parser.
                Some(b'\\') if !matches!(self.rest().get(1), None | Some(b'\n' | b'\r')) => self.at += 2,
                _ => {
                    self.at = start;
                    return Err(self.problem("a string does not end"));
                }
            }
        }
    }

    fn block_string(&mut self) -> Result<Token, Refusal> {
        let start = self.at;
        self.at += 3;
        loop {
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\'));
            if self.rest().starts_with(br#"""""#) {
                self.at += 3;
                return Ok(Token::Other);
            }
            if self.rest().is_empty() {
                self.at = start;
                return Err(self.problem("a block string does not end"));
            }
            self.at += if self.rest().starts_with(br#"\""""#) { 4 } else { 1 };
        }
    }

    /// What is wrong here. Places are only looked up for who gets to see them.
    fn problem(&self, problem: &str) -> Refusal {
        let before = self.text.as_bytes()[..self.at].iter().filter(|byte| !is_continuation(**byte));
        let (line, column) = before.fold((1, 1), |(line, column), byte| match byte {
            b'\n' => (line + 1, 1),
            _ => (line, column + 1),
        });
        Refusal::Syntax { at: Pos { line, column }, problem: problem.to_owned() }
    }
}

/// Whether a byte is not the first of its character.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::document::tests::LIMITS;

    fn tokens(text: &str) -> Option<usize> {
        check(text, &LIMITS).ok()
    }

    #[test]
    fn every_kind_of_token_is_one() {
        assert_eq!(tokens(""), Some(0));
        assert_eq!(tokens("\u{feff}{ a, b }\r\n"), Some(4));
        assert_eq!(tokens("query Q($a:[Int!]!=[1 -2.5e+3])@d{...on F{x}}#{{{"), Some(27));
        assert_eq!(tokens(r#"a:"x\"\\" b:"" c:"\u{1F600}""#), Some(9));
        assert_eq!(tokens("a:\"\"\"one \" \"\" \\\"\"\" \n {{{ \"\"\" b"), Some(4));
    }

    #[test]
    fn what_opens_in_strings_and_comments_is_not_nesting() {
        let open = "{[(".repeat(100);
        assert_eq!(tokens(&format!("a \"{open}\" \"\"\"{open}\"\"\" #{open}\r b")), Some(4));
        assert_eq!(tokens(&open), None);
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_place() {
        let Err(Refusal::Syntax { at, .. }) = check("{ a\n  é ?", &LIMITS) else { panic!("it was taken") };
        assert_eq!((at.line, at.column), (2, 3));
        for text in ["?", "..", "\"a", "\"a\n\"", "\"a\\", "\"\"\"a\"\"", "}", "\u{0}", "{ \u{a0} }"] {
            assert!(matches!(check(text, &LIMITS), Err(Refusal::Syntax { .. })), "{text:?} was taken");
        }
    }
}
