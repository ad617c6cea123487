//! What of a document's JSON is taken in.
//!
//! Owns the fields as they are read. A document may be anything below its size limit, and what is not needed of it is
//! passed over without being kept: a tree of all of its values could take a hundred times the document's size. A key
//! that comes twice is refused by the reader where it matters, as two readers could see two images.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Descriptor, MediaType};

/// What tells documents apart.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outline {
    #[serde(default)]
    pub(super) schema_version: Shallow,
    #[serde(default)]
    pub(super) media_type: Option<MediaType>,
    #[serde(default, deserialize_with = "present")]
    pub(super) manifests: Option<()>,
    #[serde(default, deserialize_with = "present")]
    pub(super) config: Option<()>,
    #[serde(default, deserialize_with = "present")]
    pub(super) layers: Option<()>,
}

/// The fields of a manifest. Go writes `null` for a list that was never filled.
#[derive(serde::Deserialize)]
pub(super) struct ManifestFields {
    pub(super) config: Descriptor,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// The fields of an index, whose list may be `null` as well.
#[derive(serde::Deserialize)]
pub(super) struct IndexFields {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// That a field is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<()>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| Some(()))
}

/// A value without what is in it, if it is a list or an object.
#[derive(Default)]
pub(super) struct Shallow(pub(super) Value);

impl<'de> Deserialize<'de> for Shallow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShallowVisitor).map(Self)
    }
}

struct ShallowVisitor;

impl<'de> Visitor<'de> for ShallowVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(serde_json::Map::new()))
    }
}
