//! Parses `.env` files literally: nothing is substituted or unescaped.
//!
//! Other programs agree on plain lines and differ on the rest: compose substitutes `$name`, systemd removes backslashes, and a
//! shell splits at blanks. This parser either takes such a line literally or refuses it with its line number. No error quotes the
//! file, because any value may be a password. The `dotenvy` crate substitutes, unescapes, and quotes the line in its errors.

use std::io;
use std::path::Path;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

const BLANKS: [char; 2] = [' ', '\t'];

/// Why a `.env` file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("line {line} {problem}")]
    Line { line: usize, problem: &'static str },
}

/// The names and values in the file at `path`, in order; the last value of a repeated name counts. Empty if the file does not
/// exist. A name that is not a setting has an empty value, because its line may be in the syntax of another program.
pub fn read(path: &Path, is_setting: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>, DotEnvError> {
    match path.metadata() {
        // Python projects may have a directory of this name.
        Ok(metadata) if metadata.is_dir() => return Ok(Vec::new()),
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(DotEnvError::TooLarge),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let bytes = std::fs::read(path)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut values = Vec::new();
    // The quote that ends a multi-line value of another program.
    let mut open_quote = None;
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if let Some(quote) = open_quote {
            if bytes.contains(&quote) {
                open_quote = None;
            }
            continue;
        }
        let refuse = |problem| DotEnvError::Line { line, problem };
        let text = str::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text"))?;
        let Some((name, value)) = parse_line(text).map_err(refuse)? else { continue };
        let value = if is_setting(name) {
            parse_value(value).map_err(refuse)?
        } else {
            open_quote = unclosed_quote(value);
            ""
        };
        values.push((name.to_owned(), value.to_owned()));
    }
    Ok(values)
}

/// The name on a line and the text after `=`; `None` for an empty line or a comment.
fn parse_line(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(BLANKS);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err("contains a control character");
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(BLANKS) => rest.trim_start_matches(BLANKS),
        _ => line,
    };
    let assignment = line.split_once('=').map(|(name, value)| (name.trim_end_matches(BLANKS), value));
    assignment.filter(|(name, _)| is_name(name)).map(Some).ok_or("is not NAME=value")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// The quote that starts `value` if it does not occur again.
fn unclosed_quote(value: &str) -> Option<u8> {
    let (quote, rest) = value.trim_start_matches(BLANKS).as_bytes().split_first()?;
    (matches!(quote, b'\'' | b'"') && !rest.contains(quote)).then_some(*quote)
}

/// Parses the text after `=`.
fn parse_value(text: &str) -> Result<&str, &'static str> {
    const OPEN_QUOTE: &str = "lacks a closing quote; a value cannot span lines";
    let value = text.trim_start_matches(BLANKS);
    if value.starts_with('#') {
        let problem = "has # directly after =; put the value into single quotes, or a blank before a comment";
        return if text.starts_with('#') { Err(problem) } else { Ok("") };
    }
    let is_single_quoted = value.starts_with('\'');
    let (value, rest) = if let Some(quoted) = value.strip_prefix('\'') {
        quoted.split_once('\'').ok_or(OPEN_QUOTE)?
    } else if let Some(quoted) = value.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"').ok_or(OPEN_QUOTE)?;
        if value.contains('\\') {
            return Err(
                "has a backslash inside double quotes, which other programs read as an escape; use single quotes",
            );
        }
        (value, rest)
    } else {
        let (value, rest) = value.split_at(value.find(BLANKS).unwrap_or(value.len()));
        if value.ends_with('\\') {
            return Err("ends with a backslash, which other programs read as a continued line; \
                        put the value into single quotes");
        }
        (value, rest)
    };
    // A comment needs a blank before it.
    let after = rest.trim_start_matches(BLANKS);
    let is_comment = after.starts_with('#') && rest.starts_with(BLANKS);
    if !(after.is_empty() || is_comment) {
        return Err("has text after the value; put a value that contains blanks into single quotes");
    }
    if value.contains("${") && !is_single_quoted {
        return Err("contains ${, but variables are not substituted here; \
                    write the value out, or put it into single quotes");
    }
    Ok(value)
}
