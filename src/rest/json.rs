//! A JSON parser that accepts what Python's `json` accepts, and reports errors at the same offsets.
//!
//! It finds the fields of the outermost object and leaves their values unparsed, so unknown fields may have any value with valid
//! syntax. Beyond the JSON standard, it accepts `NaN`, `Infinity` and `-Infinity` as numbers, and unpaired surrogates in strings.

use std::collections::HashMap;

use crate::rest::detail::Problem;

/// Maximum depth of nested objects and arrays. Python's limit is about the same.
const NESTING_MAX: usize = 950;

/// A parsed document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document<'a> {
    Null,
    /// The fields of an object, without those whose names have an unpaired surrogate. If a name occurs twice, its last value.
    Object(HashMap<String, RawValue<'a>>),
    /// An array, string, number or boolean.
    Other,
}

/// Why a text is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonError {
    /// A syntax error at this offset, in characters from 0.
    Syntax(usize),
    NestedTooDeep,
}

/// An unparsed value with valid syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawValue<'a>(pub(super) &'a [u8]);

impl RawValue<'_> {
    pub(super) fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// The content of a string, with escapes resolved.
    pub(super) fn text(self) -> Result<String, Problem> {
        if !self.0.starts_with(b"\"") {
            return Err(Problem::NotString);
        }
        // The syntax has been checked, so only an unpaired surrogate can be wrong.
        serde_json::from_slice(self.0).map_err(|_| Problem::HalfSurrogatePair)
    }
}

/// Parses a whole text in UTF-8, which may contain unpaired surrogates.
pub(super) fn parse(text: &[u8]) -> Result<Document<'_>, JsonError> {
    let mut parser = Parser { text, at: 0 };
    parser.parse_document().map_err(|error| match error {
        JsonError::Syntax(offset) => JsonError::Syntax(count_characters(&text[..offset])),
        JsonError::NestedTooDeep => error,
    })
}

fn count_characters(text: &[u8]) -> usize {
    let is_continuation = |byte: u8| byte & 0xc0 == 0x80;
    text.iter().filter(|byte| !is_continuation(**byte)).count()
}

/// Offsets are in bytes.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn parse_document(&mut self) -> Result<Document<'a>, JsonError> {
        self.skip_space();
        let document = if self.peek() == Some(b'{') {
            let mut fields = HashMap::new();
            self.skip_items(b'}', 1, |parser| {
                let (name, value) = parser.parse_field(1)?;
                // No field that is read has a name with an unpaired surrogate.
                name.text().map(|name| fields.insert(name, value)).ok();
                Ok(())
            })?;
            Document::Object(fields)
        } else if self.parse_value(0)?.is_null() {
            Document::Null
        } else {
            Document::Other
        };
        self.skip_space();
        if self.at < self.text.len() { Err(self.syntax_error()) } else { Ok(document) }
    }

    /// Moves past a value that is inside `depth` objects and arrays.
    fn parse_value(&mut self, depth: usize) -> Result<RawValue<'a>, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.skip_items(b'}', depth + 1, |parser| parser.parse_field(depth + 1).map(drop))?,
            Some(b'[') => self.skip_items(b']', depth + 1, |parser| parser.parse_value(depth + 1).map(drop))?,
            Some(b'"') => self.skip_string()?,
            _ => self.skip_keyword_or_number()?,
        }
        Ok(RawValue(&self.text[start..self.at]))
    }

    /// Moves past a field of an object. Returns its name and value.
    fn parse_field(&mut self, depth: usize) -> Result<(RawValue<'a>, RawValue<'a>), JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.syntax_error());
        }
        self.skip_string()?;
        let name = RawValue(&self.text[start..self.at]);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.syntax_error());
        }
        self.skip_byte_and_space();
        Ok((name, self.parse_value(depth)?))
    }

    /// Moves past an object or array that ends with `end`. `skip_item` moves past one of its items.
    fn skip_items(
        &mut self,
        end: u8,
        depth: usize,
        mut skip_item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if depth > NESTING_MAX {
            return Err(JsonError::NestedTooDeep);
        }
        self.skip_byte_and_space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            skip_item(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.skip_byte_and_space(),
                Some(found) if found == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.syntax_error()),
            }
        }
    }

    fn skip_keyword_or_number(&mut self) -> Result<(), JsonError> {
        const KEYWORDS: [&str; 6] = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];
        let rest = &self.text[self.at..];
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| rest.starts_with(keyword.as_bytes())) {
            self.at += keyword.len();
            return Ok(());
        }
        let start = self.at + usize::from(self.is_at(self.at, b"-"));
        let mut end = self.digits_from(start);
        if end == start {
            return Err(self.syntax_error());
        }
        if self.is_at(start, b"0") {
            // A number that begins with zero has no further digits.
            end = start + 1;
        }
        // The fraction and the exponent. Without digits they do not belong to the number.
        for (mark, signs) in [(&b"."[..], &b""[..]), (b"eE", b"+-")] {
            if self.is_at(end, mark) {
                let start = end + 1 + usize::from(self.is_at(end + 1, signs));
                let digits = self.digits_from(start);
                end = if digits > start { digits } else { end };
            }
        }
        self.at = end;
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                None => return Err(JsonError::Syntax(start)),
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(());
                }
                Some(0..=0x1f) => return Err(JsonError::Syntax(at)),
                Some(b'\\') if at + 1 == self.text.len() => return Err(JsonError::Syntax(start)),
                Some(b'\\') if self.is_at(at + 1, b"u") => {
                    let has_digits = (2..6).all(|offset| self.is_at(at + offset, b"0123456789abcdefABCDEF"));
                    if !has_digits || at + 6 == self.text.len() {
                        return Err(JsonError::Syntax(at + 1));
                    }
                    at += 6;
                }
                Some(b'\\') if self.is_at(at + 1, b"\"\\/bfnrt") => at += 2,
                Some(b'\\') => return Err(JsonError::Syntax(at)),
                Some(_) => at += 1,
            }
        }
    }

    /// The end of the digits that begin at `start`.
    fn digits_from(&self, start: usize) -> usize {
        let digits = self.text.get(start..).unwrap_or_default();
        start + digits.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Whether the byte at `offset` is one of `bytes`.
    fn is_at(&self, offset: usize, bytes: &[u8]) -> bool {
        self.text.get(offset).is_some_and(|found| bytes.contains(found))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_byte_and_space(&mut self) {
        self.at += 1;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        while self.is_at(self.at, b" \t\n\r") {
            self.at += 1;
        }
    }

    fn syntax_error(&self) -> JsonError {
        JsonError::Syntax(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> Option<JsonError> {
        parse(text.as_bytes()).err()
    }

    proptest! {
        #[test]
        fn parser_accepts_exactly_what_serde_accepts(text in "[\\[\\]{}:,\"\\\\ntrue0-9eE.+\\- ]{0,24}") {
            prop_assert_eq!(error(&text).is_none(), serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
        }
    }

    #[test]
    fn fields_of_the_outermost_object_are_found_unparsed() {
        let text = r#" { "a" : 1.50 , "\u0062":"x\ud83e\udd80", "c":{"a":[{"b":2}]}, "d":[],"a":NaN, "\ud800":1 } "#;
        let expected = [("a", "NaN"), ("b", r#""x\ud83e\udd80""#), ("c", r#"{"a":[{"b":2}]}"#), ("d", "[]")];
        let expected = expected.map(|(name, value)| (name.to_owned(), RawValue(value.as_bytes())));
        assert_eq!(parse(text.as_bytes()), Ok(Document::Object(expected.into())));
        assert_eq!(RawValue(br#""x\ud83e\udd80""#).text(), Ok("x🦀".to_owned()));
    }

    #[test]
    fn nesting_is_limited_and_cannot_overflow_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(error(&nested(NESTING_MAX)), None);
        assert_eq!(error(&nested(NESTING_MAX + 1)), Some(JsonError::NestedTooDeep));
        assert_eq!(error(&"{\"a\":".repeat(1_000_000)), Some(JsonError::NestedTooDeep));
    }
}
