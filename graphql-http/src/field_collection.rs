//! The fields of a selection with its fragments spread (GraphQL specification, section 6.3.2,
//! `CollectFields`).
//!
//! For documents whose fragments are known to form no cycle.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
        Selection, SelectionSet,
    },
};

pub(crate) type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Returns the fields of a selection, including those of fragments.
pub(crate) fn collect_fields<'a>(
    set: &'a SelectionSet,
    fragments: &'a Fragments,
) -> Vec<&'a Positioned<Field>> {
    let mut fields = Vec::new();
    collect_into(&mut fields, set, fragments);
    fields
}

fn collect_into<'a>(
    fields: &mut Vec<&'a Positioned<Field>>,
    set: &'a SelectionSet,
    fragments: &'a Fragments,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(fragment) => {
                collect_into(fields, &fragment.node.selection_set.node, fragments);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect_into(fields, &fragment.node.selection_set.node, fragments);
                }
            }
        }
    }
}

/// Returns whether no selection of a document holds a response key twice.
#[must_use]
pub fn has_unique_keys(document: &ExecutableDocument) -> bool {
    let mut operations = document.operations.iter();
    operations
        .all(|(_, operation)| unique_keys(&operation.node.selection_set.node, &document.fragments))
}

fn unique_keys(set: &SelectionSet, fragments: &Fragments) -> bool {
    let mut seen = HashSet::new();
    collect_fields(set, fragments).iter().all(|field| {
        seen.insert(&field.node.response_key().node)
            && unique_keys(&field.node.selection_set.node, fragments)
    })
}

/// Returns all operations of a document.
pub(crate) fn operations_mut(
    operations: &mut DocumentOperations,
) -> impl Iterator<Item = &mut Positioned<OperationDefinition>> {
    let (single, multiple) = match operations {
        DocumentOperations::Single(operation) => (Some(operation), None),
        DocumentOperations::Multiple(operations) => (None, Some(operations.values_mut())),
    };
    single.into_iter().chain(multiple.into_iter().flatten())
}
