//! `eq`, `lt` and their like.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::error::TemplateErrorKind as Kind;
use super::value::kind;

/// Whether two values are equal. Only values of one kind are compared, and anything with nil.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Kind> {
    match (left, right) {
        (Value::Null, right) => Ok(right.is_null()),
        (_, Value::Null) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) => {
            Ok(order(left, right)? == Ordering::Equal)
        }
        _ => Err(Kind::Compare { left: kind(left), right: kind(right) }),
    }
}

/// The order of two numbers or two strings.
pub(super) fn order(left: &Value, right: &Value) -> Result<Ordering, Kind> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(numbers(left, right)),
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        _ => Err(Kind::Compare { left: kind(left), right: kind(right) }),
    }
}

/// Sizes do not fit into a float; whole numbers are compared as such.
fn numbers(left: &Number, right: &Number) -> Ordering {
    if let (Some(left), Some(right)) = (left.as_i128(), right.as_i128()) {
        return left.cmp(&right);
    }
    let (left, right) = (left.as_f64().unwrap_or_default(), right.as_f64().unwrap_or_default());
    left.partial_cmp(&right).unwrap_or(Ordering::Equal)
}
