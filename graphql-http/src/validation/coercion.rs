//! The values of variables (section 6.1.2, `CoerceVariableValues`).

use async_graphql::{
    Name, ServerError, Value, Variables,
    indexmap::IndexMap,
    parser::types::{BaseType, InputObjectType, OperationDefinition, Type, TypeKind},
};
use serde_json::Number;

use super::{
    SchemaTypes,
    types::{is_one_of, is_required},
};
use crate::error::{EndpointErrorCode, RequestError};

/// Returns the values that an operation runs with: of the variables that it defines, with their
/// defaults. A nullable one without a value and a default is left out. Numbers such as `1.0` become
/// integers where an `Int` is expected.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` that names each variable that is missing or of another type.
pub(crate) fn coerce_variables(
    operation: &OperationDefinition,
    mut given: Variables,
    types: &SchemaTypes,
) -> Result<Variables, RequestError> {
    let mut values = Variables::default();
    let mut errors = Vec::new();
    for definition in &operation.variable_definitions {
        let pos = definition.pos;
        let definition = &definition.node;
        let (name, ty) = (&definition.name.node, &definition.var_type.node);
        let value = match (given.remove(name), &definition.default_value) {
            (Some(value), _) => coerce_value(value, ty, types),
            (None, Some(default)) => coerce_value(default.node.clone(), ty, types),
            (None, None) if ty.nullable => continue,
            (None, None) => Err(Mismatch { path: String::new(), expected: "a value".to_owned() }),
        };
        match value {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(Mismatch { path, expected }) => {
                let message =
                    format!("The variable \"${name}\" of type \"{ty}\" needs {expected}{path}.");
                errors.push(ServerError::new(message, Some(pos)));
            }
        }
    }
    if errors.is_empty() {
        return Ok(values);
    }
    Err(RequestError::from_errors(EndpointErrorCode::GraphqlValidationFailed, errors))
}

/// A value that is not of its type.
struct Mismatch {
    /// The place of the value, as ` at .field.0`; empty for the variable itself.
    path: String,
    expected: String,
}

impl Mismatch {
    fn new(expected: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into() }
    }

    fn within(mut self, step: impl std::fmt::Display) -> Self {
        let rest = self.path.strip_prefix(" at ").unwrap_or_default();
        self.path = format!(" at .{step}{rest}");
        self
    }
}

fn coerce_value(value: Value, ty: &Type, types: &SchemaTypes) -> Result<Value, Mismatch> {
    match (&ty.base, value) {
        (_, Value::Null) if ty.nullable => Ok(Value::Null),
        (_, Value::Null) => Err(Mismatch::new("a value that is not null")),
        (BaseType::List(inner), Value::List(items)) => {
            let items = items.into_iter().enumerate().map(|(index, item)| {
                coerce_value(item, inner, types).map_err(|mismatch| mismatch.within(index))
            });
            items.collect::<Result<_, _>>().map(Value::List)
        }
        (BaseType::List(inner), value) => Ok(Value::List(vec![coerce_value(value, inner, types)?])),
        (BaseType::Named(name), value) => coerce_named(value, name, types),
    }
}

fn coerce_named(value: Value, name: &Name, types: &SchemaTypes) -> Result<Value, Mismatch> {
    let definition = types.get(name);
    let fits = match (definition.map(|definition| &definition.kind), &value) {
        (Some(TypeKind::InputObject(of)), Value::Object(_)) => {
            let is_one_of = definition.is_some_and(is_one_of);
            return coerce_object(value, of, is_one_of, types);
        }
        // JSON has no enums.
        (Some(TypeKind::Enum(of)), Value::String(name)) => {
            of.values.iter().any(|known| known.node.value.node == name.as_str())
        }
        (Some(TypeKind::Enum(of)), Value::Enum(name)) => {
            of.values.iter().any(|known| known.node.value.node == *name)
        }
        (Some(TypeKind::Scalar), _) => match (name.as_str(), &value) {
            ("Int", Value::Number(number)) => {
                return integer_value(number)
                    .map(Value::from)
                    .ok_or_else(|| Mismatch::new("a 32-bit integer"));
            }
            ("ID", Value::Number(number)) => !number.is_f64(),
            ("Float", Value::Number(_))
            | ("ID" | "String", Value::String(_))
            | ("Boolean", Value::Boolean(_)) => true,
            ("Int" | "ID" | "Float" | "String" | "Boolean", _) => false,
            _ => true,
        },
        _ => false,
    };
    if fits { Ok(value) } else { Err(Mismatch::new(format!("a value of type \"{name}\""))) }
}

/// Returns an integer of 32 bits, also one that is written as `1.0`.
fn integer_value(number: &Number) -> Option<i32> {
    if let Some(number) = number.as_i64() {
        return i32::try_from(number).ok();
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    format!("{float:.0}").parse().ok()
}

fn coerce_object(
    value: Value,
    definition: &InputObjectType,
    is_one_of: bool,
    types: &SchemaTypes,
) -> Result<Value, Mismatch> {
    let Value::Object(given) = value else { return Ok(value) };
    let has_one = given.len() == 1 && given.values().all(|value| *value != Value::Null);
    if is_one_of && !has_one {
        return Err(Mismatch::new("exactly one field, which is not null,"));
    }
    let mut fields = IndexMap::with_capacity(given.len());
    for (name, value) in given {
        let mut known = definition.fields.iter().map(|field| &field.node);
        let Some(field) = known.find(|known| known.name.node == name) else {
            return Err(Mismatch::new("no unknown field").within(name));
        };
        let value = coerce_value(value, &field.ty.node, types).map_err(|one| one.within(&name))?;
        fields.insert(name, value);
    }
    for field in definition.fields.iter().map(|field| &field.node) {
        if is_required(field) && !fields.contains_key(&field.name.node) {
            return Err(Mismatch::new("a value").within(&field.name.node));
        }
    }
    Ok(Value::Object(fields))
}
