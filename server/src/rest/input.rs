//! Reads GraphQL values from JSON, by the types that a schema declares.
//!
//! Names are `snake_case` in JSON, and unknown fields are ignored. An `ID` is a positive integer in
//! JSON, a value of an enum its name in lower case.

use std::{borrow::Cow, collections::HashMap};

use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::{
        parse_schema,
        types::{BaseType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};
use schema::{FieldErrors, id};
use serde_json::{Map, Number, Value as Json};

use super::body::missing_reason;

/// The input objects and enums of a schema by name. Any other type is a scalar.
#[derive(Debug)]
pub(super) struct InputTypes(HashMap<Name, InputType>);

#[derive(Debug)]
enum InputType {
    Object(Vec<InputField>),
    Enum(Vec<Name>),
}

/// A field of an input object, or a variable of a document.
#[derive(Debug)]
pub(super) struct InputField {
    pub(super) name: Name,
    pub(super) ty: Type,
    pub(super) json_name: String,
    has_default: bool,
}

impl InputField {
    pub(super) fn new(name: &Name, ty: &Type, has_default: bool) -> Self {
        Self { name: name.clone(), json_name: snake_case(name), ty: ty.clone(), has_default }
    }

    /// Returns the JSON value that text of a query string stands for. Only numbers are no strings.
    pub(super) fn json_from_text(&self, text: &str) -> Json {
        let is_number = matches!(&self.ty.base, BaseType::Named(name) if ["ID", "Int", "BigInt"].contains(&name.as_str()));
        let number = text.parse().ok().filter(|_| is_number);
        number.map_or_else(|| text.into(), Json::Number)
    }

    /// Returns true if the JSON pointer leads to this field of a body, or into it.
    pub(super) fn contains(&self, pointer: &str) -> bool {
        pointer.split('/').nth(1) == Some(&self.json_name)
    }
}

impl From<&InputValueDefinition> for InputField {
    fn from(field: &InputValueDefinition) -> Self {
        Self::new(&field.name.node, &field.ty.node, field.default_value.is_some())
    }
}

impl InputTypes {
    /// Reads the types from the schema definition language.
    ///
    /// # Errors
    /// The position of a syntax error.
    pub(super) fn from_sdl(sdl: &str) -> Result<Self, String> {
        let document = parse_schema(sdl).map_err(|error| error.to_string())?;
        let types = document.definitions.iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            let found = match &definition.node.kind {
                TypeKind::InputObject(object) => InputType::Object(
                    object.fields.iter().map(|field| (&field.node).into()).collect(),
                ),
                TypeKind::Enum(values) => InputType::Enum(
                    values.values.iter().map(|value| value.node.value.node.clone()).collect(),
                ),
                _ => return None,
            };
            Some((definition.node.name.node.clone(), found))
        });
        Ok(Self(types.collect()))
    }

    /// Returns the fields of a type; `None` unless it is an input object.
    pub(super) fn fields_of(&self, ty: &Type) -> Option<&[InputField]> {
        let BaseType::Named(name) = &ty.base else { return None };
        match self.0.get(name) {
            Some(InputType::Object(fields)) => Some(fields),
            _ => None,
        }
    }

    /// Reads fields from a JSON object. An error names each bad one by its pointer, and a valid
    /// placeholder stands for it.
    pub(super) fn read_fields(
        &self,
        fields: &[InputField],
        object: &mut Map<String, Json>,
        parent: &str,
        errors: &mut FieldErrors,
    ) -> IndexMap<Name, Value> {
        let mut values = IndexMap::with_capacity(fields.len());
        for field in fields {
            let json = object.remove(&field.json_name);
            if json.is_none() && (field.ty.nullable || field.has_default) {
                continue;
            }
            let pointer = format!("{parent}/{}", field.json_name);
            values.insert(field.name.clone(), self.read_value(&field.ty, json, &pointer, errors));
        }
        values
    }

    /// Reads one value.
    fn read_value(
        &self,
        ty: &Type,
        json: Option<Json>,
        pointer: &str,
        errors: &mut FieldErrors,
    ) -> Value {
        if let Some(detail) = missing_reason(json.as_ref()) {
            if !ty.nullable {
                errors.push(pointer, detail);
            }
            return self.placeholder(ty);
        }
        let json = json.unwrap_or_default();
        let read = match (&ty.base, json) {
            (BaseType::List(item), Json::Array(items)) => {
                let items = items.into_iter().enumerate().map(|(index, json)| {
                    self.read_value(item, Some(json), &format!("{pointer}/{index}"), errors)
                });
                Ok(Value::List(items.collect()))
            }
            (BaseType::List(_), _) => Err("must be an array".into()),
            (BaseType::Named(name), json) => self.read_named(name, json, pointer, errors),
        };
        read.unwrap_or_else(|detail| {
            errors.push(pointer, detail);
            self.placeholder(ty)
        })
    }

    fn read_named(
        &self,
        name: &Name,
        json: Json,
        pointer: &str,
        errors: &mut FieldErrors,
    ) -> Result<Value, Cow<'static, str>> {
        match (self.0.get(name), json) {
            (Some(InputType::Object(fields)), Json::Object(mut object)) => {
                Ok(Value::Object(self.read_fields(fields, &mut object, pointer, errors)))
            }
            (Some(InputType::Object(_)), _) => Err("must be an object".into()),
            (Some(InputType::Enum(names)), json) => {
                let found = names.iter().find(|name| json == name.to_lowercase());
                found.map(|name| Value::Enum(name.clone())).ok_or_else(|| {
                    let names: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
                    format!("must be one of {}", names.join(", ")).into()
                })
            }
            (None, json) => read_scalar(name, json).map_err(Cow::from),
        }
    }

    /// Returns a value that the type accepts.
    fn placeholder(&self, ty: &Type) -> Value {
        if ty.nullable {
            return Value::Null;
        }
        let BaseType::Named(name) = &ty.base else { return Value::List(Vec::new()) };
        match self.0.get(name) {
            Some(InputType::Object(fields)) => {
                let required = fields.iter().filter(|field| !field.ty.nullable);
                let values =
                    required.map(|field| (field.name.clone(), self.placeholder(&field.ty)));
                Value::Object(values.collect())
            }
            Some(InputType::Enum(names)) => names.first().cloned().map_or(Value::Null, Value::Enum),
            None => match name.as_str() {
                "Int" | "BigInt" | "Float" => 0.into(),
                "Boolean" => false.into(),
                _ => "".into(),
            },
        }
    }
}

/// Reads a scalar. One of an unknown name is text.
fn read_scalar(name: &str, json: Json) -> Result<Value, &'static str> {
    match (name, json) {
        ("ID", json) => {
            let integer = json.as_number().and_then(parse_integer);
            let id = integer.filter(|integer| id::parse(&integer.to_string()).is_some());
            id.map(|id| id.to_string().into()).ok_or("must be a positive integer")
        }
        ("Int", json) => {
            let integer = json.as_number().and_then(parse_integer);
            let integer = integer.and_then(|integer| i32::try_from(integer).ok());
            integer.map(Value::from).ok_or("must be an integer of 32 bits")
        }
        ("BigInt", json) => {
            let integer = json.as_number().and_then(parse_integer);
            integer.map(Value::from).ok_or("must be an integer of 64 bits")
        }
        ("Float", Json::Number(number)) => Ok(Value::Number(number)),
        ("Float", _) => Err("must be a number"),
        ("Boolean", Json::Bool(flag)) => Ok(flag.into()),
        ("Boolean", _) => Err("must be true or false"),
        (_, Json::String(text)) => Ok(text.into()),
        _ => Err("must be a string"),
    }
}

/// Returns the integer that a number is. To JSON Schema, and to JavaScript, 1.0 is an integer.
fn parse_integer(number: &Number) -> Option<i64> {
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// Returns the name as REST writes it: `new_password` for `newPassword`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use async_graphql::value;
    use serde_json::json;

    use super::*;

    const SDL: &str = "
        input Ad {
            userId: ID!
            title: String!
            text: String
            price: Money
            status: AdStatus
            tags: [String!]
            isNew: Boolean! = true
            stock: Int
        }
        input Money { amount: BigInt! currency: String! }
        enum AdStatus { OPEN NOT_YET_OPEN }
    ";

    fn read(ty: &str, json: Json) -> (Value, Vec<(String, String)>) {
        let types = InputTypes::from_sdl(SDL).unwrap();
        let mut errors = FieldErrors::default();
        let value = types.read_value(&Type::new(ty).unwrap(), Some(json), "", &mut errors);
        let fields = errors.into_result().map_or_else(|error| error.field_errors, |()| Vec::new());
        (value, fields.into_iter().map(|field| (field.pointer, field.detail.into())).collect())
    }

    fn errors(ty: &str, json: Json) -> Vec<(String, String)> {
        read(ty, json).1
    }

    fn named(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(pointer, detail)| ((*pointer).into(), (*detail).into())).collect()
    }

    #[test]
    fn reports_each_bad_field_once() {
        let body = json!({ "user_id": 1.5, "title": 5, "text": null });
        let expected = [("/user_id", "must be a positive integer"), ("/title", "must be a string")];
        assert_eq!(errors("Ad", body), named(&expected));
        let body = json!({ "title": null, "is_new": null });
        let expected = [
            ("/user_id", "is missing"),
            ("/title", "must not be null"),
            ("/is_new", "must not be null"),
        ];
        assert_eq!(errors("Ad", body), named(&expected));
    }

    #[test]
    fn reports_bad_values_inside_of_lists_and_objects() {
        let body = json!({
            "user_id": 1, "title": "a", "price": { "amount": 1e30 }, "status": "OPEN",
            "tags": ["a", 1], "is_new": 1, "stock": 3e9,
        });
        let expected = [
            ("/price/amount", "must be an integer of 64 bits"),
            ("/price/currency", "is missing"),
            ("/status", "must be one of open, not_yet_open"),
            ("/tags/1", "must be a string"),
            ("/is_new", "must be true or false"),
            ("/stock", "must be an integer of 32 bits"),
        ];
        assert_eq!(errors("Ad", body), named(&expected));
        let body = json!({ "user_id": 1, "title": "a", "price": 1, "tags": "a" });
        let expected = [("/price", "must be an object"), ("/tags", "must be an array")];
        assert_eq!(errors("Ad", body), named(&expected));
    }

    #[test]
    fn good_values_are_as_graphql_has_them() {
        let body = json!({
            "user_id": 7, "title": "a", "text": null, "price": { "amount": 5.0, "currency": "EUR" },
            "status": "not_yet_open", "tags": ["a"], "unknown": {},
        });
        let mut expected = value!({
            "userId": "7", "title": "a", "text": null, "price": { "amount": 5, "currency": "EUR" },
            "tags": ["a"],
        });
        if let Value::Object(fields) = &mut expected {
            fields.insert(Name::new("status"), Value::Enum(Name::new("NOT_YET_OPEN")));
        }
        assert_eq!(read("Ad", body), (expected, Vec::new()));
    }

    #[test]
    fn id_is_an_integer_in_any_notation() {
        for (json, id) in [(json!(7), "7"), (json!(7.0), "7"), (json!(1e3), "1000")] {
            assert_eq!(read("ID!", json), (id.into(), Vec::new()));
        }
        for bad in [json!("7"), json!(-7), json!(1e40), json!(0), json!(u64::MAX)] {
            assert_eq!(errors("ID!", bad), named(&[("", "must be a positive integer")]));
        }
    }

    #[test]
    fn placeholder_of_each_type_is_valid() {
        let value = read("Ad!", Json::Null).0;
        assert_eq!(value, value!({ "userId": "", "title": "", "isNew": false }));
        assert_eq!(read("[Money!]!", Json::Null).0, value!([]));
        assert_eq!(read("Money!", json!(1)).0, value!({ "amount": 0, "currency": "" }));
    }
}
