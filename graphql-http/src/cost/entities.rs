//! The cost of `_entities`, the entry point of a federation gateway. async-graphql counts what is
//! selected from it once, however many entities are requested.

use async_graphql::{
    Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Value};

use crate::{
    FieldToCost, Limits,
    error::RequestError,
    field_collection::{Fragments, collect_fields},
};

/// Rejects an operation that requests too many entities, or too much of them.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(crate) fn check_entities(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    values: &Variables,
    limits: &Limits,
) -> Result<(), RequestError> {
    let fragments = &document.fragments;
    let request = EntityRequest { operation, values, fragments, limits };
    let (mut number, mut cost) = (0_usize, 0_usize);
    for field in collect_fields(&operation.selection_set.node, fragments) {
        if field.node.name.node == "_entities" {
            let entities = request.number_of_entities(&field.node);
            let child = request.selection_cost(&field.node.selection_set.node);
            number = number.saturating_add(entities);
            cost = cost.saturating_add(entities.saturating_mul(child));
        }
    }
    if number > limits.max_entities {
        return Err(RequestError::too_complex("The request has too many representations."));
    }
    if cost > limits.max_entities_cost {
        return Err(RequestError::too_complex("The entities are too complex for their number."));
    }
    Ok(())
}

struct EntityRequest<'a> {
    operation: &'a OperationDefinition,
    values: &'a Variables,
    fragments: &'a Fragments,
    limits: &'a Limits,
}

impl EntityRequest<'_> {
    fn number_of_entities(&self, field: &Field) -> usize {
        match field.get_argument("representations").map(|value| &value.node) {
            Some(Value::List(items)) => items.len(),
            Some(Value::Variable(name)) => match self.variable(name) {
                Some(ConstValue::List(items)) => items.len(),
                _ => 1,
            },
            _ => 1,
        }
    }

    /// Returns the cost of the fields that are selected from one entity. The number of nodes of a
    /// document bounds the recursion, and how often a fragment is spread.
    fn selection_cost(&self, set: &SelectionSet) -> usize {
        let costs = set.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => {
                let field = &field.node;
                (self.limits.field_cost)(FieldToCost {
                    name: &field.name.node,
                    first: self.integer(field, "first"),
                    last: self.integer(field, "last"),
                    children: self.selection_cost(&field.selection_set.node),
                })
            }
            Selection::InlineFragment(fragment) => {
                self.selection_cost(&fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = self.fragments.get(&spread.node.fragment_name.node);
                fragment.map_or(0, |one| self.selection_cost(&one.node.selection_set.node))
            }
        });
        costs.fold(0, usize::saturating_add)
    }

    /// Returns the value of an argument if it is an integer.
    fn integer(&self, field: &Field, argument: &str) -> Option<i32> {
        let number = match &field.get_argument(argument)?.node {
            Value::Number(number) => number,
            Value::Variable(name) => match self.variable(name)? {
                ConstValue::Number(number) => number,
                _ => return None,
            },
            _ => return None,
        };
        number.as_i64().map(|number| i32::try_from(number).unwrap_or(i32::MAX))
    }

    fn variable(&self, name: &str) -> Option<&ConstValue> {
        self.values.get(name).or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == name)?;
            Some(&definition.node.default_value.as_ref()?.node)
        })
    }
}
