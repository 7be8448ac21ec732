//! Comparison of JSON numbers as numbers, whatever their spelling.

use serde_json::{Number, Value};

/// A decimal number: its digits without zeros at either end, and the power of ten of the last one.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number; `None` if its exponent is out of range.
    fn parse(json: &str) -> Option<Self> {
        let (mantissa, exponent) = match json.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (json, 0),
        };
        let is_negative = mantissa.starts_with('-');
        let (whole, fraction) =
            mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let cut = i64::try_from(all.len() - digits.len()).ok()?;
        let exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + cut;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Decimal { is_negative: false, digits, exponent: 0 });
        }
        Some(Decimal { is_negative, digits, exponent })
    }

    fn is_whole(&self) -> bool {
        self.exponent >= 0
    }
}

/// Returns whether the JSON number `found` is `expected`: `3`, `3.0` and `3e0` are the same.
///
/// `None` if they differ only beyond the precision of a float: a type that reads it as one would find them equal.
pub(super) fn is_number(found: &str, expected: &Number) -> Option<bool> {
    let (one, other) = (Decimal::parse(found)?, Decimal::parse(&expected.to_string())?);
    if one == other {
        return Some(true);
    }
    if one.is_whole() && other.is_whole() && !expected.is_f64() {
        return Some(false);
    }
    let rounded = found.parse::<f64>().ok()?;
    if Some(rounded) == expected.as_f64() { None } else { Some(false) }
}

/// Returns whether a list or object is `expected`, numbers compared as numbers; `None` if a part has another type and
/// nothing else differs.
pub(super) fn is_value(found: &Value, expected: &Value) -> Option<bool> {
    // A part that differs decides.
    let all = |parts: &mut dyn Iterator<Item = Option<bool>>| {
        let mut are_known = true;
        for part in parts {
            match part {
                Some(false) => return Some(false),
                part => are_known &= part.is_some(),
            }
        }
        are_known.then_some(true)
    };
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => is_number(&found.to_string(), expected),
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            all(&mut found.iter().zip(expected).map(|(found, expected)| is_value(found, expected)))
        }
        (Value::Object(found), Value::Object(expected)) if found.len() == expected.len() => all(&mut found
            .iter()
            .map(|(name, found)| expected.get(name).map_or(Some(false), |expected| is_value(found, expected)))),
        (Value::Null, _) | (_, Value::Null) => Some(found == expected),
        _ if std::mem::discriminant(found) == std::mem::discriminant(expected) => Some(found == expected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s3_23_a_number_is_the_same_in_every_spelling() {
        let number = |value: Value| value.as_number().cloned().expect("a number");
        for (found, expected, is_same) in [
            ("3", json!(3), Some(true)),
            ("3.0", json!(3), Some(true)),
            ("3e0", json!(3), Some(true)),
            ("30E-1", json!(3), Some(true)),
            ("0.3e+1", json!(3), Some(true)),
            ("3", json!(3.0), Some(true)),
            ("-0", json!(0), Some(true)),
            ("-0.0e9", json!(0), Some(true)),
            ("-3", json!(3), Some(false)),
            ("3.5", json!(3), Some(false)),
            ("300", json!(3), Some(false)),
            ("3e1", json!(30), Some(true)),
            ("0.1", json!(0.1), Some(true)),
            ("0.10", json!(0.1), Some(true)),
            ("0.2", json!(0.1), Some(false)),
            ("9007199254740993", json!(9_007_199_254_740_992_u64), Some(false)),
            ("9007199254740993.0", json!(9_007_199_254_740_993_u64), Some(true)),
            ("18446744073709551615", json!(u64::MAX), Some(true)),
            ("18446744073709551616", json!(u64::MAX), Some(false)),
            ("0.1000000000000000055511151231257827", json!(0.1), None),
            ("3.00000000000000000000000001", json!(3), None),
            ("1e99999999999", json!(3), None),
        ] {
            assert_eq!(is_number(found, &number(expected.clone())), is_same, "{found} {expected}");
        }
    }

    #[test]
    fn s3_23_numbers_in_lists_and_objects_are_compared_alike() {
        for (found, expected, is_same) in [
            (json!([3.0, 1]), json!([3, 1]), Some(true)),
            (json!({"a": [3.0]}), json!({"a": [3]}), Some(true)),
            (json!([3.0, 2]), json!([3, 1]), Some(false)),
            (json!(["3"]), json!([3]), None),
            (json!(["3", 1]), json!([3, 2]), Some(false)),
            (json!([null]), json!([3]), Some(false)),
            (json!([1]), json!([1, 2]), Some(false)),
            (json!({"a": 1}), json!({"b": 1}), Some(false)),
            (json!(["x"]), json!(["x"]), Some(true)),
        ] {
            assert_eq!(is_value(&found, &expected), is_same, "{found} {expected}");
        }
    }
}
