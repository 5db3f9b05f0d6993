//! Finds and replaces unpaired surrogates in JSON. JavaScript writes them as escapes (`"\ud800"`) and JSON allows them, but
//! they are not Unicode characters, so text with them can be neither stored nor compared nor sent.

use std::borrow::Cow;

/// Whether a string in this valid JSON contains an escaped unpaired surrogate.
pub(super) fn has_unpaired(json: &str) -> bool {
    matches!(replace_unpaired(json), Cow::Owned(_))
}

/// Replaces every unpaired surrogate in valid JSON by U+FFFD.
pub(super) fn replace_unpaired(json: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let (mut copied_to, mut at) = (0, 0);
    // JSON has backslashes only in strings.
    while let Some(escape) = json.as_bytes()[at..].iter().position(|byte| *byte == b'\\').map(|offset| at + offset) {
        let (length, is_unpaired) = match code_unit(json, escape) {
            None => (2, false),
            Some(0xD800..0xDC00) => match code_unit(json, escape + 6) {
                Some(0xDC00..0xE000) => (12, false),
                _ => (6, true),
            },
            Some(0xDC00..0xE000) => (6, true),
            Some(_) => (6, false),
        };
        if is_unpaired {
            replaced.push_str(&json[copied_to..escape]);
            replaced.push_str("\\ufffd");
            copied_to = escape + length;
        }
        at = (escape + length).min(json.len());
    }
    if copied_to == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(&json[copied_to..]);
    Cow::Owned(replaced)
}

/// The code unit of the escape `\uXXXX` that starts at this byte.
fn code_unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
