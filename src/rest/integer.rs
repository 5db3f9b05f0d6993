//! Integers as the original took them: a number without a fraction, a string that holds one, even a truth value.

use crate::rest::detail::Problem;
use crate::rest::fields;
use crate::rest::json::Raw;

/// Reads an integer. One that is too large is the largest there is: it names nothing, and that is its answer.
pub(super) fn read(value: Raw<'_>) -> Result<i64, Problem> {
    if value.is_string() {
        let text = fields::read_text(value)?;
        return text_of_integer(text.trim()).ok_or(Problem::NotIntegerText);
    }
    if value.is_list_or_object() {
        return Err(Problem::NotInteger);
    }
    match value.literal().as_str() {
        "true" => Ok(1),
        "false" => Ok(0),
        "null" => Err(Problem::NotInteger),
        number => whole(number).map_or_else(|| float(number), Ok),
    }
}

/// Reads an integer that stands in a string: its digits may be grouped by single underscores, and zeros may follow a point.
fn text_of_integer(text: &str) -> Option<i64> {
    let digits = strip_zero_fraction(text);
    let is_grouped = digits.strip_prefix(['+', '-']).unwrap_or(digits).split('_').all(|group| !group.is_empty());
    if is_grouped { whole(&digits.replace('_', "")) } else { None }
}

/// Reads a sign, if any, and digits.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let largest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(largest))
}

fn float(number: &str) -> Result<i64, Problem> {
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
    use super::super::json::scan;
    use super::*;

    fn of(json: &str) -> Result<i64, Problem> {
        let points: Vec<_> = json.chars().map(u32::from).collect();
        assert!(scan(&points).is_ok(), "the test writes JSON");
        read(Raw::of(&points))
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
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
            assert_eq!(of(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_is_too_large_is_the_largest() {
        assert_eq!(of("9223372036854775808"), Ok(i64::MAX));
        assert_eq!(of("-99999999999999999999999"), Ok(i64::MIN));
        assert_eq!(of(r#""99999999999999999999999""#), Ok(i64::MAX));
        assert_eq!(of("1e300"), Ok(i64::MAX));
    }

    #[test]
    fn what_is_not_an_integer_is_told_apart() {
        for json in ["null", "[]", "{}", "[1]"] {
            assert_eq!(of(json), Err(Problem::NotInteger), "{json}");
        }
        for json in ["1.5", "-0.1", "1e999", "NaN", "Infinity", "-Infinity"] {
            assert_eq!(of(json), Err(Problem::Fraction), "{json}");
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
            assert_eq!(of(json), Err(Problem::NotIntegerText), "{json}");
        }
        assert_eq!(of(r#""\ud800""#), Err(Problem::NotText));
    }
}
