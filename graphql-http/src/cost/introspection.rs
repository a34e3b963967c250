//! The cost of introspection, to which `_service` belongs: a subgraph tells its schema there. `fields { type { fields … } }` is a cycle through all types, which
//! multiplies the result at each level.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{FragmentDefinition, Selection, SelectionSet},
};

/// Returns whether this field selects from the schema.
pub(super) fn is_introspection_field(name: &str) -> bool {
    matches!(name, "__schema" | "__type" | "_service")
}

/// Returns the approximate length of a list of the introspection types.
fn estimated_len(field: &str) -> usize {
    match field {
        "types" => 50,
        "fields" | "enumValues" | "directives" => 8,
        "inputFields" | "args" | "possibleTypes" => 4,
        "interfaces" => 2,
        _ => 1,
    }
}

/// Returns the cost of each fragment, as if it were spread within `__schema`. `order` lists each
/// after those that it spreads.
pub(super) fn fragment_costs<'a>(
    order: &[&'a str],
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
) -> HashMap<&'a str, usize> {
    let mut costs = HashMap::new();
    for name in order {
        if let Some(fragment) = fragments.get(*name) {
            let cost = selection_cost(&fragment.node.selection_set.node, &costs);
            costs.insert(*name, cost);
        }
    }
    costs
}

/// Returns the approximate number of fields in the result of a selection within the schema.
pub(super) fn selection_cost(set: &SelectionSet, fragments: &HashMap<&str, usize>) -> usize {
    let costs = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => {
            let children = selection_cost(&field.node.selection_set.node, fragments);
            estimated_len(&field.node.name.node).saturating_mul(children.saturating_add(1))
        }
        Selection::InlineFragment(fragment) => {
            selection_cost(&fragment.node.selection_set.node, fragments)
        }
        Selection::FragmentSpread(spread) => {
            fragments.get(spread.node.fragment_name.node.as_str()).copied().unwrap_or_default()
        }
    });
    costs.fold(0, usize::saturating_add)
}
