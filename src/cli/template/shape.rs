//! What Go knows of a value by its type, where JSON says less: which fields a struct has although they are empty, and
//! whether `null` is a list, a map or a pointer.

/// A type, as far as templates tell types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing is known: an object has the fields that it has, and nil is a value that is not there.
    Any,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A truth value.
    Truth,
    /// A number of nanoseconds, which prints as `1m30s`.
    Duration,
    /// A list of such values, which may be nil.
    List(&'static Shape),
    /// A map with such values, which may be nil. A key that it lacks is no error.
    Map(&'static Shape),
    /// A struct. A field that it lacks is an error.
    Struct(&'static [Field]),
    /// A pointer to such a value, which may be nil.
    Pointer(&'static Shape),
}

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name in Go.
    pub name: &'static str,
    /// The name in JSON, which templates may also use.
    pub key: &'static str,
    /// The type.
    pub shape: Shape,
}

impl Field {
    /// A field that has one name in Go and in JSON.
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, key: name, shape }
    }

    /// A field that JSON calls `key`.
    pub const fn renamed(name: &'static str, key: &'static str, shape: Shape) -> Self {
        Self { name, key, shape }
    }
}
