//! JSON that is written once, piece by piece, rather than built as values first.

use std::{borrow::Cow, io::Write};

use async_graphql::{
    Value,
    parser::types::{Field, Selection, SelectionSet},
};
use serde::Serialize;

/// JSON text that grows. What is written into an object or a list takes its place after what is
/// there already.
#[derive(Debug, Default)]
pub struct JsonWriter {
    text: Vec<u8>,
    ids: IdFormat,
}

/// How ids are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdFormat {
    /// As text: GraphQL.
    #[default]
    String,
    /// As numbers: REST.
    Number,
}

impl JsonWriter {
    /// Nothing yet, with room for a page of a few rows.
    #[must_use]
    pub fn new(ids: IdFormat) -> Self {
        Self { text: Vec::with_capacity(2048), ids }
    }

    /// Writes a string.
    pub fn text(&mut self, text: &str) {
        // Memory takes whatever is written, and any text can be told as JSON.
        let _ = self.serialize(&text);
    }

    /// Writes whatever serde can.
    ///
    /// # Errors
    /// What cannot be told as JSON; what was written of it is not taken back.
    pub fn serialize(&mut self, value: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(&mut self.text, value)
    }

    /// Writes an id.
    pub fn id(&mut self, id: i64) {
        match self.ids {
            IdFormat::String => self.display(format_args!("\"{id}\"")),
            IdFormat::Number => self.number(id),
        }
    }

    /// Writes a whole number.
    pub fn number(&mut self, number: i64) {
        self.display(format_args!("{number}"));
    }

    /// Writes true or false.
    pub fn flag(&mut self, flag: bool) {
        self.display(format_args!("{flag}"));
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.as_is(b"null");
    }

    /// Writes what is JSON already.
    pub fn as_is(&mut self, json: &[u8]) {
        self.text.extend_from_slice(json);
    }

    /// Writes the name of a member, which must need no escapes; its value is to follow.
    pub fn member(&mut self, name: &str) {
        if self.text.last() != Some(&b'{') {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.as_is(name.as_bytes());
        self.as_is(b"\":");
    }

    /// Writes an object of members.
    pub fn object<T>(&mut self, members: impl FnOnce(&mut Self) -> T) -> T {
        self.text.push(b'{');
        let done = members(self);
        self.text.push(b'}');
        done
    }

    /// Writes an object of this type by the fields that are selected of it; nothing where one cannot
    /// be written.
    pub fn selected(
        &mut self,
        selection: &SelectionSet,
        type_name: fn() -> Cow<'static, str>,
        mut write: impl FnMut(&mut Self, &Field) -> Option<()>,
    ) -> Option<()> {
        self.object(|json| json.members(selection, type_name, &mut write))
    }

    fn members(
        &mut self,
        selection: &SelectionSet,
        type_name: fn() -> Cow<'static, str>,
        write: &mut impl FnMut(&mut Self, &Field) -> Option<()>,
    ) -> Option<()> {
        selection.items.iter().try_for_each(|item| match &item.node {
            Selection::Field(field) if field.node.directives.is_empty() => {
                self.member(&field.node.response_key().node);
                if field.node.name.node == "__typename" {
                    self.text(&type_name());
                    return Some(());
                }
                write(self, &field.node)
            }
            Selection::InlineFragment(fragment) if fragment.node.directives.is_empty() => {
                let condition = fragment.node.type_condition.as_ref();
                let same = condition.is_none_or(|on| *on.node.on.node == *type_name());
                let selection = &fragment.node.selection_set.node;
                same.then(|| self.members(selection, type_name, write)).flatten()
            }
            _ => None,
        })
    }

    /// Writes a list of items; nothing where one cannot be written.
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

    /// Writes a value of GraphQL. One that is binary is JSON already.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Number(number) => self.display(format_args!("{number}")),
            Value::String(text) => self.text(text),
            Value::Boolean(flag) => self.flag(*flag),
            Value::Binary(json) => {
                // Often almost all there is: no second time for the brackets that close it.
                self.text.reserve(json.len() + 16);
                self.as_is(json);
            }
            Value::Enum(name) => self.text(name),
            Value::List(items) => {
                self.list(items, |json, item| {
                    json.value(item);
                    Some(())
                });
            }
            Value::Object(members) => self.object(|json| {
                for (name, value) in members {
                    json.member(name);
                    json.value(value);
                }
            }),
        }
    }

    /// What was written, as a value that [`Self::value`] writes as it is.
    #[must_use]
    pub fn into_value(mut self) -> Value {
        // An answer may hold many small ones until it is sent.
        if self.text.len() < self.text.capacity() / 2 {
            self.text.shrink_to_fit();
        }
        Value::Binary(self.text.into())
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn display(&mut self, what: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(what);
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
    fn a_value_is_written_as_serde_writes_it() {
        let value = value!({
            "null": null, "number": -1.5, "big": (u64::MAX), "flag": true, "empty": {}, "none": [],
            "text": "\"\\\n\u{1}\u{7f}ä💣", "list": [1, [2], { "a": null }],
        });
        assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn what_is_json_already_is_written_as_it_is() {
        let mut json = JsonWriter::new(IdFormat::Number);
        let ids = json.list([7, 8], |json, id| {
            json.id(id);
            Some(())
        });
        assert!(ids.is_some());
        let value = Value::List(vec![json.into_value()]);
        assert_eq!(written(&value), "[[7,8]]");
    }
}
