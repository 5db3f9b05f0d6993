//! Decoding of request bodies in UTF-8, UTF-16 and UTF-32, with and without a byte order mark. The encoding is detected from the
//! first bytes, as in Python's `json`.
//!
//! The result is UTF-8, except that unpaired surrogates are kept, as three bytes each: in an unknown field they do no harm.

use std::borrow::Cow;

/// Decodes a JSON text, which begins with ASCII. `None` if the bytes are not valid in the detected encoding.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    match bytes {
        [0, 0, 0xfe, 0xff, text @ ..] | text @ [0, 0, _, _, ..] => from_utf32(text, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, text @ ..] | text @ [_, 0, 0, 0, ..] => from_utf32(text, u32::from_le_bytes),
        [0xfe, 0xff, text @ ..] | text @ ([0, _, _, _, ..] | [0, _]) => from_utf16(text, u16::from_be_bytes),
        [0xff, 0xfe, text @ ..] | text @ ([_, 0, _, _, ..] | [_, 0]) => from_utf16(text, u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] | text => is_utf8_with_surrogates(text).then_some(text.into()),
    }
}

fn is_utf8_with_surrogates(mut text: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(text) {
        match text.get(error.valid_up_to()..) {
            // An unpaired surrogate.
            Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => text = rest,
            _ => return false,
        }
    }
    true
}

fn from_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Option<Cow<'_, [u8]>> {
    let (units, rest) = bytes.as_chunks();
    let decoded = char::decode_utf16(units.iter().map(|unit| read(*unit)));
    let points = decoded.map(|point| point.map_or_else(|error| error.unpaired_surrogate().into(), u32::from));
    if rest.is_empty() { to_utf8(points) } else { None }
}

fn from_utf32(bytes: &[u8], read: fn([u8; 4]) -> u32) -> Option<Cow<'_, [u8]>> {
    let (units, rest) = bytes.as_chunks();
    if rest.is_empty() { to_utf8(units.iter().map(|unit| read(*unit))) } else { None }
}

/// Encodes code points. `None` if one is out of range.
fn to_utf8(points: impl Iterator<Item = u32>) -> Option<Cow<'static, [u8]>> {
    let mut text = Vec::new();
    for point in points {
        match char::from_u32(point) {
            Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None if point > char::MAX.into() => return None,
            // A surrogate.
            None => text.extend([0xed, 0x80 | (point >> 6 & 0x3f) as u8, 0x80 | (point & 0x3f) as u8]),
        }
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpaired_surrogates_are_kept_and_other_errors_are_not() {
        for bytes in [&b"\"\xed\xa0\xbd\""[..], b"\"\0\x3d\xd8\"\0", b"\"\0\0\0\x3d\xd8\0\0\"\0\0\0"] {
            assert_eq!(decode(bytes).as_deref(), Some(&b"\"\xed\xa0\xbd\""[..]), "{bytes:?}");
        }
        for bytes in [&b"\"\xff\""[..], b"\"\xc0\x80\"", b"\"\0\"\0x", b"\"\0\0\0\0\0\x11\0", b"\xed\xa0"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
