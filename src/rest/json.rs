//! A JSON parser that accepts what Python's `json` accepts, and reports errors at the same offsets.
//!
//! It finds the fields of the outermost object and leaves their values unparsed, so unknown fields may have any value with valid
//! syntax. Beyond the JSON standard, it accepts `NaN`, `Infinity` and `-Infinity` as numbers, and unpaired surrogates in strings.

use std::ops::Range;

use crate::rest::encoding::CodePoint;

/// Maximum depth of nested objects and arrays. Python's limit is about the same.
const NESTING_MAX: usize = 950;

/// A parsed document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document<'a> {
    Null,
    /// The fields of an object in their order, without those whose names have an unpaired surrogate.
    Object(Vec<(String, RawValue<'a>)>),
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

/// The error of a string with an unpaired surrogate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HalfSurrogatePair;

/// An unparsed value with valid syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawValue<'a>(&'a [CodePoint]);

impl<'a> RawValue<'a> {
    /// A value whose syntax has been checked.
    #[cfg(test)]
    pub(super) const fn new(text: &'a [CodePoint]) -> Self {
        Self(text)
    }

    pub(super) fn is_string(self) -> bool {
        self.0.first() == Some(&QUOTE)
    }

    pub(super) fn is_null(self) -> bool {
        self.0.first() == Some(&CodePoint::from('n'))
    }

    /// The text of a number, boolean or null.
    pub(super) fn literal(self) -> String {
        self.0.iter().filter_map(|point| char::from_u32(*point)).collect()
    }

    pub(super) fn is_array_or_object(self) -> bool {
        matches!(self.0.first(), Some(&OPEN_ARRAY | &OPEN_OBJECT))
    }

    /// The content of a string, with escapes resolved.
    pub(super) fn text(self) -> Result<String, HalfSurrogatePair> {
        let mut points = self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default().iter().copied();
        let mut text = String::with_capacity(points.len());
        while let Some(point) = points.next() {
            let point = if point == BACKSLASH { unescape(&mut points) } else { Some(point) };
            text.push(point.and_then(char::from_u32).ok_or(HalfSurrogatePair)?);
        }
        Ok(text)
    }
}

/// Resolves the escape after a backslash, and the second half of a surrogate pair if it is escaped, too. The syntax has been
/// checked.
fn unescape(points: &mut (impl Iterator<Item = CodePoint> + Clone)) -> Option<CodePoint> {
    Some(match char::from_u32(points.next()?)? {
        'b' => 0x8,
        'f' => 0xc,
        'n' => 0xa,
        'r' => 0xd,
        't' => 0x9,
        'u' => {
            let unit = hex_unit(points)?;
            let mut ahead = points.clone();
            let is_escape = |points: &mut dyn Iterator<Item = CodePoint>| {
                points.next() == Some(BACKSLASH) && points.next() == Some(CodePoint::from('u'))
            };
            match unit {
                0xd800..0xdc00 if is_escape(&mut ahead) => match hex_unit(&mut ahead)? {
                    low @ 0xdc00..0xe000 => {
                        *points = ahead;
                        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    _ => unit,
                },
                unit => unit,
            }
        }
        other => other.into(),
    })
}

fn hex_unit(points: &mut impl Iterator<Item = CodePoint>) -> Option<CodePoint> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | char::from_u32(points.next()?)?.to_digit(16)?))
}

const QUOTE: CodePoint = '"' as CodePoint;
const BACKSLASH: CodePoint = '\\' as CodePoint;
const OPEN_OBJECT: CodePoint = '{' as CodePoint;
const CLOSE_OBJECT: CodePoint = '}' as CodePoint;
const OPEN_ARRAY: CodePoint = '[' as CodePoint;
const CLOSE_ARRAY: CodePoint = ']' as CodePoint;
const COMMA: CodePoint = ',' as CodePoint;
const COLON: CodePoint = ':' as CodePoint;

/// Keywords that are values.
const KEYWORDS: [&str; 6] = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];

/// Parses a whole text.
pub(super) fn parse(text: &[CodePoint]) -> Result<Document<'_>, JsonError> {
    let mut parser = Parser { text, at: 0, open: Vec::new(), fields: Vec::new(), name: 0..0, value_start: 0 };
    parser.skip_space();
    let start = parser.at;
    parser.skip_value()?;
    let end = parser.at;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.syntax_error());
    }
    Ok(match text.get(start) {
        Some(&OPEN_OBJECT) => {
            let field = |(name, value): (Range<usize>, Range<usize>)| {
                Some((RawValue(text.get(name)?).text().ok()?, RawValue(text.get(value)?)))
            };
            Document::Object(parser.fields.into_iter().filter_map(field).collect())
        }
        _ if RawValue(&text[start..end]).is_null() => Document::Null,
        _ => Document::Other,
    })
}

/// The state of the parser. Nesting is a list instead of recursion, so no text can overflow the stack.
struct Parser<'a> {
    text: &'a [CodePoint],
    at: usize,
    /// The closing bracket of each open object and array.
    open: Vec<CodePoint>,
    /// Names and values of the outermost object.
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// The last name in the outermost object.
    name: Range<usize>,
    /// Start of its value.
    value_start: usize,
}

impl Parser<'_> {
    /// Moves past a value and everything inside it.
    fn skip_value(&mut self) -> Result<(), JsonError> {
        loop {
            // A value begins here.
            if self.is_in_outermost_object() {
                self.value_start = self.at;
            }
            match self.peek() {
                Some(OPEN_OBJECT) => {
                    self.enter(CLOSE_OBJECT)?;
                    if self.peek() != Some(CLOSE_OBJECT) {
                        self.skip_name()?;
                        continue;
                    }
                    self.leave();
                }
                Some(OPEN_ARRAY) => {
                    self.enter(CLOSE_ARRAY)?;
                    if self.peek() != Some(CLOSE_ARRAY) {
                        continue;
                    }
                    self.leave();
                }
                _ => self.skip_scalar()?,
            }
            // A value ends here, and perhaps the objects and arrays around it.
            loop {
                if self.is_in_outermost_object() {
                    self.fields.push((self.name.clone(), self.value_start..self.at));
                }
                let Some(end) = self.open.last().copied() else { return Ok(()) };
                self.skip_space();
                match self.peek() {
                    Some(COMMA) => {
                        self.at += 1;
                        self.skip_space();
                        if end == CLOSE_OBJECT {
                            self.skip_name()?;
                        }
                        break;
                    }
                    Some(found) if found == end => self.leave(),
                    _ => return Err(self.syntax_error()),
                }
            }
        }
    }

    fn is_in_outermost_object(&self) -> bool {
        *self.open == [CLOSE_OBJECT]
    }

    fn enter(&mut self, end: CodePoint) -> Result<(), JsonError> {
        if self.open.len() == NESTING_MAX {
            return Err(JsonError::NestedTooDeep);
        }
        self.open.push(end);
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn leave(&mut self) {
        self.open.pop();
        self.at += 1;
    }

    /// Moves past the name of a field, to the start of its value.
    fn skip_name(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() != Some(QUOTE) {
            return Err(self.syntax_error());
        }
        self.skip_string()?;
        if self.is_in_outermost_object() {
            self.name = start..self.at;
        }
        self.skip_space();
        if self.peek() != Some(COLON) {
            return Err(self.syntax_error());
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn skip_scalar(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(QUOTE) {
            return self.skip_string();
        }
        let rest = &self.text[self.at..];
        let is_next = |keyword: &&&str| {
            keyword.len() <= rest.len()
                && keyword.chars().map(CodePoint::from).eq(rest[..keyword.len()].iter().copied())
        };
        match KEYWORDS.iter().find(is_next) {
            Some(keyword) => {
                self.at += keyword.len();
                Ok(())
            }
            None => self.skip_number(),
        }
    }

    fn skip_number(&mut self) -> Result<(), JsonError> {
        let mut end = self.at;
        end += usize::from(self.is_at(end, "-"));
        end = match self.digits_from(end) {
            none if none == end => return Err(self.syntax_error()),
            // A number that begins with zero has no further digits.
            _ if self.is_at(end, "0") => end + 1,
            digits => digits,
        };
        if self.is_at(end, ".") {
            let digits = self.digits_from(end + 1);
            end = if digits > end + 1 { digits } else { end };
        }
        if self.is_at(end, "eE") {
            let start = end + 1 + usize::from(self.is_at(end + 1, "+-"));
            let digits = self.digits_from(start);
            end = if digits > start { digits } else { end };
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
                Some(&QUOTE) => {
                    self.at = at + 1;
                    return Ok(());
                }
                Some(0..=0x1f) => return Err(JsonError::Syntax(at)),
                Some(&BACKSLASH) if at + 1 == self.text.len() => return Err(JsonError::Syntax(start)),
                Some(&BACKSLASH) if self.is_at(at + 1, "u") => {
                    let has_digits = (2..6).all(|offset| self.is_at(at + offset, "0123456789abcdefABCDEF"));
                    if !has_digits || at + 6 == self.text.len() {
                        return Err(JsonError::Syntax(at + 1));
                    }
                    at += 6;
                }
                Some(&BACKSLASH) if self.is_at(at + 1, "\"\\/bfnrt") => at += 2,
                Some(&BACKSLASH) => return Err(JsonError::Syntax(at)),
                Some(_) => at += 1,
            }
        }
    }

    /// The end of the digits that begin at `start`.
    fn digits_from(&self, start: usize) -> usize {
        let digits = self.text.get(start..).unwrap_or_default();
        start + digits.iter().take_while(|point| char::from_u32(**point).is_some_and(|c| c.is_ascii_digit())).count()
    }

    /// Whether the character at `offset` is one of `characters`.
    fn is_at(&self, offset: usize, characters: &str) -> bool {
        self.text.get(offset).and_then(|point| char::from_u32(*point)).is_some_and(|found| characters.contains(found))
    }

    fn peek(&self) -> Option<CodePoint> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.is_at(self.at, " \t\n\r") {
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

    fn points(text: &str) -> Vec<CodePoint> {
        text.chars().map(CodePoint::from).collect()
    }

    fn error(text: &str) -> Option<JsonError> {
        parse(&points(text)).err()
    }

    proptest! {
        #[test]
        fn parser_accepts_exactly_what_serde_accepts(text in "[\\[\\]{}:,\"\\\\ntrue0-9eE.+\\- ]{0,24}") {
            prop_assert_eq!(error(&text).is_none(), serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
        }

        #[test]
        fn string_round_trips(text: String) {
            let json = points(&serde_json::to_string(&text).expect("JSON"));
            prop_assert_eq!(parse(&json), Ok(Document::Other));
            prop_assert_eq!(RawValue(&json).text(), Ok(text));
        }

        #[test]
        fn parser_never_panics(points: Vec<u32>, text: String) {
            let _ = parse(&points);
            let _ = error(&text);
        }
    }

    #[test]
    fn fields_of_the_outermost_object_are_found_unparsed() {
        let text =
            points(r#" { "a" : 1.50 , "\u0062":"x\ud83e\udd80", "c":{"a":[{"b":2}]}, "d":[],"a":NaN, "\ud800":1 } "#);
        let Ok(Document::Object(fields)) = parse(&text) else { panic!("{:?}", parse(&text)) };
        let found: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.literal())).collect();
        let expected =
            [("a", "1.50"), ("b", r#""x\ud83e\udd80""#), ("c", r#"{"a":[{"b":2}]}"#), ("d", "[]"), ("a", "NaN")];
        assert_eq!(found, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(fields[1].1.text(), Ok("x🦀".to_owned()));
    }

    #[test]
    fn string_with_an_unpaired_surrogate_is_no_text() {
        for text in [r#""\ud800""#, r#""\ud83e\ud83e""#, r#""\udd80\ud83e""#, r#""\ud83ex""#, r#""\ud83e\n""#] {
            assert_eq!(RawValue(&points(text)).text(), Err(HalfSurrogatePair), "{text}");
        }
        assert_eq!(RawValue(&[QUOTE, 0xd83e, QUOTE]).text(), Err(HalfSurrogatePair));
    }

    #[test]
    fn nesting_is_limited_and_cannot_overflow_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(error(&nested(NESTING_MAX)), None);
        assert_eq!(error(&nested(NESTING_MAX + 1)), Some(JsonError::NestedTooDeep));
        assert_eq!(error(&"{\"a\":".repeat(1_000_000)), Some(JsonError::NestedTooDeep));
    }
}
