//! Reads the values of string literals: escapes, and the lines of block strings, as graphql-js does.

/// What is wrong with a string literal.
pub(super) type Problem = &'static str;

/// The value of a string literal, given with its quotes.
pub(super) fn value(literal: &str) -> Result<String, Problem> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        value.push_str(plain);
        let (character, behind) = escaped(escape)?;
        value.push(character);
        rest = behind;
    }
    value.push_str(rest);
    Ok(value)
}

/// The character of an escape sequence, and the text after it.
fn escaped(escape: &str) -> Result<(char, &str), Problem> {
    let mut characters = escape.chars();
    let character = match characters.next() {
        Some(same @ ('"' | '\\' | '/')) => same,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode(characters.as_str()),
        _ => return Err("a string has an escape that does not exist"),
    };
    Ok((character, characters.as_str()))
}

const NOT_A_CHARACTER: Problem = "a string has a \\u escape that is no character";

/// The character of `{1F600}`, of `00fc`, or of a pair like `d83d\ude00`.
fn unicode(escape: &str) -> Result<(char, &str), Problem> {
    if let Some(braced) = escape.strip_prefix('{') {
        let (digits, behind) = braced.split_once('}').ok_or(NOT_A_CHARACTER)?;
        return match digits.len() {
            1..=8 => Ok((char::from_u32(hex(digits)?).ok_or(NOT_A_CHARACTER)?, behind)),
            _ => Err(NOT_A_CHARACTER),
        };
    }
    let (first, behind) = unit(escape)?;
    if let Some(Ok(character)) = char::decode_utf16([first]).next() {
        return Ok((character, behind));
    }
    let (second, behind) = unit(behind.strip_prefix("\\u").ok_or(NOT_A_CHARACTER)?)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(character)) => Ok((character, behind)),
        _ => Err(NOT_A_CHARACTER),
    }
}

/// The number of four hex digits, and the text after them.
fn unit(escape: &str) -> Result<(u16, &str), Problem> {
    let (digits, behind) = escape.split_at_checked(4).ok_or(NOT_A_CHARACTER)?;
    Ok((u16::try_from(hex(digits)?).map_err(|_| NOT_A_CHARACTER)?, behind))
}

fn hex(digits: &str) -> Result<u32, Problem> {
    // Rust would also accept a plus sign.
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten().ok_or(NOT_A_CHARACTER)
}

/// The value of a block string, given with its quotes: without the common indentation of all lines but the first, and without
/// empty lines at both ends.
pub(super) fn block_value(literal: &str) -> String {
    let raw = literal.get(3..literal.len().saturating_sub(3)).unwrap_or_default().replace("\r\n", "\n");
    let lines: Vec<_> = raw.split(['\n', '\r']).map(|line| line.replace("\\\"\"\"", "\"\"\"")).collect();
    let indent = |line: &String| line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_blank = |line: &String| indent(line) == line.len();
    let shared = lines.iter().skip(1).filter(|line| !is_blank(line)).map(indent).min().unwrap_or(usize::MAX);
    let Some(first) = lines.iter().position(|line| !is_blank(line)) else { return String::new() };
    let last = lines.iter().rposition(|line| !is_blank(line)).unwrap_or(first);
    let lines: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| if number == 0 { line } else { line.get(shared..).unwrap_or_default() })
        .collect();
    lines[first..=last].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        for (literal, expected) in [
            (r#""""#, ""),
            (r#""plain ü 😀""#, "plain ü 😀"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00fc\u00FCx""#, "üüx"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""\u{1F600}\u{41}\u{0000041}\u{10FFFF}""#, "😀AA\u{10FFFF}"),
            (r#""a\\\u0022""#, "a\\\""),
        ] {
            assert_eq!(value(literal).as_deref(), Ok(expected), "{literal}");
        }
    }

    #[test]
    fn invalid_escapes_are_rejected() {
        for escape in [
            r"\x",
            r"\ ",
            r"\0",
            r"\u",
            r"\u12",
            r"\u12g4",
            r"\u+123",
            r"\ud83d",
            r"\ud83dx",
            r"\ud83d\u0041",
            r"\ud83d\n",
            r"\ude00",
            r"\ude00\ud83d",
            r"\ud83d\u{de00}",
            r"\u{}",
            r"\u{110000}",
            r"\u{d800}",
            r"\u{000000041}",
            r"\u{41",
            r"\u{+41}",
            r"\u{ 41}",
            r"\U0041",
            r"\'",
            r"\uü",
        ] {
            value(&format!("\"{escape}\"")).expect_err(escape);
        }
    }

    #[test]
    fn block_strings_lose_indentation_and_outer_empty_lines() {
        for (inner, expected) in [
            ("", ""),
            (" \n\t\n ", ""),
            ("one", "one"),
            ("  one", "  one"),
            ("\n    one\n      two\n\n    three\n  ", "one\n  two\n\nthree"),
            ("one\r\n  two\r    three\n \n  four", "one\ntwo\n  three\n\nfour"),
            (r#"a \""" b \n \u0041"#, "a \"\"\" b \\n \\u0041"),
            ("\n\n  ü\n  😀\n\n", "ü\n😀"),
        ] {
            assert_eq!(block_value(&format!("\"\"\"{inner}\"\"\"")), expected, "{inner:?}");
        }
    }
}
