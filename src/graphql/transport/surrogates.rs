//! Unpaired surrogates in JSON. JavaScript writes them as escapes (`"\ud800"`), JSON allows them, but no text that is
//! stored, compared or sent again can hold one.

use std::borrow::Cow;

/// Whether valid JSON has the escape of an unpaired surrogate in one of its strings.
pub(super) fn has_unpaired(json: &str) -> bool {
    matches!(replace_unpaired(json), Cow::Owned(_))
}

/// Valid JSON with every unpaired surrogate replaced by U+FFFD.
pub(super) fn replace_unpaired(json: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let (mut kept, mut at) = (0, 0);
    // Outside of strings JSON has no backslash.
    while let Some(escape) = json.as_bytes()[at..].iter().position(|byte| *byte == b'\\').map(|offset| at + offset) {
        let (length, is_unpaired) = match unit(json, escape) {
            None => (2, false),
            Some(0xD800..0xDC00) => match unit(json, escape + 6) {
                Some(0xDC00..0xE000) => (12, false),
                _ => (6, true),
            },
            Some(0xDC00..0xE000) => (6, true),
            Some(_) => (6, false),
        };
        if is_unpaired {
            replaced.push_str(&json[kept..escape]);
            replaced.push_str("\\ufffd");
            kept = escape + length;
        }
        at = (escape + length).min(json.len());
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(&json[kept..]);
    Cow::Owned(replaced)
}

/// The code unit of a `\uXXXX` that begins at this byte.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unpaired_surrogates_are_replaced() {
        for (json, expected) in [
            (r#"{"a":"plain \u00fc \\ud800 \"ü"}"#, None),
            (r#""\ud83d\ude00""#, None),
            (r#""\\\\ud800\n""#, None),
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (r#""x\uDBFFy\udc00""#, Some(r#""x\ufffdy\ufffd""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\\\ud800""#, Some(r#""\\\ufffd""#)),
            (r#""\ud800ü""#, Some(r#""\ufffdü""#)),
        ] {
            assert_eq!(replace_unpaired(json), expected.unwrap_or(json));
            assert_eq!(has_unpaired(json), expected.is_some(), "{json}");
        }
    }
}
