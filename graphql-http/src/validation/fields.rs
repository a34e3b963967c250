//! Fields (sections 5.3.1 and 5.3.3) and arguments (section 5.4).

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        DirectiveLocation, Field, InputValueDefinition, Selection, SelectionSet, TypeDefinition,
    },
};
use async_graphql_value::Value;

use super::{
    DocumentValidator,
    types::{base_type, fields_of, is_composite, is_required},
    variables::VariableLocation,
};

impl<'a> DocumentValidator<'a> {
    /// Visits a selection. `parent` is `None` below what does not exist.
    pub(super) fn check_selection_set(
        &mut self,
        set: &'a SelectionSet,
        parent: Option<&'a TypeDefinition>,
    ) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.check_field(field, parent),
                Selection::InlineFragment(fragment) => self.check_inline_fragment(fragment, parent),
                Selection::FragmentSpread(spread) => self.check_fragment_spread(spread, parent),
            }
        }
    }

    fn check_field(&mut self, field: &'a Positioned<Field>, parent: Option<&'a TypeDefinition>) {
        let Positioned { pos, node: field } = field;
        let name = &field.name.node;
        let definition = parent.and_then(|parent| self.types.field(parent, name));
        if let (Some(parent), None) = (parent, definition) {
            let message = format!("The type \"{}\" has no field \"{name}\".", parent.name.node);
            let known = fields_of(parent).iter().map(|field| field.node.name.node.as_str());
            self.report_unknown(&message, name, known, *pos);
        }
        self.check_directives(&field.directives, DirectiveLocation::Field);
        let arguments = definition.map(|definition| &definition.arguments[..]);
        self.check_arguments(&field.arguments, arguments, &format!("field \"{name}\""), *pos);
        let ty = definition.map(|definition| base_type(&definition.ty.node));
        let ty = ty.and_then(|name| self.types.get(name));
        let selected = !field.selection_set.node.items.is_empty();
        match ty.map(is_composite) {
            Some(true) if !selected => {
                self.report(format!("The field \"{name}\" needs a selection of fields."), *pos);
            }
            Some(false) if selected => {
                self.report(format!("The field \"{name}\" has no fields to select."), *pos);
            }
            _ => (),
        }
        self.check_selection_set(&field.selection_set.node, ty.filter(|ty| is_composite(ty)));
    }

    /// Checks the arguments of a field or directive, the `owner`. `definitions` is `None` if the owner
    /// does not exist.
    pub(super) fn check_arguments(
        &mut self,
        arguments: &'a [(Positioned<Name>, Positioned<Value>)],
        definitions: Option<&'a [Positioned<InputValueDefinition>]>,
        owner: &str,
        pos: Pos,
    ) {
        let mut given = HashSet::new();
        for (Positioned { pos, node: name }, value) in arguments {
            if !given.insert(name.as_str()) {
                self.report(format!("The argument \"{name}\" of {owner} is given twice."), *pos);
            }
            let mut known = definitions.unwrap_or_default().iter().map(|one| &one.node);
            let definition = known.find(|known| known.name.node == *name);
            if let (Some(definitions), None) = (definitions, definition) {
                let message = format!("The {owner} has no argument \"{name}\".");
                let known = definitions.iter().map(|one| one.node.name.node.as_str());
                self.report_unknown(&message, name, known, *pos);
            }
            self.check_value(&value.node, definition.map(VariableLocation::of), value.pos);
        }
        for definition in definitions.unwrap_or_default() {
            let (name, ty) = (&definition.node.name.node, &definition.node.ty.node);
            if is_required(&definition.node) && !given.contains(name.as_str()) {
                let message =
                    format!("The {owner} needs the argument \"{name}\" of type \"{ty}\".");
                self.report(message, pos);
            }
        }
    }
}
