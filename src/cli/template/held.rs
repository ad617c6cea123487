//! A value with what is known of its type, and the ways to its parts.

use std::borrow::Cow;

use serde_json::Value;

use super::error::TemplateErrorKind as Kind;
use super::shape::Shape;
use super::value::{kind, print};

/// A value while a template runs. Values are borrowed from the input where that is possible: an inspected image is big,
/// its parts are looked at.
#[derive(Debug, Clone)]
pub(super) struct Held<'a> {
    pub(super) value: Cow<'a, Value>,
    pub(super) shape: Shape,
}

impl<'a> Held<'a> {
    /// A value of this type. Nil becomes the type's zero value, but for types that have a nil of their own; a pointer
    /// becomes what it points to.
    pub(super) fn new(value: Cow<'a, Value>, shape: Shape) -> Self {
        let zero = match shape {
            Shape::Text => Value::String(String::new()),
            Shape::Number | Shape::Duration => 0.into(),
            Shape::Truth => false.into(),
            Shape::Struct(_) => Value::Object(serde_json::Map::default()),
            Shape::Any | Shape::List(_) | Shape::Map(_) | Shape::Pointer(_) => Value::Null,
        };
        match (value.is_null(), shape) {
            (false, Shape::Pointer(to)) => Self::new(value, *to),
            (false, _) => Self { value, shape },
            (true, _) => Self { value: Cow::Owned(zero), shape },
        }
    }

    /// A value of which nothing more is known.
    pub(super) fn any(value: Value) -> Self {
        Self { value: Cow::Owned(value), shape: Shape::Any }
    }

    /// What an action writes for it.
    pub(super) fn print(&self) -> String {
        print(&self.value, self.shape)
    }

    /// The value as most functions see it: a nil list or map is an empty one.
    pub(super) fn without_nil(self) -> Cow<'a, Value> {
        match (self.value.is_null(), self.shape) {
            (true, Shape::List(_)) => Cow::Owned(Value::Array(Vec::new())),
            (true, Shape::Map(_)) => Cow::Owned(Value::Object(serde_json::Map::default())),
            _ => self.value,
        }
    }

    /// The field `name`; `path` names it with the fields before it.
    pub(super) fn field(self, name: &str, path: &str) -> Result<Self, Kind> {
        let unknown = |known: Vec<String>| Kind::Field { field: path.to_owned(), known };
        match (self.value.as_ref(), self.shape) {
            (Value::Object(object), Shape::Struct(fields)) => {
                match fields.iter().find(|field| field.name == name || field.key == name) {
                    Some(field) => Ok(self.part(field.key, field.shape)),
                    // The image has more than its type says.
                    None if object.contains_key(name) => Ok(self.part(name, Shape::Any)),
                    None => Err(unknown(fields.iter().map(|field| field.name.to_owned()).collect())),
                }
            }
            (Value::Object(object), Shape::Map(elements)) if object.contains_key(name) => {
                Ok(self.part(name, *elements))
            }
            (Value::Object(_) | Value::Null, Shape::Map(_)) => Ok(Self::any(Value::Null)),
            (Value::Object(object), _) if object.contains_key(name) => Ok(self.part(name, Shape::Any)),
            (Value::Object(object), _) => Err(unknown(object.keys().cloned().collect())),
            (other, _) => Err(Kind::FieldOf { field: path.to_owned(), found: kind(other) }),
        }
    }

    /// The value under a key, nil if it is not there.
    fn part(self, key: &str, shape: Shape) -> Self {
        let value = match self.value {
            Cow::Borrowed(value) => value.get(key).map(Cow::Borrowed),
            Cow::Owned(mut value) => value.get_mut(key).map(Value::take).map(Cow::Owned),
        };
        Self::new(value.unwrap_or(Cow::Owned(Value::Null)), shape)
    }

    /// The element of a list; there must be one.
    fn element(self, position: usize) -> Self {
        let shape = self.elements_shape();
        let value = match self.value {
            Cow::Borrowed(value) => Cow::Borrowed(&value[position]),
            Cow::Owned(mut value) => Cow::Owned(value[position].take()),
        };
        Self::new(value, shape)
    }

    fn elements_shape(&self) -> Shape {
        match self.shape {
            Shape::List(elements) | Shape::Map(elements) => *elements,
            _ => Shape::Any,
        }
    }

    /// One element of a list or map, as the function `index` finds it. `mismatch` makes an error of a value that does
    /// not fit and what was expected.
    ///
    /// A key that a map lacks gives Go's zero value of the map's elements. Where their type is not known, that is the
    /// empty string if the others are strings, as for labels, and if there are no others.
    pub(super) fn index(
        self,
        index: &Value,
        mismatch: impl Fn(&Value, &'static str) -> Kind,
    ) -> Result<Self, Kind> {
        match (self.value.as_ref(), self.shape) {
            (Value::Array(list), _) => {
                let position = index.as_i64().ok_or_else(|| mismatch(index, "a whole number"))?;
                let out = || Kind::Range { index: position.to_string(), length: list.len() };
                let position = usize::try_from(position).ok().filter(|i| *i < list.len()).ok_or_else(out)?;
                Ok(self.element(position))
            }
            (Value::Object(map), shape) => {
                let key = index.as_str().ok_or_else(|| mismatch(index, "a string"))?;
                match shape {
                    Shape::Struct(_) => self.field(key, &format!(".{key}")),
                    Shape::Map(elements) => Ok(self.part(key, *elements)),
                    _ if map.contains_key(key) => Ok(self.part(key, Shape::Any)),
                    _ if map.values().all(Value::is_string) => Ok(Self::any("".into())),
                    _ => Ok(Self::any(Value::Null)),
                }
            }
            (Value::Null, Shape::Map(elements)) if index.is_string() => {
                Ok(Self::new(Cow::Owned(Value::Null), *elements))
            }
            (Value::Null, Shape::Any) if index.is_string() => Ok(Self::any("".into())),
            (Value::Null, Shape::Any | Shape::List(_)) => {
                Err(Kind::Range { index: super::value::display(index), length: 0 })
            }
            (other, _) => Err(mismatch(other, "a list or a map")),
        }
    }

    /// What `range` goes over, each with its key or number.
    pub(super) fn elements(self) -> Result<Vec<(Value, Self)>, Kind> {
        let shape = self.elements_shape();
        let held = |value| Self::new(value, shape);
        Ok(match self.value {
            Cow::Borrowed(Value::Array(list)) => {
                list.iter().enumerate().map(|(i, value)| (i.into(), held(Cow::Borrowed(value)))).collect()
            }
            Cow::Borrowed(Value::Object(map)) => {
                map.iter().map(|(key, value)| (key.clone().into(), held(Cow::Borrowed(value)))).collect()
            }
            Cow::Owned(Value::Array(list)) => {
                list.into_iter().enumerate().map(|(i, value)| (i.into(), held(Cow::Owned(value)))).collect()
            }
            Cow::Owned(Value::Object(map)) => {
                map.into_iter().map(|(key, value)| (key.into(), held(Cow::Owned(value)))).collect()
            }
            value if value.is_null() => Vec::new(),
            value => return Err(Kind::NoElements { found: kind(&value) }),
        })
    }
}
