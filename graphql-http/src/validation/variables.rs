//! Variables (section 5.8), independent of their values.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue,
    parser::types::{
        BaseType, DirectiveLocation, InputValueDefinition, OperationDefinition, Type, TypeKind,
        VariableDefinition,
    },
};

use super::{DocumentValidator, Uses, types::base_type};

/// A place where a value of a type is expected.
#[derive(Clone, Copy)]
pub(super) struct VariableLocation<'a> {
    pub(super) ty: &'a Type,
    pub(super) has_default: bool,
    /// True for a field of an input object that has exactly one.
    pub(super) is_one_of: bool,
}

impl<'a> VariableLocation<'a> {
    pub(super) fn new(ty: &'a Type) -> Self {
        Self { ty, has_default: false, is_one_of: false }
    }

    /// Returns the place of an argument or input field.
    pub(super) fn of(definition: &'a InputValueDefinition) -> Self {
        Self { has_default: definition.default_value.is_some(), ..Self::new(&definition.ty.node) }
    }
}

/// A place where a variable is used.
pub(super) struct VariableUse<'a> {
    pub(super) name: Name,
    pub(super) pos: Pos,
    /// `None` in a scalar of the application, and where nothing is expected.
    pub(super) location: Option<VariableLocation<'a>>,
}

impl<'a> DocumentValidator<'a> {
    /// Checks the variables of an operation, which it and the fragments that it spreads use.
    pub(super) fn check_variables<'u>(
        &mut self,
        operation: &'a OperationDefinition,
        uses: impl Iterator<Item = &'u Uses<'a>>,
    ) where
        'a: 'u,
    {
        let mut defined: HashMap<&str, &VariableDefinition> = HashMap::new();
        for Positioned { pos, node: definition } in &operation.variable_definitions {
            self.check_variable_definition(definition, *pos);
            let name = &definition.name.node;
            if defined.insert(name, definition).is_some() {
                self.report(format!("There are several variables \"${name}\"."), *pos);
            }
        }
        let mut names = HashSet::new();
        for VariableUse { name, pos, location } in uses.flat_map(|uses| &uses.variables) {
            names.insert(name.as_str());
            match (defined.get(name.as_str()), location) {
                (None, _) => self.report(format!("There is no variable \"${name}\"."), *pos),
                (Some(definition), Some(location)) => {
                    self.check_position(definition, *location, *pos);
                }
                (Some(_), None) => (),
            }
        }
        for Positioned { pos, node: definition } in &operation.variable_definitions {
            let name = &definition.name.node;
            if !names.contains(name.as_str()) {
                self.report(format!("The variable \"${name}\" is not used."), *pos);
            }
        }
    }

    /// 5.8.2, "Variables are input types", and the default value (5.6.1).
    fn check_variable_definition(&mut self, definition: &'a VariableDefinition, pos: Pos) {
        self.check_directives(&definition.directives, DirectiveLocation::VariableDefinition);
        let Positioned { pos: type_pos, node: ty } = &definition.var_type;
        let name = base_type(ty);
        match self.types.get(name).map(|ty| &ty.kind) {
            None => self.report_unknown_type(name, *type_pos),
            Some(TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_)) => {
                if let Some(default) = &definition.default_value {
                    let value = default.node.clone().into_value();
                    self.check_value(&value, Some(VariableLocation::new(ty)), default.pos);
                }
            }
            Some(_) => self.report(format!("A variable cannot be of the type \"{name}\"."), pos),
        }
    }

    /// 5.8.5, "All variable usages are allowed".
    fn check_position(
        &mut self,
        definition: &VariableDefinition,
        location: VariableLocation<'a>,
        pos: Pos,
    ) {
        let VariableLocation { ty: expected, has_default, is_one_of } = location;
        let ty = &definition.var_type.node;
        let default = definition.default_value.as_ref();
        let is_never_null =
            has_default || default.is_some_and(|value| value.node != ConstValue::Null);
        let is_allowed = if is_never_null && !expected.nullable && ty.nullable {
            is_base_subtype(&ty.base, &expected.base)
        } else {
            is_subtype(ty, expected)
        };
        if !is_allowed || is_one_of && ty.nullable {
            let name = &definition.name.node;
            let what = if is_one_of { "a value that is not null" } else { "a value" };
            let message = format!(
                "The variable \"${name}\" of type \"{ty}\" cannot be {what} of type \"{expected}\"."
            );
            self.report(message, pos);
        }
    }
}

/// Returns whether every value of a type is one of the expected type (`AreTypesCompatible`).
fn is_subtype(ty: &Type, expected: &Type) -> bool {
    (expected.nullable || !ty.nullable) && is_base_subtype(&ty.base, &expected.base)
}

fn is_base_subtype(ty: &BaseType, expected: &BaseType) -> bool {
    match (ty, expected) {
        (BaseType::Named(ty), BaseType::Named(expected)) => ty == expected,
        (BaseType::List(ty), BaseType::List(expected)) => is_subtype(ty, expected),
        _ => false,
    }
}
