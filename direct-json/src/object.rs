//! Objects whose fields are plain values.

use async_graphql::parser::types::SelectionSet;

use crate::JsonWriter;

/// A value that needs no resolver: a scalar, an object of such values, or one of these that may be
/// null.
pub trait WriteValue {
    /// The fields of an object, in the order of the struct. A scalar has none.
    const FIELDS: &'static [PlainField] = &[];

    /// Writes the value exactly as its GraphQL type would be resolved. The selection is that of an
    /// object. Returns `None` if it needs a resolver.
    fn write_value(&self, json: &mut JsonWriter<'_>, selection: &SelectionSet) -> Option<()>;
}

/// A field of an object that [`object!`](crate::object!) defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainField {
    /// The GraphQL name.
    pub name: &'static str,
    /// The fields of its value, if that is an object.
    pub fields: &'static [PlainField],
}

/// Returns the text of the selection set that selects `fields` with all their fields.
pub fn selection_text<'a>(fields: impl IntoIterator<Item = &'a PlainField>) -> String {
    let fields = fields.into_iter().map(|field| match field.fields {
        [] => field.name.to_owned(),
        inner => format!("{}{{{}}}", field.name, selection_text(inner)),
    });
    fields.collect::<Vec<_>>().join(" ")
}

impl WriteValue for str {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.string(self);
        Some(())
    }
}

impl WriteValue for String {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.string(self);
        Some(())
    }
}

impl WriteValue for bool {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.bool(*self);
        Some(())
    }
}

impl WriteValue for i32 {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.number((*self).into());
        Some(())
    }
}

impl WriteValue for i64 {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.number(*self);
        Some(())
    }
}

impl<T: WriteValue + ?Sized> WriteValue for &T {
    const FIELDS: &'static [PlainField] = T::FIELDS;

    fn write_value(&self, json: &mut JsonWriter<'_>, selection: &SelectionSet) -> Option<()> {
        T::write_value(self, json, selection)
    }
}

impl<T: WriteValue> WriteValue for Option<T> {
    const FIELDS: &'static [PlainField] = T::FIELDS;

    fn write_value(&self, json: &mut JsonWriter<'_>, selection: &SelectionSet) -> Option<()> {
        if let Some(value) = self {
            return value.write_value(json, selection);
        }
        json.null();
        Some(())
    }
}

/// Defines a struct whose fields are all plain values, and implements [`WriteValue`] and
/// [`WriteJson`](crate::WriteJson) from that one list. A field has its GraphQL name: `created_at`
/// is `createdAt`.
///
/// The struct is to derive `async_graphql::SimpleObject`; fields that need a resolver go into a
/// `ComplexObject`.
#[macro_export]
macro_rules! object {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$meta])*
        $visibility struct $name {
            $($(#[$field_meta])* $field_visibility $field: $type,)+
        }

        impl $crate::WriteValue for $name {
            const FIELDS: &'static [$crate::PlainField] = &[$($crate::PlainField {
                name: $crate::graphql_name!($field),
                fields: <$type as $crate::WriteValue>::FIELDS,
            },)+];

            fn write_value(
                &self,
                json: &mut $crate::JsonWriter<'_>,
                selection: &async_graphql::parser::types::SelectionSet,
            ) -> Option<()> {
                json.object_of(selection, self)
            }
        }

        impl $crate::WriteJson for $name {
            fn write_field(
                &self,
                field: &async_graphql::parser::types::Field,
                json: &mut $crate::JsonWriter<'_>,
            ) -> Option<()> {
                let name = field.name.node.as_str();
                $(if name == const { $crate::graphql_name!($field) } {
                    let selection = &field.selection_set.node;
                    return $crate::WriteValue::write_value(&self.$field, json, selection);
                })+
                None
            }
        }
    };
}

/// The GraphQL name of a Rust field as a constant: `createdAt` for `created_at`.
#[macro_export]
macro_rules! graphql_name {
    ($field:ident) => {{
        const RUST: &str = stringify!($field);
        const GRAPHQL: [u8; $crate::camel_case_length(RUST)] = $crate::camel_case(RUST);
        match str::from_utf8(&GRAPHQL) {
            Ok(name) => name,
            Err(_) => RUST,
        }
    }};
}

/// Returns the length of `snake_case` without its underscores.
#[must_use]
pub const fn camel_case_length(snake_case: &str) -> usize {
    let (mut index, mut length) = (0, 0);
    while index < snake_case.len() {
        if snake_case.as_bytes()[index] != b'_' {
            length += 1;
        }
        index += 1;
    }
    length
}

/// Converts `snake_case` to `camelCase`, in `LENGTH` bytes as [`camel_case_length`] returns them.
#[must_use]
pub const fn camel_case<const LENGTH: usize>(snake_case: &str) -> [u8; LENGTH] {
    let mut camel_case = [0; LENGTH];
    let (mut index, mut length, mut upper) = (0, 0, false);
    while index < snake_case.len() {
        let byte = snake_case.as_bytes()[index];
        if byte == b'_' {
            upper = true;
        } else {
            camel_case[length] = if upper { byte.to_ascii_uppercase() } else { byte };
            length += 1;
            upper = false;
        }
        index += 1;
    }
    camel_case
}
