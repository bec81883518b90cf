//! What the messages carry of JavaScript's own: buffers, streams, files.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of JavaScript's, passed as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Js(pub(super) Value);

#[cfg(target_family = "wasm")]
type Value = wasm_bindgen::JsValue;
#[cfg(not(target_family = "wasm"))]
type Value = ();

impl Serialize for Js {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[cfg(target_family = "wasm")]
        return serde_wasm_bindgen::preserve::serialize(&self.0, serializer);
        #[cfg(not(target_family = "wasm"))]
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Js {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[cfg(target_family = "wasm")]
        return serde_wasm_bindgen::preserve::deserialize(deserializer).map(Js);
        #[cfg(not(target_family = "wasm"))]
        Value::deserialize(deserializer).map(Js)
    }
}
