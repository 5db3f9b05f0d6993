//! Integers as the original took them: a number without a fraction, a string that holds one, even a truth value.

use serde_json::value::RawValue;

use super::detail::Problem;
use super::fields;

/// Reads an integer. One that is too large is the largest there is: it names nothing, and that is its answer.
pub(super) fn read(value: &RawValue) -> Result<i64, Problem> {
    match value.get() {
        "true" => Ok(1),
        "false" => Ok(0),
        string if string.starts_with('"') => {
            let text = fields::read_text(value)?;
            whole(strip_zero_fraction(text.trim())).ok_or(Problem::NotIntegerText)
        }
        number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            whole(number).map_or_else(|| float(number), Ok)
        }
        _ => Err(Problem::NotInteger),
    }
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
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<i64, Problem> {
        read(serde_json::from_str(json).expect("the test writes JSON"))
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
        for json in ["1.5", "-0.1", "1e999"] {
            assert_eq!(of(json), Err(Problem::Fraction), "{json}");
        }
        for json in [r#""""#, r#""one""#, r#""1.5""#, r#""+""#, r#""1 2""#, r#""0x1""#, r#""+-1""#, r#"".0""#] {
            assert_eq!(of(json), Err(Problem::NotIntegerText), "{json}");
        }
        assert_eq!(of(r#""\ud800""#), Err(Problem::NotText));
    }
}
