//! The weight of questions about the schema. `fields { type { fields … } }` goes in a circle
//! through all types, and multiplies the answer on every level.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{FragmentDefinition, Selection, SelectionSet},
};

/// Whether this field leads into the schema.
pub(super) fn starts(name: &str) -> bool {
    matches!(name, "__schema" | "__type")
}

/// How many entries a list of the introspection types has, roughly.
fn entries(field: &str) -> usize {
    match field {
        "types" => 50,
        "fields" | "enumValues" | "directives" => 8,
        "inputFields" | "args" | "possibleTypes" => 4,
        "interfaces" => 2,
        _ => 1,
    }
}

/// The weight of each fragment, as if it stood within the schema. `order` names each after those
/// that it spreads.
pub(super) fn weigh<'a>(
    order: &[&'a str],
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
) -> HashMap<&'a str, usize> {
    let mut weights = HashMap::new();
    for name in order {
        if let Some(fragment) = fragments.get(*name) {
            let weight = weight(&fragment.node.selection_set.node, &weights);
            weights.insert(*name, weight);
        }
    }
    weights
}

/// About how many fields a selection within the schema answers.
pub(super) fn weight(set: &SelectionSet, fragments: &HashMap<&str, usize>) -> usize {
    let weights = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => {
            let below = weight(&field.node.selection_set.node, fragments);
            entries(&field.node.name.node).saturating_mul(below.saturating_add(1))
        }
        Selection::InlineFragment(fragment) => weight(&fragment.node.selection_set.node, fragments),
        Selection::FragmentSpread(spread) => {
            fragments.get(spread.node.fragment_name.node.as_str()).copied().unwrap_or_default()
        }
    });
    weights.fold(0, usize::saturating_add)
}
