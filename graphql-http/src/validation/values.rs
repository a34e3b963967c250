//! Values in documents (section 5.6). Input fields that are given twice are found by `syntax`.

use async_graphql::{
    Name, Pos,
    indexmap::IndexMap,
    parser::types::{BaseType, InputObjectType, Type, TypeDefinition, TypeKind},
};
use async_graphql_value::Value;

use super::{
    DocumentValidator,
    types::{is_one_of, is_required},
    variables::{VariableLocation, VariableUse},
};

impl<'a> DocumentValidator<'a> {
    /// Checks a value against the type of its place, which is `None` in a scalar of the application
    /// and where nothing is expected.
    pub(super) fn check_value(
        &mut self,
        value: &Value,
        place: Option<VariableLocation<'a>>,
        pos: Pos,
    ) {
        match (value, place.map(|place| place.ty)) {
            (Value::Variable(name), _) => {
                self.uses.variables.push(VariableUse { name: name.clone(), pos, location: place });
            }
            (Value::Null, Some(ty)) if ty.nullable => (),
            (Value::List(items), Some(Type { base: BaseType::List(inner), .. })) => {
                for item in items {
                    self.check_value(item, Some(VariableLocation::new(inner)), pos);
                }
            }
            // A value stands for the list of it (3.11, "Input coercion").
            (_, Some(Type { base: BaseType::List(inner), .. })) if *value != Value::Null => {
                self.check_value(value, Some(VariableLocation::new(inner)), pos);
            }
            (_, Some(ty)) => {
                let definition = match &ty.base {
                    BaseType::Named(name) => self.types.get(name),
                    BaseType::List(_) => None,
                };
                self.check_named_value(value, ty, definition, pos);
            }
            (Value::List(items), None) => {
                for item in items {
                    self.check_value(item, None, pos);
                }
            }
            (Value::Object(fields), None) => {
                for field in fields.values() {
                    self.check_value(field, None, pos);
                }
            }
            (_, None) => (),
        }
    }

    fn check_named_value(
        &mut self,
        value: &Value,
        ty: &Type,
        definition: Option<&'a TypeDefinition>,
        pos: Pos,
    ) {
        let fits = match (definition.map(|definition| &definition.kind), value) {
            (None, _) | (_, Value::Null) => false,
            (Some(TypeKind::InputObject(of)), Value::Object(fields)) => {
                return self.check_input_object(
                    fields,
                    ty,
                    of,
                    definition.is_some_and(is_one_of),
                    pos,
                );
            }
            (Some(TypeKind::Enum(of)), Value::Enum(name)) => {
                of.values.iter().any(|known| known.node.value.node == *name)
            }
            (Some(TypeKind::Scalar), _) => match built_in_scalar(ty, value) {
                Some(fits) => fits,
                // A scalar of the application, which reads the value itself.
                None => return self.check_value(value, None, pos),
            },
            _ => false,
        };
        if !fits {
            self.report(format!("Expected a value of type \"{ty}\"."), pos);
            // For the variables in it.
            self.check_value(value, None, pos);
        }
    }

    fn check_input_object(
        &mut self,
        fields: &IndexMap<Name, Value>,
        ty: &Type,
        definition: &'a InputObjectType,
        is_one_of: bool,
        pos: Pos,
    ) {
        for (name, value) in fields {
            let mut known = definition.fields.iter().map(|known| &known.node);
            let field = known.find(|known| known.name.node == *name);
            if field.is_none() {
                let message = format!("The type \"{ty}\" has no input field \"{name}\".");
                let known = definition.fields.iter().map(|known| known.node.name.node.as_str());
                self.report_unknown(&message, name, known, pos);
            }
            let place = field.map(VariableLocation::of);
            self.check_value(
                value,
                place.map(|place| VariableLocation { is_one_of, ..place }),
                pos,
            );
        }
        for field in &definition.fields {
            let (name, field_type) = (&field.node.name.node, &field.node.ty.node);
            if is_required(&field.node) && !fields.contains_key(name) {
                let message =
                    format!("The input field \"{name}\" of type \"{field_type}\" must be given.");
                self.report(message, pos);
            }
        }
        if is_one_of && (fields.len() != 1 || fields.values().any(|value| *value == Value::Null)) {
            self.report(format!("A \"{ty}\" has exactly one field, which is not null."), pos);
        }
    }
}

/// Returns whether a literal is one of a built-in scalar (section 3.5); `None` for other scalars.
fn built_in_scalar(ty: &Type, value: &Value) -> Option<bool> {
    let BaseType::Named(name) = &ty.base else { return None };
    Some(match (name.as_str(), value) {
        ("Int", Value::Number(number)) => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
        }
        // An integer beyond 64 bits was read as a float.
        ("ID", Value::Number(number)) => {
            !number.is_f64() || number.as_f64().is_some_and(|number| number.abs() >= 2f64.powi(63))
        }
        ("Float", Value::Number(_))
        | ("ID" | "String", Value::String(_))
        | ("Boolean", Value::Boolean(_)) => true,
        ("Int" | "ID" | "Float" | "String" | "Boolean", _) => false,
        _ => return None,
    })
}
