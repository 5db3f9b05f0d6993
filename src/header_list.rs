//! Parses list-valued headers: several lines, several items, quoted strings.

use axum::http::{HeaderMap, HeaderName};

/// The items of a list-valued header, from all of its lines, trimmed.
pub(crate) fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).filter(|item| !item.is_empty())
}

/// The parts of a value between separators outside of quotes, trimmed.
pub(crate) fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |character| {
            let is_separator = character == separator && !quoted;
            quoted ^= character == '"' && !escaped;
            escaped = quoted && character == '\\' && !escaped;
            is_separator
        })
        .map(str::trim)
}
