//! Strings that pass from a database or another service to a client without a copy.

use std::{borrow::Cow, cell::RefCell};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, SelectionSet},
    registry::Registry,
};
use bytes::Bytes;
use direct_json::{JsonWriter, WriteValue};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error},
};
use serde_json::value::RawValue;

/// A string of a row, or one of a JSON text that is only passed on.
#[derive(Clone, Debug)]
pub struct Text(Form);

#[derive(Clone, Debug)]
enum Form {
    String(String),
    /// A JSON string, with its quotes and escapes.
    Json(Bytes),
}

thread_local! {
    /// The text that [`from_json`] is reading.
    static SOURCE: RefCell<Bytes> = RefCell::default();
}

/// Deserializes JSON text. Each [`Text`] in the value is a slice of `json`, which lives as long.
///
/// # Errors
/// Fails if `json` is not valid JSON, or not of this type.
pub fn from_json<T: DeserializeOwned>(json: &Bytes) -> serde_json::Result<T> {
    let text = str::from_utf8(json).map_err(serde_json::Error::custom)?;
    SOURCE.set(json.clone());
    let value = serde_json::from_str(text);
    SOURCE.take();
    value
}

impl Text {
    /// Returns the bytes of the string in memory.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Form::String(text) => text.len(),
            Form::Json(json) => json.len(),
        }
    }

    /// Returns the string, without JSON escapes.
    pub(crate) fn decode(&self) -> serde_json::Result<Cow<'_, str>> {
        match &self.0 {
            Form::String(text) => Ok(Cow::Borrowed(text)),
            Form::Json(json) => serde_json::from_slice(json).map(Cow::Owned),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Form::String(text))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get().as_bytes();
        if json.first() != Some(&b'"') {
            return Err(D::Error::custom("not a string"));
        }
        let slice = SOURCE.with_borrow(|source| {
            let (outer, inner) = (source.as_ptr_range(), json.as_ptr_range());
            let inside = outer.start <= inner.start && inner.end <= outer.end;
            inside.then(|| source.slice_ref(json))
        });
        Ok(Self(Form::Json(slice.unwrap_or_else(|| Bytes::copy_from_slice(json)))))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.decode().map_err(serde::ser::Error::custom)?)
    }
}

impl WriteValue for Text {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        match &self.0 {
            Form::String(text) => json.string(text),
            Form::Json(text) => json.raw(text),
        }
        Some(())
    }
}

impl OutputType for Text {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match self.decode() {
            Ok(text) => {
                direct_json::take_written(ctx, text.len())?;
                Ok(Value::String(text.into_owned()))
            }
            Err(error) => Err(ctx.set_error_path(
                async_graphql::Error::from(crate::Error::internal(error))
                    .into_server_error(ctx.item.pos),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &Text) -> String {
        let mut json = JsonWriter::default();
        text.write_value(&mut json, &SelectionSet::default());
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn json_strings_are_slices_of_their_source() {
        let source = Bytes::from_static(br#"["a", "\u00e4\n"]"#);
        let texts: Vec<Text> = from_json(&source).unwrap();
        assert_eq!(texts.iter().map(written).collect::<Vec<_>>(), [r#""a""#, r#""\u00e4\n""#]);
        assert_eq!(texts[1].decode().unwrap(), "ä\n");
        let Form::Json(slice) = &texts[0].0 else { panic!("{texts:?}") };
        assert_eq!(slice.as_ptr(), source[1..].as_ptr());
    }

    #[test]
    fn text_of_another_source_is_copied() {
        let text: Text = serde_json::from_str(r#""ä""#).unwrap();
        assert_eq!(written(&text), written(&"ä".to_owned().into()));
        assert!(from_json::<Text>(&Bytes::from_static(b"7")).is_err());
    }
}
