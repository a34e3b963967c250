//! Defect: a mutation runs a root field once each time that it is selected, and then merges the
//! results. GraphQL merges the selections and runs the field once (sections 6.3.2 and 6.4.3).
//!
//! Function: `do_resolve` in `src/resolver_utils/container.rs`, which creates a future for each field of
//! a selection. No upstream issue is known; <https://github.com/async-graphql/async-graphql/issues/1840>
//! is another effect of merging results instead of selections. A query has the same defect, where it
//! costs time alone.

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};

use crate::{error::RequestError, field_collection::operations_mut};

/// Merges equal fields that are selected side by side at the root of a mutation.
pub(crate) fn merge_duplicates(document: &mut ExecutableDocument) {
    for operation in operations_mut(&mut document.operations) {
        if operation.node.ty == OperationType::Mutation {
            merge_selections(&mut operation.node.selection_set.node);
        }
    }
}

fn merge_selections(set: &mut SelectionSet) {
    let mut merged: Vec<Positioned<Selection>> = Vec::with_capacity(set.items.len());
    for selection in set.items.drain(..) {
        let Selection::Field(field) = &selection.node else {
            merged.push(selection);
            continue;
        };
        let duplicate = merged.iter_mut().find_map(|earlier| match &mut earlier.node {
            Selection::Field(earlier) if is_same_field(&earlier.node, &field.node) => Some(earlier),
            _ => None,
        });
        match duplicate {
            Some(earlier) => {
                let more = field.node.selection_set.node.items.iter().cloned();
                earlier.node.selection_set.node.items.extend(more);
            }
            None => merged.push(selection),
        }
    }
    set.items = merged;
}

fn is_same_field(one: &Field, other: &Field) -> bool {
    let no_directives = one.directives.is_empty() && other.directives.is_empty();
    let arguments = |field: &Field| {
        let pairs = field.arguments.iter();
        pairs.map(|(name, value)| (name.node.clone(), value.node.clone())).collect::<Vec<_>>()
    };
    no_directives
        && one.response_key().node == other.response_key().node
        && one.name.node == other.name.node
        && arguments(one) == arguments(other)
}

/// Rejects the duplicates that [`merge_duplicates`] leaves, such as those in fragments.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED`.
pub(crate) fn reject_duplicates(fields: &[&Positioned<Field>]) -> Result<(), RequestError> {
    let mut seen = HashSet::new();
    for field in fields {
        let key = &field.node.response_key().node;
        if !seen.insert(key) {
            let message = format!("Select \"{key}\" once, or under another alias.");
            return Err(RequestError::invalid(message, field.pos));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_graphql::{Context, EmptySubscription, Object, Schema};

    struct Root;

    #[Object]
    impl Root {
        async fn count(&self, ctx: &Context<'_>) -> usize {
            ctx.data_unchecked::<AtomicUsize>().fetch_add(1, Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn upstream_runs_a_mutation_field_twice() {
        let schema =
            Schema::build(Root, Root, EmptySubscription).data(AtomicUsize::new(0)).finish();
        let response = schema.execute("mutation { count count }").await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let runs = schema.data::<AtomicUsize>().unwrap().load(Ordering::SeqCst);
        assert_eq!(runs, 2, "fixed: delete this work-around");
    }
}
