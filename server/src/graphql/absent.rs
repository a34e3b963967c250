//! Variables that may be left out and are.
//!
//! An argument or an input field whose variable was left out is as if it were not there itself
//! (GraphQL, sections 6.4.1 and 3.10). async-graphql has that for arguments alone, and not where
//! it weighs them, so the document is put that way before it sees it.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// Takes out of a document what the variables leave out of the operation.
pub(super) fn settle(
    document: &mut ExecutableDocument,
    operation: &OperationDefinition,
    values: &Variables,
) {
    let definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
    let absent = definitions.filter(|definition| {
        definition.var_type.node.nullable
            && definition.default_value.is_none()
            && !values.contains_key(&definition.name.node)
    });
    let names: HashSet<_> = absent.map(|definition| definition.name.node.clone()).collect();
    if names.is_empty() {
        return;
    }
    let mut absent = Absent { names, taken: HashSet::new(), kept: HashSet::new() };
    for operation in operations(document) {
        absent.selections(&mut operation.selection_set.node);
    }
    for fragment in document.fragments.values_mut() {
        absent.selections(&mut fragment.node.selection_set.node);
    }
    // A variable that nothing reads any more would be refused as unused.
    let Absent { taken, kept, .. } = absent;
    for operation in operations(document) {
        operation.variable_definitions.retain(|definition| {
            let name = &definition.node.name.node;
            !taken.contains(name) || kept.contains(name)
        });
    }
}

fn operations(document: &mut ExecutableDocument) -> impl Iterator<Item = &mut OperationDefinition> {
    use async_graphql::parser::types::DocumentOperations::{Multiple, Single};
    let (single, multiple) = match &mut document.operations {
        Single(operation) => (Some(operation), None),
        Multiple(operations) => (None, Some(operations.values_mut())),
    };
    single.into_iter().chain(multiple.into_iter().flatten()).map(|operation| &mut operation.node)
}

struct Absent {
    names: HashSet<Name>,
    /// Those that were taken out somewhere.
    taken: HashSet<Name>,
    /// Those that a directive reads, which cannot do without.
    kept: HashSet<Name>,
}

impl Absent {
    fn selections(&mut self, set: &mut SelectionSet) {
        for selection in &mut set.items {
            self.directives(selection.node.directives());
            match &mut selection.node {
                Selection::Field(field) => {
                    field.node.arguments.retain_mut(|(_, value)| !self.take(&mut value.node));
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
                self.kept.insert(name.clone());
            }
        }
    }

    /// Whether the value is absent as a whole; what is absent in it is taken out.
    fn take(&mut self, value: &mut Value) -> bool {
        match value {
            Value::Variable(name) if self.names.contains(name) => {
                self.taken.insert(name.clone());
                true
            }
            Value::Object(fields) => {
                fields.retain(|_, field| !self.take(field));
                false
            }
            Value::List(items) => {
                for item in items {
                    // In a list it stands for null.
                    if self.take(item) {
                        *item = Value::Null;
                    }
                }
                false
            }
            _ => false,
        }
    }
}
