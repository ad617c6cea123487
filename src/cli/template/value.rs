//! JSON values as Go sees and prints them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Number, Value};

use super::held::Held;
use super::shape::Shape;

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
pub(super) fn print(value: &Value, shape: Shape) -> String {
    if value.is_null() && shape == Shape::Any {
        return NO_VALUE.to_owned();
    }
    let mut out = String::new();
    write(value, shape, &mut out);
    out
}

/// Go's `%v`.
pub(super) fn display(value: &Value) -> String {
    let mut out = String::new();
    write(value, Shape::Any, &mut out);
    out
}

fn write(value: &Value, shape: Shape, out: &mut String) {
    let elements = match shape {
        Shape::List(elements) | Shape::Map(elements) => *elements,
        _ => Shape::Any,
    };
    match (value, shape) {
        (Value::Null, Shape::List(_)) => out.push_str("[]"),
        (Value::Null, Shape::Map(_)) => out.push_str("map[]"),
        (Value::Null, _) => out.push_str("<nil>"),
        (Value::Bool(value), _) => {
            let _ = write!(out, "{value}");
        }
        (Value::Number(number), Shape::Duration) => out.push_str(&duration(number)),
        (Value::Number(number), _) => out.push_str(&self::number(number)),
        (Value::String(text), _) => out.push_str(text),
        (Value::Array(list), _) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                write(value, elements, out);
            }
            out.push(']');
        }
        (Value::Object(object), Shape::Struct(fields)) => {
            out.push('{');
            for (i, field) in fields.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " " });
                let value = object.get(field.key).unwrap_or(&Value::Null);
                let held = Held::new(Cow::Borrowed(value), field.shape);
                write(&held.value, held.shape, out);
            }
            out.push('}');
        }
        (Value::Object(map), _) => {
            out.push_str("map[");
            for (i, (key, value)) in map.iter().enumerate() {
                let _ = write!(out, "{}{key}:", if i == 0 { "" } else { " " });
                write(value, elements, out);
            }
            out.push(']');
        }
    }
}

/// `time.Duration`'s text: `1h0m30s`, `1.5ms`.
fn duration(nanos: &Number) -> String {
    let nanos = nanos.as_i64().unwrap_or_default();
    let sign = if nanos < 0 { "-" } else { "" };
    let all = Duration::from_nanos(nanos.unsigned_abs());
    let seconds = all.as_secs();
    let fraction = |value: f64, unit: &str| format!("{sign}{value}{unit}");
    match all.as_nanos() {
        0 => "0s".to_owned(),
        nanos if nanos < 1_000 => fraction(nanos as f64, "ns"),
        nanos if nanos < 1_000_000 => fraction(nanos as f64 / 1e3, "µs"),
        nanos if nanos < 1_000_000_000 => fraction(nanos as f64 / 1e6, "ms"),
        _ => {
            let rest = (seconds % 60) as f64 + f64::from(all.subsec_nanos()) / 1e9;
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, minutes) => format!("{sign}{minutes}m{rest}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
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
