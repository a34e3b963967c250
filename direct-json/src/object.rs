//! Objects whose fields are plain values.

use crate::JsonWriter;

/// A value that is written without a selection: a scalar, or one that may be null.
pub trait WriteValue {
    /// Writes the value exactly as its GraphQL type would be resolved.
    fn write_value(&self, json: &mut JsonWriter<'_>);
}

impl WriteValue for str {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        json.string(self);
    }
}

impl WriteValue for String {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        json.string(self);
    }
}

impl WriteValue for bool {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        json.bool(*self);
    }
}

impl WriteValue for i32 {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        json.number((*self).into());
    }
}

impl WriteValue for i64 {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        json.number(*self);
    }
}

impl<T: WriteValue + ?Sized> WriteValue for &T {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        T::write_value(self, json);
    }
}

impl<T: WriteValue> WriteValue for Option<T> {
    fn write_value(&self, json: &mut JsonWriter<'_>) {
        match self {
            Some(value) => value.write_value(json),
            None => json.null(),
        }
    }
}

/// An object that [`object!`](crate::object!) defines.
pub trait PlainFields {
    /// The GraphQL names of the fields, in the order of the struct.
    const FIELDS: &'static [&'static str];
}

/// Defines a struct whose fields are all plain values, and implements [`PlainFields`] and
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

        impl $crate::PlainFields for $name {
            const FIELDS: &'static [&'static str] = &[$($crate::graphql_name!($field),)+];
        }

        impl $crate::WriteJson for $name {
            fn write_field(
                &self,
                field: &async_graphql::parser::types::Field,
                json: &mut $crate::JsonWriter<'_>,
            ) -> Option<()> {
                let name = field.name.node.as_str();
                $(if name == const { $crate::graphql_name!($field) } {
                    $crate::WriteValue::write_value(&self.$field, json);
                    return Some(());
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
