//! Decoding of request bodies in UTF-8, UTF-16 and UTF-32, with and without a byte order mark. The encoding is detected from the
//! first bytes, as in Python's `json`.
//!
//! Unpaired surrogates are kept, although a `str` cannot hold them: in an unknown field they do no harm.

/// A code point, which may be a surrogate.
pub(super) type CodePoint = u32;

/// Decodes a body; `None` if the bytes are not valid in the detected encoding.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<CodePoint>> {
    use Encoding::{Utf8, Utf16Be, Utf16Le, Utf32Be, Utf32Le};
    let (encoding, text) = detect(bytes);
    match encoding {
        Utf8 => decode_utf8(text),
        Utf16Be => decode_utf16(text, u16::from_be_bytes),
        Utf16Le => decode_utf16(text, u16::from_le_bytes),
        Utf32Be => decode_utf32(text, u32::from_be_bytes),
        Utf32Le => decode_utf32(text, u32::from_le_bytes),
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16Be,
    Utf16Le,
    Utf32Be,
    Utf32Le,
}

/// Detects the encoding of a JSON text, which begins with ASCII. Also returns the bytes after the byte order mark.
fn detect(bytes: &[u8]) -> (Encoding, &[u8]) {
    use Encoding::{Utf8, Utf16Be, Utf16Le, Utf32Be, Utf32Le};
    match bytes {
        [0, 0, 0xfe, 0xff, text @ ..] => (Utf32Be, text),
        [0xff, 0xfe, 0, 0, text @ ..] => (Utf32Le, text),
        [0xfe, 0xff, text @ ..] => (Utf16Be, text),
        [0xff, 0xfe, text @ ..] => (Utf16Le, text),
        [0xef, 0xbb, 0xbf, text @ ..] => (Utf8, text),
        [0, 0, _, _, ..] => (Utf32Be, bytes),
        [0, _, _, _, ..] | [0, _] => (Utf16Be, bytes),
        [_, 0, 0, 0, ..] => (Utf32Le, bytes),
        [_, 0, _, _, ..] | [_, 0] => (Utf16Le, bytes),
        _ => (Utf8, bytes),
    }
}

fn decode_utf8(mut bytes: &[u8]) -> Option<Vec<CodePoint>> {
    let mut text = Vec::with_capacity(bytes.len());
    loop {
        let (valid, rest) = match std::str::from_utf8(bytes) {
            Ok(valid) => (valid, &[][..]),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).ok()?, rest)
            }
        };
        text.extend(valid.chars().map(CodePoint::from));
        match rest {
            [] => return Some(text),
            // An unpaired surrogate, which valid UTF-8 does not contain.
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, rest @ ..] => {
                text.push(0xd000 | (CodePoint::from(*second) & 0x3f) << 6 | (CodePoint::from(*third) & 0x3f));
                bytes = rest;
            }
            _ => return None,
        }
    }
}

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Option<Vec<CodePoint>> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| read(*unit));
    let point = |decoded: Result<char, std::char::DecodeUtf16Error>| match decoded {
        Ok(character) => CodePoint::from(character),
        Err(error) => error.unpaired_surrogate().into(),
    };
    rest.is_empty().then(|| char::decode_utf16(units).map(point).collect())
}

fn decode_utf32(bytes: &[u8], read: fn([u8; 4]) -> u32) -> Option<Vec<CodePoint>> {
    let (units, rest) = bytes.as_chunks::<4>();
    let points: Vec<CodePoint> = units.iter().map(|unit| read(*unit)).collect();
    (rest.is_empty() && points.iter().all(|point| *point <= CodePoint::from(char::MAX))).then_some(points)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(text: &str) -> Vec<CodePoint> {
        text.chars().map(CodePoint::from).collect()
    }

    /// `text` in every encoding, with and without a byte order mark.
    fn encoded(text: &str) -> Vec<Vec<u8>> {
        let utf8 = |text: &str| text.as_bytes().to_vec();
        let utf16 = |text: &str, write: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(write).collect::<Vec<_>>();
        let utf32 = |text: &str, write: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| write(c.into())).collect();
        let with_mark = format!("\u{feff}{text}");
        [text, &with_mark]
            .into_iter()
            .flat_map(|text| {
                [
                    utf8(text),
                    utf16(text, u16::to_be_bytes),
                    utf16(text, u16::to_le_bytes),
                    utf32(text, u32::to_be_bytes),
                    utf32(text, u32::to_le_bytes),
                ]
            })
            .collect()
    }

    proptest! {
        #[test]
        fn json_is_decoded_in_every_encoding_with_and_without_a_byte_order_mark(text in "\\{\"[^\u{0}]{0,30}\"\\}") {
            for bytes in encoded(&text) {
                prop_assert_eq!(decode(&bytes), Some(points(&text)), "{:?}", bytes);
            }
        }

        #[test]
        fn decoder_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn unpaired_surrogates_are_kept_and_other_errors_are_not() {
        let surrogate = |bytes: &[u8]| decode(bytes).map(|points| points[1]);
        assert_eq!(surrogate(b"\"\xed\xa0\xbd\""), Some(0xd83d));
        assert_eq!(surrogate(b"\"\0\x3d\xd8\"\0"), Some(0xd83d));
        assert_eq!(surrogate(b"\"\0\0\0\x3d\xd8\0\0"), Some(0xd83d));
        for bytes in [&b"\"\xff\""[..], b"\"\xc0\x80\"", b"\"\0\"\0x", b"\"\0\0\0\0\0\x11\0", b"\xed\xa0"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
