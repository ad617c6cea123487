//! JSON values as Go sees and prints them.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// What `{{…}}` writes for a value that is not there.
const NO_VALUE: &str = "<no value>";

/// The kind of a value, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Whether `if` takes the value for true: not zero, not empty, not nil.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Writes the value as an action does.
pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Null => NO_VALUE.to_owned(),
        value => display(value),
    }
}

/// Go's `%v`.
pub(super) fn display(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Number(number) => out.push_str(&self::number(number)),
        Value::String(text) => out.push_str(text),
        Value::Array(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                write(value, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push_str("map[");
            for (i, (key, value)) in map.iter().enumerate() {
                let _ = write!(out, "{}{key}:", if i == 0 { "" } else { " " });
                write(value, out);
            }
            out.push(']');
        }
    }
}

/// Whole numbers as they are; others in Go's `%v`: the fewest digits, an exponent for the very small and very big.
fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            if size != 0.0 && !(1e-4..1e21).contains(&size) {
                exponent(&format!("{float:e}"))
            } else {
                format!("{float}")
            }
        }
        _ => number.to_string(),
    }
}

/// `1e21` with a sign and at least two digits in the exponent, as C writes it.
pub(super) fn exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, power)) => match power.strip_prefix('-') {
            Some(power) => format!("{digits}e-{power:0>2}"),
            None => format!("{digits}e+{power:0>2}"),
        },
        None => text.to_owned(),
    }
}
