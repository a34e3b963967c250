//! JSON text that is written piece by piece, without building values first.

use std::{borrow::Cow, collections::HashMap, io::Write};

use async_graphql::{
    ContextSelectionSet, Name, Positioned, Value,
    parser::types::{Field, FragmentDefinition, Selection, SelectionSet},
};
use serde::Serialize;

use crate::{AnswerBudget, WriteJson};

/// JSON text that grows. A value inside of an object or a list is appended to it.
#[derive(Debug, Default)]
pub struct JsonWriter<'a> {
    text: Vec<u8>,
    /// The bytes that it may have; `None` for any number.
    max_bytes: Option<usize>,
    notation: Notation,
    /// The named fragments of the document.
    fragments: Option<&'a HashMap<Name, Positioned<FragmentDefinition>>>,
}

/// The notation of ids and enum values, as data of a request. Resolvers of ids and direct JSON both
/// consult it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notation {
    /// An id is a string, and an enum value has its name in the schema, as GraphQL requires.
    #[default]
    GraphQl,
    /// An id is a number, and an enum value is in lower case, as REST clients expect.
    Rest,
}

impl<'a> JsonWriter<'a> {
    /// Creates an empty writer.
    #[must_use]
    pub fn new(notation: Notation) -> Self {
        Self { notation, ..Self::default() }
    }

    /// Creates an empty writer for a selection of a request, with room for a page of a few rows.
    #[must_use]
    pub fn for_selection(ctx: &ContextSelectionSet<'a>) -> Self {
        let notation = ctx.data_opt().copied().unwrap_or_default();
        let fragments = Some(&ctx.query_env.fragments);
        let max_bytes = AnswerBudget::from_ctx(ctx).map(AnswerBudget::unwritten);
        Self { text: Vec::with_capacity(2048), max_bytes, notation, fragments }
    }

    /// Creates an empty writer that is [full](Self::is_full) past a number of bytes.
    #[must_use]
    pub fn with_limit(max_bytes: usize) -> Self {
        Self { max_bytes: Some(max_bytes), ..Self::default() }
    }

    /// Returns true if the JSON is larger than its limit. It is not complete then: objects and lists
    /// that were begun are given up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.max_bytes.is_some_and(|limit| self.text.len() > limit)
    }

    /// Returns the number of bytes written.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Writes a string.
    pub fn string(&mut self, text: &str) {
        // Writing to a `Vec` and serializing a `&str` cannot fail.
        let _ = self.serialize(&text);
    }

    /// Writes a value with serde.
    ///
    /// # Errors
    /// Fails if the value has no form in JSON; a part of it may have been written.
    pub fn serialize(&mut self, value: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(&mut self.text, value)
    }

    /// Writes an id.
    pub fn id(&mut self, id: i64) {
        match self.notation {
            Notation::GraphQl => self.display(format_args!("\"{id}\"")),
            Notation::Rest => self.number(id),
        }
    }

    /// Writes the value of an enum that has this name in the schema.
    pub fn enum_value(&mut self, name: &str) {
        match self.notation {
            Notation::GraphQl => self.string(name),
            Notation::Rest => self.string(&name.to_ascii_lowercase()),
        }
    }

    /// Writes an integer.
    pub fn number(&mut self, number: i64) {
        self.display(format_args!("{number}"));
    }

    /// Writes true or false.
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.raw(b"null");
    }

    /// Appends text that is JSON already.
    pub fn raw(&mut self, json: &[u8]) {
        self.text.extend_from_slice(json);
    }

    /// Writes the key of a member, which must need no escapes. Its value must follow.
    pub fn key(&mut self, name: &str) {
        if self.text.last() != Some(&b'{') {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }

    /// Writes an object with the members that `members` writes.
    pub fn object<T>(&mut self, members: impl FnOnce(&mut Self) -> T) -> T {
        self.text.push(b'{');
        let done = members(self);
        self.text.push(b'}');
        done
    }

    /// Writes the selected fields of an object, or returns `None` if one needs its resolver.
    pub fn object_of<T: WriteJson>(&mut self, selection: &SelectionSet, object: &T) -> Option<()> {
        self.selection(selection, T::type_name, |json, field| object.write_field(field, json))
    }

    /// Writes the selected fields of an object of this type with `write`, or returns `None` if
    /// `write` does.
    pub fn selection(
        &mut self,
        selection: &SelectionSet,
        type_name: fn() -> Cow<'static, str>,
        mut write: impl FnMut(&mut Self, &Field) -> Option<()>,
    ) -> Option<()> {
        self.object(|json| json.fields(selection, type_name, &mut write))
    }

    fn fields(
        &mut self,
        selection: &SelectionSet,
        type_name: fn() -> Cow<'static, str>,
        write: &mut impl FnMut(&mut Self, &Field) -> Option<()>,
    ) -> Option<()> {
        if self.is_full() {
            return None;
        }
        selection.items.iter().try_for_each(|item| {
            let (directives, condition, selection) = match &item.node {
                Selection::Field(field) if field.node.directives.is_empty() => {
                    self.key(&field.node.response_key().node);
                    if field.node.name.node == "__typename" {
                        self.string(&type_name());
                        return Some(());
                    }
                    return write(self, &field.node);
                }
                Selection::Field(_) => return None,
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let condition = fragment.type_condition.as_ref();
                    (&fragment.directives, condition, &fragment.selection_set)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.fragments?.get(&spread.node.fragment_name.node)?.node;
                    let condition = Some(&fragment.type_condition);
                    (&spread.node.directives, condition, &fragment.selection_set)
                }
            };
            let same_type = condition.is_none_or(|on| *on.node.on.node == *type_name());
            let plain = directives.is_empty() && same_type;
            plain.then(|| self.fields(&selection.node, type_name, write)).flatten()
        })
    }

    /// Writes a list of items with `write`, or returns `None` if `write` does.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Option<()>,
    ) -> Option<()> {
        self.text.push(b'[');
        let start = self.text.len();
        for item in items {
            if self.text.len() > start {
                self.text.push(b',');
            }
            write(self, item)?;
        }
        self.text.push(b']');
        Some(())
    }

    /// Writes a GraphQL value. A binary value is appended as the JSON that it is.
    pub fn value(&mut self, value: &Value) {
        match value {
            // Neither lists nor objects, which call this for each of theirs, are written on.
            _ if self.is_full() => (),
            Value::Null => self.null(),
            Value::Number(number) => self.display(format_args!("{number}")),
            Value::String(text) => self.string(text),
            Value::Boolean(value) => self.bool(*value),
            Value::Binary(json) => {
                // Often nearly the whole response: reserve the closing brackets along with it.
                self.text.reserve(json.len() + 16);
                self.raw(json);
            }
            Value::Enum(name) => self.enum_value(name),
            Value::List(items) => {
                self.list(items, |json, item| {
                    json.value(item);
                    Some(())
                });
            }
            Value::Object(members) => self.object(|json| {
                for (name, value) in members {
                    json.key(name);
                    json.value(value);
                }
            }),
        }
    }

    /// Returns the JSON as a value, which [`Self::value`] appends unchanged.
    #[must_use]
    pub fn into_value(mut self) -> Value {
        // A response may hold many small values until it is sent.
        if self.text.len() < self.text.capacity() / 2 {
            self.text.shrink_to_fit();
        }
        Value::Binary(self.text.into())
    }

    /// Returns the JSON.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn display(&mut self, value: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(value);
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn written(value: &Value) -> String {
        let mut json = JsonWriter::default();
        json.value(value);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn values_are_written_as_by_serde() {
        let value = value!({
            "null": null, "number": -1.5, "big": (u64::MAX), "flag": true, "empty": {}, "none": [],
            "text": "\"\\\n\u{1}\u{7f}ä💣", "list": [1, [2], { "a": null }],
        });
        assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn binary_values_are_appended_unchanged() {
        let mut json = JsonWriter::new(Notation::Rest);
        let ids = json.list([7, 8], |json, id| {
            json.id(id);
            Some(())
        });
        assert!(ids.is_some());
        let value = Value::List(vec![json.into_value()]);
        assert_eq!(written(&value), "[[7,8]]");
    }
}
