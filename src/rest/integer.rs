//! Integers as the original accepted them: a number without a fraction, a string that contains one, or a boolean.

use crate::rest::detail::Problem;
use crate::rest::fields;
use crate::rest::json::RawValue;

/// Parses an integer. One out of range becomes the nearest `i64`: no message has that id, which is the right response.
pub(super) fn parse(value: RawValue<'_>) -> Result<i64, Problem> {
    if value.is_string() {
        let text = fields::parse_text(value)?;
        return parse_integer_text(text.trim()).ok_or(Problem::NotIntegerText);
    }
    if value.is_array_or_object() {
        return Err(Problem::NotInteger);
    }
    match value.literal().as_str() {
        "true" => Ok(1),
        "false" => Ok(0),
        "null" => Err(Problem::NotInteger),
        number => parse_digits(number).map_or_else(|| parse_float(number), Ok),
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
    use crate::rest::json;

    fn parse_json(text: &str) -> Result<i64, Problem> {
        let points: Vec<_> = text.chars().map(u32::from).collect();
        assert!(json::parse(&points).is_ok(), "the test has valid JSON");
        parse(RawValue::new(&points))
    }

    #[test]
    fn integers_are_accepted_in_every_notation() {
        for (json, expected) in [
            ("0", 0),
            ("-0", 0),
            ("7", 7),
            ("-1", -1),
            ("1.0", 1),
            ("2e1", 20),
            ("true", 1),
            ("false", 0),
            (r#""7""#, 7),
            (r#"" +07\n""#, 7),
            (r#""-1""#, -1),
            (r#""3.00""#, 3),
            (r#""1_000""#, 1_000),
        ] {
            assert_eq!(parse_json(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn integer_out_of_range_becomes_the_nearest_in_range() {
        assert_eq!(parse_json("9223372036854775808"), Ok(i64::MAX));
        assert_eq!(parse_json("-99999999999999999999999"), Ok(i64::MIN));
        assert_eq!(parse_json(r#""99999999999999999999999""#), Ok(i64::MAX));
        assert_eq!(parse_json("1e300"), Ok(i64::MAX));
    }

    #[test]
    fn other_values_are_rejected_with_their_problem() {
        for json in ["null", "[]", "{}", "[1]"] {
            assert_eq!(parse_json(json), Err(Problem::NotInteger), "{json}");
        }
        for json in ["1.5", "-0.1", "1e999", "NaN", "Infinity", "-Infinity"] {
            assert_eq!(parse_json(json), Err(Problem::Fraction), "{json}");
        }
        for json in [
            r#""""#,
            r#""one""#,
            r#""1.5""#,
            r#""+""#,
            r#""1 2""#,
            r#""0x1""#,
            r#""+-1""#,
            r#"".0""#,
            r#""1.""#,
            r#""1__0""#,
            r#""_1""#,
            r#""1_""#,
        ] {
            assert_eq!(parse_json(json), Err(Problem::NotIntegerText), "{json}");
        }
        assert_eq!(parse_json(r#""\ud800""#), Err(Problem::HalfSurrogatePair));
    }
}
