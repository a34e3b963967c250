//! Defect: the complexity function of a field gets an error, "Variable … is not defined.", if one of
//! the field's arguments is a nullable variable that was omitted. GraphQL has such an argument, or
//! input field, as if it were not there (sections 6.4.1 and 3.10).
//!
//! Function: `VisitorContext::param_value` in `src/validation/visitor.rs`. Execution was fixed for
//! arguments, input fields and list items with
//! <https://github.com/async-graphql/async-graphql/pull/1818>; complexity was not.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

use crate::field_collection::operations_mut;

/// Removes the arguments, input fields and definitions of omitted variables from a document.
pub(crate) fn remove(
    document: &mut ExecutableDocument,
    operation: &OperationDefinition,
    values: &Variables,
) {
    let definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
    let omitted = definitions.filter(|definition| {
        definition.var_type.node.nullable
            && definition.default_value.is_none()
            && !values.contains_key(&definition.name.node)
    });
    let omitted: HashSet<_> = omitted.map(|definition| definition.name.node.clone()).collect();
    if omitted.is_empty() {
        return;
    }
    let mut remover = Remover { omitted, removed: HashSet::new(), in_directives: HashSet::new() };
    for operation in operations_mut(&mut document.operations) {
        remover.selections(&mut operation.node.selection_set.node);
    }
    for fragment in document.fragments.values_mut() {
        remover.selections(&mut fragment.node.selection_set.node);
    }
    // The validator rejects a variable that is not used.
    let Remover { removed, in_directives, .. } = remover;
    for operation in operations_mut(&mut document.operations) {
        operation.node.variable_definitions.retain(|definition| {
            let name = &definition.node.name.node;
            !removed.contains(name) || in_directives.contains(name)
        });
    }
}

struct Remover {
    omitted: HashSet<Name>,
    /// The omitted variables that were removed somewhere.
    removed: HashSet<Name>,
    /// The variables in directives, whose arguments cannot be removed.
    in_directives: HashSet<Name>,
}

impl Remover {
    fn selections(&mut self, set: &mut SelectionSet) {
        for selection in &mut set.items {
            self.directives(selection.node.directives());
            match &mut selection.node {
                Selection::Field(field) => {
                    field.node.arguments.retain_mut(|(_, value)| !self.is_omitted(&mut value.node));
                    self.selections(&mut field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&mut fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(_) => (),
            }
        }
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        for (_, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            if let Value::Variable(name) = &value.node {
                self.in_directives.insert(name.clone());
            }
        }
    }

    /// Returns whether the value itself is an omitted variable; removes those within it.
    fn is_omitted(&mut self, value: &mut Value) -> bool {
        match value {
            Value::Variable(name) if self.omitted.contains(name) => {
                self.removed.insert(name.clone());
                true
            }
            Value::Object(fields) => {
                fields.retain(|_, field| !self.is_omitted(field));
                false
            }
            Value::List(items) => {
                for item in items {
                    // In a list an omitted variable is null.
                    if self.is_omitted(item) {
                        *item = Value::Null;
                    }
                }
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, InputObject, Object, Schema};

    #[derive(InputObject)]
    struct Filter {
        first: Option<i32>,
        ids: Option<Vec<Option<i32>>>,
    }

    struct Query;

    #[Object]
    impl Query {
        #[graphql(
            complexity = "usize::try_from(first.unwrap_or(5)).unwrap_or_default() + child_complexity"
        )]
        async fn argument(&self, #[graphql(default = 3)] first: Option<i32>) -> Option<i32> {
            first
        }

        #[graphql(complexity = "usize::from(filter.first.is_some()) + child_complexity")]
        async fn field(&self, filter: Filter) -> usize {
            filter.ids.map_or(0, |ids| ids.len())
        }
    }

    #[tokio::test]
    async fn upstream_rejects_omitted_variables_in_complexity() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        for query in [
            "query($v: Int) { argument(first: $v) }",
            "query($v: Int) { field(filter: { first: $v }) }",
            "query($v: Int) { field(filter: { ids: [$v] }) }",
        ] {
            let errors = schema.execute(query).await.errors;
            let message = errors.first().map(|error| error.message.as_str());
            assert_eq!(message, Some("Variable v is not defined."), "fixed: delete this: {query}");
        }
    }
}
