//! The root of an operation, where a field is work rather than data.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};

use super::{
    answer::Refusal,
    limits::{Limits, too_complex},
};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Checks the root fields of every operation, and puts them so that each runs once.
///
/// To be called with a measured document: this follows fragments.
///
/// # Errors
/// `QUERY_TOO_COMPLEX` or `GRAPHQL_VALIDATION_FAILED`.
pub(super) fn settle(
    document: &mut ExecutableDocument,
    limits: &Limits,
    once: &[&str],
) -> Result<(), Refusal> {
    let fragments = &document.fragments;
    let settle = |operation| settle_one(operation, fragments, limits, once);
    match &mut document.operations {
        DocumentOperations::Single(operation) => settle(operation),
        DocumentOperations::Multiple(operations) => operations.values_mut().try_for_each(settle),
    }
}

fn settle_one(
    operation: &mut Positioned<OperationDefinition>,
    fragments: &Fragments,
    limits: &Limits,
    once: &[&str],
) -> Result<(), Refusal> {
    let kind = operation.node.ty;
    let set = &mut operation.node.selection_set.node;
    if kind == OperationType::Mutation {
        join(set);
    }
    let mut fields = Vec::new();
    collect(set, fragments, &mut fields);
    if fields.len() > limits.root_fields {
        return Err(too_complex("The operation has too many root fields."));
    }
    let secrets = fields.iter().filter(|field| once.contains(&field.node.name.node.as_str()));
    if secrets.count() > 1 {
        return Err(too_complex("A request may check or change credentials only once."));
    }
    match kind {
        OperationType::Query => (),
        OperationType::Mutation => unique(&fields)?,
        OperationType::Subscription => {
            let field = only(&fields, operation.pos)?.clone();
            hoist(&mut operation.node.selection_set.node, field);
        }
    }
    Ok(())
}

/// The fields of a selection, those in fragments with it.
fn collect<'a>(
    set: &'a SelectionSet,
    fragments: &'a Fragments,
    fields: &mut Vec<&'a Positioned<Field>>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(fragment) => {
                collect(&fragment.node.selection_set.node, fragments, fields);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect(&fragment.node.selection_set.node, fragments, fields);
                }
            }
        }
    }
}

/// Whether no selection names a response key twice, fragments spread.
///
/// To be called with a measured document, as [`settle`].
pub(crate) fn distinct(document: &ExecutableDocument) -> bool {
    let mut operations = document.operations.iter();
    operations
        .all(|(_, operation)| keys_differ(&operation.node.selection_set.node, &document.fragments))
}

fn keys_differ(set: &SelectionSet, fragments: &Fragments) -> bool {
    let mut fields = Vec::new();
    collect(set, fragments, &mut fields);
    let mut seen = HashSet::new();
    fields.iter().all(|field| {
        seen.insert(&field.node.response_key().node)
            && keys_differ(&field.node.selection_set.node, fragments)
    })
}

/// Makes one field of those that stand side by side for the same: the executor runs a field as
/// often as it is written, where GraphQL runs it once.
fn join(set: &mut SelectionSet) {
    let mut joined: Vec<Positioned<Selection>> = Vec::with_capacity(set.items.len());
    for selection in set.items.drain(..) {
        let Selection::Field(field) = &selection.node else {
            joined.push(selection);
            continue;
        };
        let twin = joined.iter_mut().find_map(|earlier| match &mut earlier.node {
            Selection::Field(earlier) if same(&earlier.node, &field.node) => Some(earlier),
            _ => None,
        });
        match twin {
            Some(twin) => {
                let more = field.node.selection_set.node.items.iter().cloned();
                twin.node.selection_set.node.items.extend(more);
            }
            None => joined.push(selection),
        }
    }
    set.items = joined;
}

fn same(one: &Field, other: &Field) -> bool {
    let plain = one.directives.is_empty() && other.directives.is_empty();
    let (names, more_names) = (one.response_key(), other.response_key());
    let arguments = |field: &Field| {
        let pairs = field.arguments.iter();
        pairs.map(|(name, value)| (name.node.clone(), value.node.clone())).collect::<Vec<_>>()
    };
    plain
        && names.node == more_names.node
        && one.name.node == other.name.node
        && arguments(one) == arguments(other)
}

/// What is left after [`join`] would run twice.
fn unique(fields: &[&Positioned<Field>]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for field in fields {
        let key = &field.node.response_key().node;
        if !seen.insert(key) {
            let message = format!("Select \"{key}\" once, or under another alias.");
            return Err(Refusal::invalid(message, field.pos));
        }
    }
    Ok(())
}

/// Source: GraphQL specification, section 5.2.3.1, "Single root field".
fn only<'a>(
    fields: &[&'a Positioned<Field>],
    pos: async_graphql::Pos,
) -> Result<&'a Positioned<Field>, Refusal> {
    match fields {
        [field] if !field.node.name.node.starts_with("__") => Ok(field),
        _ => Err(Refusal::invalid("A subscription must select exactly one field.".to_owned(), pos)),
    }
}

/// Repeats the only field at the root itself: the executor does not look for it in fragments.
fn hoist(set: &mut SelectionSet, field: Positioned<Field>) {
    let is_field =
        |selection: &Positioned<Selection>| matches!(selection.node, Selection::Field(_));
    if !set.items.iter().any(is_field) {
        let pos = field.pos;
        set.items.push(Positioned::new(Selection::Field(field), pos));
    }
}
