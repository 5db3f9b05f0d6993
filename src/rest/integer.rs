//! Integers as the original accepted them: a number without a fraction, a string that contains one, or a boolean.

use crate::rest::detail::Problem;
use crate::rest::json::RawValue;

/// Parses an integer. One out of range becomes the nearest `i64`. No message has that id, so the response is right.
pub(super) fn parse(value: RawValue<'_>) -> Result<i64, Problem> {
    match value.0 {
        b"true" => Ok(1),
        b"false" => Ok(0),
        b"null" | [b'[' | b'{', ..] => Err(Problem::NotInteger),
        [b'"', ..] => parse_integer_text(value.text()?.trim()).ok_or(Problem::NotIntegerText),
        number => {
            let number = std::str::from_utf8(number).unwrap_or_default();
            parse_digits(number).map_or_else(|| parse_float(number), Ok)
        }
    }
}

/// Parses an integer in a string. Single underscores may separate digits, and a fraction of zeros may follow.
fn parse_integer_text(text: &str) -> Option<i64> {
    let digits = strip_zero_fraction(text);
    let is_grouped = digits.strip_prefix(['+', '-']).unwrap_or(digits).split('_').all(|group| !group.is_empty());
    if is_grouped { parse_digits(&digits.replace('_', "")) } else { None }
}

/// Parses an optional sign and digits.
fn parse_digits(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nearest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(nearest))
}

fn parse_float(number: &str) -> Result<i64, Problem> {
    match number.parse::<f64>() {
        Ok(value) if value.fract() == 0.0 => Ok(value as i64),
        _ => Err(Problem::Fraction),
    }
}

fn strip_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_accepted_in_every_notation_and_clamped_to_the_range() {
        for (json, expected) in [
            ("0", 0),
            ("-0", 0),
            ("-1", -1),
            ("1.0", 1),
            ("2e1", 20),
            ("true", 1),
            ("false", 0),
            (r#"" +07\n""#, 7),
            (r#""-1""#, -1),
            (r#""3.00""#, 3),
            (r#""1_000""#, 1_000),
            ("9223372036854775808", i64::MAX),
            ("-99999999999999999999999", i64::MIN),
            (r#""99999999999999999999999""#, i64::MAX),
            ("1e300", i64::MAX),
        ] {
            assert_eq!(parse(RawValue(json.as_bytes())), Ok(expected), "{json}");
        }
    }

    #[test]
    fn other_values_are_rejected_with_their_problem() {
        for (problem, values) in [
            (Problem::NotInteger, "null [] {} [1]"),
            (Problem::Fraction, "1.5 -0.1 1e999 NaN Infinity -Infinity"),
            (Problem::NotIntegerText, r#""" "one" "1.5" "+" "1\t2" "0x1" "+-1" ".0" "1." "1__0" "_1" "1_""#),
            (Problem::HalfSurrogatePair, r#""\ud800""#),
        ] {
            for json in values.split(' ') {
                assert_eq!(parse(RawValue(json.as_bytes())), Err(problem), "{json}");
            }
        }
    }
}
