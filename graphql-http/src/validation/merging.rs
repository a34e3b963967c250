//! Fields that cannot merge (section 5.3.2, "Field selection merging").
//!
//! The specification compares all pairs of fields. Being of the same shape, or the same field with the
//! same arguments, is an equivalence, so here each field of a group is compared with the first: in two
//! passes over the document with its fragments spread, as in "GraphQL overlapping fields can be merged
//! fast" (Simon Adameit, 2020). Fields of abstract types are in the group of each object type, which
//! nested often enough doubles the work at each level; so the number of visits has a limit.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, ServerError,
    indexmap::IndexMap,
    parser::types::{
        BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type, TypeDefinition,
        TypeKind,
    },
};
use async_graphql_value::Value;

use super::types::{SchemaTypes, base_type, is_composite};
use crate::error::{MAX_ERRORS, RequestError};

/// The most selections that are visited. A document within the limits on its nodes needs a fifth, if
/// fields of abstract types do not nest.
const MAX_VISITS: usize = 100_000;

/// Returns an error for each field that cannot merge with another, in a document that breaks no other
/// rule.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(super) fn find_conflicts(
    document: &ExecutableDocument,
    types: &SchemaTypes,
) -> Result<Vec<ServerError>, RequestError> {
    let mut search =
        ConflictSearch { document, types, visits_left: MAX_VISITS, errors: Vec::new() };
    for (_, operation) in document.operations.iter() {
        if let Some(root) = types.root(operation.node.ty) {
            let fields = search.collect([(&operation.node.selection_set.node, root)])?;
            search.compare_shapes(&fields)?;
            search.compare_fields(&fields)?;
        }
    }
    Ok(search.errors)
}

/// A field, and the type that it is selected from.
#[derive(Clone, Copy)]
struct SelectedField<'a> {
    field: &'a Positioned<Field>,
    parent: &'a TypeDefinition,
    ty: &'a Type,
}

type FieldsByKey<'a> = IndexMap<&'a str, Vec<SelectedField<'a>>>;

struct ConflictSearch<'a> {
    document: &'a ExecutableDocument,
    types: &'a SchemaTypes,
    visits_left: usize,
    errors: Vec<ServerError>,
}

impl<'a> ConflictSearch<'a> {
    /// Returns the fields of selections with their fragments spread, by response key.
    fn collect(
        &mut self,
        sets: impl IntoIterator<Item = (&'a SelectionSet, &'a TypeDefinition)>,
    ) -> Result<FieldsByKey<'a>, RequestError> {
        let mut fields = FieldsByKey::new();
        let mut spread = HashSet::new();
        for (set, parent) in sets {
            self.collect_into(&mut fields, &mut spread, set, parent)?;
        }
        Ok(fields)
    }

    fn collect_into(
        &mut self,
        fields: &mut FieldsByKey<'a>,
        spread: &mut HashSet<&'a str>,
        set: &'a SelectionSet,
        parent: &'a TypeDefinition,
    ) -> Result<(), RequestError> {
        for selection in &set.items {
            self.visits_left = self.visits_left.checked_sub(1).ok_or_else(|| {
                RequestError::too_complex("The document has too many fields that may merge.")
            })?;
            let (condition, set) = match &selection.node {
                Selection::Field(field) => {
                    if let Some(definition) = self.types.field(parent, &field.node.name.node) {
                        let entry = fields.entry(&field.node.response_key().node).or_default();
                        entry.push(SelectedField { field, parent, ty: &definition.ty.node });
                    }
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set)
                }
                Selection::FragmentSpread(fragment) => {
                    let name = &fragment.node.fragment_name.node;
                    match self.document.fragments.get(name) {
                        Some(fragment) if spread.insert(name) => {
                            (Some(&fragment.node.type_condition), &fragment.node.selection_set)
                        }
                        _ => continue,
                    }
                }
            };
            let ty = condition.and_then(|condition| self.types.get(&condition.node.on.node));
            self.collect_into(fields, spread, &set.node, ty.unwrap_or(parent))?;
        }
        Ok(())
    }

    /// Returns the fields that are selected from these fields.
    fn collect_children(
        &mut self,
        fields: &[SelectedField<'a>],
    ) -> Result<FieldsByKey<'a>, RequestError> {
        let types = self.types;
        self.collect(fields.iter().filter_map(|selected| {
            let ty = types.get(base_type(selected.ty))?;
            Some((&selected.field.node.selection_set.node, ty))
        }))
    }

    /// Compares the types of fields with the same response key (`SameResponseShape`).
    fn compare_shapes(&mut self, fields: &FieldsByKey<'a>) -> Result<(), RequestError> {
        for (key, fields) in fields {
            self.compare_with_first(key, fields, |search, first, other| {
                let is_same = search.is_same_shape(first.ty, other.ty);
                (!is_same).then_some("they are of different types")
            });
            let children = self.collect_children(fields)?;
            self.compare_shapes(&children)?;
        }
        Ok(())
    }

    /// Compares the fields with the same response key that one object can have
    /// (`FieldsInSetCanMerge`).
    fn compare_fields(&mut self, fields: &FieldsByKey<'a>) -> Result<(), RequestError> {
        for (key, fields) in fields {
            for group in group_by_object(fields) {
                self.compare_with_first(key, &group, |_, first, other| {
                    let (first, other) = (&first.field.node, &other.field.node);
                    if first.name.node != other.name.node {
                        Some("they are different fields")
                    } else if arguments_by_name(first) != arguments_by_name(other) {
                        Some("their arguments differ")
                    } else {
                        None
                    }
                });
                let children = self.collect_children(&group)?;
                self.compare_fields(&children)?;
            }
        }
        Ok(())
    }

    fn compare_with_first(
        &mut self,
        key: &str,
        fields: &[SelectedField<'a>],
        conflict: impl Fn(&Self, SelectedField<'a>, SelectedField<'a>) -> Option<&'static str>,
    ) {
        let Some((first, others)) = fields.split_first() else { return };
        for other in others {
            if let Some(reason) = conflict(self, *first, *other)
                && self.errors.len() < MAX_ERRORS
            {
                let message = format!(
                    "The fields \"{key}\" conflict because {reason}. Give them different aliases."
                );
                let mut error = ServerError::new(message, Some(first.field.pos));
                error.locations.push(other.field.pos);
                self.errors.push(error);
            }
        }
    }

    fn is_same_shape(&self, one: &Type, other: &Type) -> bool {
        let is_object = |name: &Name| self.types.get(name).is_some_and(is_composite);
        one.nullable == other.nullable
            && match (&one.base, &other.base) {
                (BaseType::List(one), BaseType::List(other)) => self.is_same_shape(one, other),
                (BaseType::Named(one), BaseType::Named(other)) => {
                    one == other || is_object(one) && is_object(other)
                }
                _ => false,
            }
    }
}

/// Groups fields by the object type that they are selected from; those of an abstract type are in
/// every group.
fn group_by_object<'a>(fields: &[SelectedField<'a>]) -> Vec<Vec<SelectedField<'a>>> {
    let is_of_object =
        |selected: &SelectedField<'a>| matches!(selected.parent.kind, TypeKind::Object(_));
    let (of_objects, of_any): (Vec<_>, Vec<_>) = fields.iter().copied().partition(is_of_object);
    let mut groups: IndexMap<&Name, Vec<_>> = IndexMap::new();
    for selected in of_objects {
        let group = groups.entry(&selected.parent.name.node).or_insert_with(|| of_any.clone());
        group.push(selected);
    }
    if groups.is_empty() { vec![of_any] } else { groups.into_values().collect() }
}

fn arguments_by_name(field: &Field) -> HashMap<&Name, &Value> {
    field.arguments.iter().map(|(name, value)| (&name.node, &value.node)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::syntax::parse_document;

    const SDL: &str = "interface I { i: I n: Int }
        type A implements I { i: I n: Int m: Int! }
        type B implements I { i: I n: Int m: Int! }
        type Query { i: I }
        schema { query: Query }";

    /// Returns the number of conflicts; `None` if there were too many visits.
    fn conflicts(text: &str) -> Option<usize> {
        let types = SchemaTypes::from_sdl(SDL).unwrap();
        find_conflicts(&parse_document(text).unwrap(), &types).ok().map(|errors| errors.len())
    }

    /// Returns a selection that nests fields of an abstract type, which merge with those of each of
    /// its objects.
    fn nested(levels: usize) -> String {
        if levels == 0 {
            return "n".to_owned();
        }
        let (open, close) = ("i { ".repeat(levels), " }".repeat(levels));
        let below = nested(levels - 1);
        format!("i {{ {below} }} ... on A {{ {open} n {close} }} ... on B {{ {open} n {close} }}")
    }

    #[test]
    fn conflicts_are_found_at_any_depth() {
        for levels in 0..5 {
            let (open, close) = ("i { ".repeat(levels), " }".repeat(levels));
            for (one, other, expected) in [
                ("n", "n", 0),
                ("n", "n: __typename", 1),
                ("... on A { n }", "... on B { n }", 0),
                ("... on A { x: n }", "... on B { x: m }", 1),
                ("... on I { n }", "... on A { n: __typename }", 1),
            ] {
                let text = format!(
                    "{{ i {{ {open} {one} {close} ...F }} }}
                    fragment F on I {{ {open} {other} {close} }}"
                );
                let found = conflicts(&text).unwrap();
                assert_eq!(found > 0, expected > 0, "{text}");
            }
        }
    }

    #[test]
    fn hostile_documents_take_a_bounded_time() {
        let begun = Instant::now();
        let wide = format!("{{ i {{ {} }} }}", "n ".repeat(4_900));
        assert_eq!(conflicts(&wide), Some(0));
        let many = format!("{{ i {{ {} }} }}", "n n: __typename ".repeat(1_000));
        assert_eq!(conflicts(&many), Some(MAX_ERRORS));
        assert_eq!(conflicts(&format!("{{ i {{ {} }} }}", nested(6))), Some(0));
        assert_eq!(conflicts(&format!("{{ i {{ {} }} }}", nested(20))), None);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
