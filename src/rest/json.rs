//! A JSON scanner that takes what Python's `json` takes, and places an error where that does.
//!
//! It finds the fields of the outermost object and leaves their values as they were written: what nobody asks for may hold
//! anything that can be scanned. Beyond the standard, `NaN`, `Infinity` and `-Infinity` are numbers, and half surrogate pairs may
//! stand in strings.

use std::ops::Range;

use crate::rest::encoding::CodePoint;

/// Objects and lists inside of each other, at most. Python gives up at about as many.
const NESTING_MAX: usize = 950;

/// What a text holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document<'a> {
    Null,
    /// The fields of an object in their order, with those whose names are no text left out.
    Object(Vec<(String, Raw<'a>)>),
    /// Anything else.
    Other,
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It stops being JSON at this character, counted from 0.
    Syntax(usize),
    NestedTooDeep,
}

/// A string that holds half a surrogate pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HalfPair;

/// A value as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw<'a>(&'a [CodePoint]);

impl<'a> Raw<'a> {
    /// A value that was scanned.
    #[cfg(test)]
    pub(super) const fn of(text: &'a [CodePoint]) -> Self {
        Self(text)
    }

    pub(super) fn is_string(self) -> bool {
        self.0.first() == Some(&QUOTE)
    }

    pub(super) fn is_null(self) -> bool {
        self.0.first() == Some(&CodePoint::from('n'))
    }

    /// The characters of a value that is no string, list or object.
    pub(super) fn literal(self) -> String {
        self.0.iter().filter_map(|point| char::from_u32(*point)).collect()
    }

    pub(super) fn is_list_or_object(self) -> bool {
        matches!(self.0.first(), Some(&OPEN_LIST | &OPEN_OBJECT))
    }

    /// What a string says.
    pub(super) fn text(self) -> Result<String, HalfPair> {
        let mut points = self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default().iter().copied();
        let mut text = String::with_capacity(points.len());
        while let Some(point) = points.next() {
            let point = if point == BACKSLASH { unescape(&mut points) } else { Some(point) };
            text.push(point.and_then(char::from_u32).ok_or(HalfPair)?);
        }
        Ok(text)
    }
}

/// Reads what stands behind a backslash, with the second half of a surrogate pair if it is escaped too. The string was scanned.
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
const OPEN_LIST: CodePoint = '[' as CodePoint;
const CLOSE_LIST: CodePoint = ']' as CodePoint;
const COMMA: CodePoint = ',' as CodePoint;
const COLON: CodePoint = ':' as CodePoint;

/// Words that are values.
const WORDS: [&str; 6] = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];

/// Scans a whole text.
pub(super) fn scan(text: &[CodePoint]) -> Result<Document<'_>, Fault> {
    let mut scanner = Scanner { text, at: 0, open: Vec::new(), fields: Vec::new(), key: 0..0, value: 0 };
    scanner.skip_space();
    let start = scanner.at;
    scanner.document()?;
    let end = scanner.at;
    scanner.skip_space();
    if scanner.at < text.len() {
        return Err(scanner.fault());
    }
    Ok(match text.get(start) {
        Some(&OPEN_OBJECT) => {
            let named = |(key, value): (Range<usize>, Range<usize>)| {
                Some((Raw(text.get(key)?).text().ok()?, Raw(text.get(value)?)))
            };
            Document::Object(scanner.fields.into_iter().filter_map(named).collect())
        }
        _ if Raw(&text[start..end]).is_null() => Document::Null,
        _ => Document::Other,
    })
}

/// Where a scan is. Nesting is a list and no recursion, so that no text can use up the stack.
struct Scanner<'a> {
    text: &'a [CodePoint],
    at: usize,
    /// How each object and list ends in which the scan is.
    open: Vec<CodePoint>,
    /// Names and values in the outermost object.
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// In the outermost object: the last name, and where its value begins.
    key: Range<usize>,
    value: usize,
}

impl Scanner<'_> {
    /// Scans a value with all that is in it.
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            // A value begins here.
            if self.is_in_outermost_object() {
                self.value = self.at;
            }
            match self.peek() {
                Some(OPEN_OBJECT) => {
                    self.enter(CLOSE_OBJECT)?;
                    if self.peek() != Some(CLOSE_OBJECT) {
                        self.name()?;
                        continue;
                    }
                    self.leave();
                }
                Some(OPEN_LIST) => {
                    self.enter(CLOSE_LIST)?;
                    if self.peek() != Some(CLOSE_LIST) {
                        continue;
                    }
                    self.leave();
                }
                _ => self.scalar()?,
            }
            // A value ended here, and with it perhaps what it stands in.
            loop {
                if self.is_in_outermost_object() {
                    self.fields.push((self.key.clone(), self.value..self.at));
                }
                let Some(end) = self.open.last().copied() else { return Ok(()) };
                self.skip_space();
                match self.peek() {
                    Some(COMMA) => {
                        self.at += 1;
                        self.skip_space();
                        if end == CLOSE_OBJECT {
                            self.name()?;
                        }
                        break;
                    }
                    Some(found) if found == end => self.leave(),
                    _ => return Err(self.fault()),
                }
            }
        }
    }

    fn is_in_outermost_object(&self) -> bool {
        *self.open == [CLOSE_OBJECT]
    }

    fn enter(&mut self, end: CodePoint) -> Result<(), Fault> {
        if self.open.len() == NESTING_MAX {
            return Err(Fault::NestedTooDeep);
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

    /// Scans the name of a field, to where its value begins.
    fn name(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() != Some(QUOTE) {
            return Err(self.fault());
        }
        self.string()?;
        if self.is_in_outermost_object() {
            self.key = start..self.at;
        }
        self.skip_space();
        if self.peek() != Some(COLON) {
            return Err(self.fault());
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(QUOTE) {
            return self.string();
        }
        let rest = &self.text[self.at..];
        let is_next = |word: &&&str| {
            word.len() <= rest.len() && word.chars().map(CodePoint::from).eq(rest[..word.len()].iter().copied())
        };
        match WORDS.iter().find(is_next) {
            Some(word) => {
                self.at += word.len();
                Ok(())
            }
            None => self.number(),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let mut end = self.at;
        end += usize::from(self.is_at(end, "-"));
        end = match self.digits_from(end) {
            none if none == end => return Err(self.fault()),
            // What follows a zero is no part of the number.
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

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                None => return Err(Fault::Syntax(start)),
                Some(&QUOTE) => {
                    self.at = at + 1;
                    return Ok(());
                }
                Some(0..=0x1f) => return Err(Fault::Syntax(at)),
                Some(&BACKSLASH) if at + 1 == self.text.len() => return Err(Fault::Syntax(start)),
                Some(&BACKSLASH) if self.is_at(at + 1, "u") => {
                    let has_digits = (2..6).all(|place| self.is_at(at + place, "0123456789abcdefABCDEF"));
                    if !has_digits || at + 6 == self.text.len() {
                        return Err(Fault::Syntax(at + 1));
                    }
                    at += 6;
                }
                Some(&BACKSLASH) if self.is_at(at + 1, "\"\\/bfnrt") => at += 2,
                Some(&BACKSLASH) => return Err(Fault::Syntax(at)),
                Some(_) => at += 1,
            }
        }
    }

    /// Where the digits end that begin at `start`.
    fn digits_from(&self, start: usize) -> usize {
        let digits = self.text.get(start..).unwrap_or_default();
        start + digits.iter().take_while(|point| char::from_u32(**point).is_some_and(|c| c.is_ascii_digit())).count()
    }

    /// Whether one of `characters` stands there.
    fn is_at(&self, place: usize, characters: &str) -> bool {
        self.text.get(place).and_then(|point| char::from_u32(*point)).is_some_and(|found| characters.contains(found))
    }

    fn peek(&self) -> Option<CodePoint> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.is_at(self.at, " \t\n\r") {
            self.at += 1;
        }
    }

    fn fault(&self) -> Fault {
        Fault::Syntax(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(text: &str) -> Vec<CodePoint> {
        text.chars().map(CodePoint::from).collect()
    }

    fn fault(text: &str) -> Option<Fault> {
        scan(&points(text)).err()
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_scanned_and_the_other_way_round(text in "[\\[\\]{}:,\"\\\\ntrue0-9eE.+\\- ]{0,24}") {
            prop_assert_eq!(fault(&text).is_none(), serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
        }

        #[test]
        fn a_string_says_what_was_written_into_it(text: String) {
            let json = points(&serde_json::to_string(&text).expect("JSON"));
            prop_assert_eq!(scan(&json), Ok(Document::Other));
            prop_assert_eq!(Raw(&json).text(), Ok(text));
        }

        #[test]
        fn no_text_makes_the_scanner_panic(points: Vec<u32>, text: String) {
            let _ = scan(&points);
            let _ = fault(&text);
        }
    }

    #[test]
    fn the_fields_of_the_outermost_object_are_found_as_they_were_written() {
        let text =
            points(r#" { "a" : 1.50 , "\u0062":"x\ud83e\udd80", "c":{"a":[{"b":2}]}, "d":[],"a":NaN, "\ud800":1 } "#);
        let Ok(Document::Object(fields)) = scan(&text) else { panic!("{:?}", scan(&text)) };
        let found: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.literal())).collect();
        let expected =
            [("a", "1.50"), ("b", r#""x\ud83e\udd80""#), ("c", r#"{"a":[{"b":2}]}"#), ("d", "[]"), ("a", "NaN")];
        assert_eq!(found, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(fields[1].1.text(), Ok("x🦀".to_owned()));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for text in [r#""\ud800""#, r#""\ud83e\ud83e""#, r#""\udd80\ud83e""#, r#""\ud83ex""#, r#""\ud83e\n""#] {
            assert_eq!(Raw(&points(text)).text(), Err(HalfPair), "{text}");
        }
        assert_eq!(Raw(&[QUOTE, 0xd83e, QUOTE]).text(), Err(HalfPair));
    }

    #[test]
    fn nesting_has_an_end_and_no_depth_uses_up_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(fault(&nested(NESTING_MAX)), None);
        assert_eq!(fault(&nested(NESTING_MAX + 1)), Some(Fault::NestedTooDeep));
        assert_eq!(fault(&"{\"a\":".repeat(1_000_000)), Some(Fault::NestedTooDeep));
    }
}
