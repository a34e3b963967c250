//! The topological order of fragments, which also proves that they form no cycle.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use crate::error::RequestError;

/// Returns the fragments that the operations reach, each after those that it spreads.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` if fragments form a cycle, `QUERY_TOO_COMPLEX` if selections nest
/// deeper than `max_nesting` once fragments are spread.
pub(super) fn topological_order(
    document: &ExecutableDocument,
    max_nesting: usize,
) -> Result<Vec<&str>, RequestError> {
    let fragments = &document.fragments;
    let mut sort =
        TopologicalSort { fragments, max_nesting, states: HashMap::new(), order: Vec::new() };
    for (_, operation) in document.operations.iter() {
        sort.visit(&operation.node.selection_set.node, 1)?;
    }
    Ok(sort.order)
}

enum VisitState {
    Visiting,
    /// The number of levels in the fragment.
    Done(usize),
}

struct TopologicalSort<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    max_nesting: usize,
    states: HashMap<&'a str, VisitState>,
    order: Vec<&'a str>,
}

impl<'a> TopologicalSort<'a> {
    /// Visits a selection at this level, and returns the number of levels in it.
    fn visit(&mut self, set: &'a SelectionSet, level: usize) -> Result<usize, RequestError> {
        self.check_nesting(level)?;
        let mut deepest = 0;
        for selection in &set.items {
            let levels = match &selection.node {
                // A field without a selection opens no level.
                Selection::Field(field) if field.node.selection_set.node.items.is_empty() => 0,
                Selection::Field(field) => self.visit(&field.node.selection_set.node, level + 1)?,
                Selection::InlineFragment(fragment) => {
                    self.visit(&fragment.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // The validator reports an unknown one.
                    let Some(fragment) = self.fragments.get(name) else { continue };
                    match self.states.get(name) {
                        Some(VisitState::Done(levels)) => *levels,
                        Some(VisitState::Visiting) => {
                            let message =
                                format!("Cannot spread fragment \"{name}\" within itself.");
                            return Err(RequestError::invalid(message, spread.pos));
                        }
                        None => {
                            self.states.insert(name, VisitState::Visiting);
                            let levels =
                                self.visit(&fragment.node.selection_set.node, level + 1)?;
                            self.states.insert(name, VisitState::Done(levels));
                            self.order.push(name);
                            levels
                        }
                    }
                }
            };
            deepest = deepest.max(levels);
        }
        self.check_nesting(level + deepest)?;
        Ok(deepest + 1)
    }

    fn check_nesting(&self, level: usize) -> Result<(), RequestError> {
        if level > self.max_nesting {
            return Err(RequestError::too_complex("The document is nested too deep."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn order(text: &str, max_nesting: usize) -> Option<Vec<String>> {
        let document = parse_query(text).unwrap();
        let order = topological_order(&document, max_nesting).ok()?;
        Some(order.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn fragments_come_after_those_that_they_spread() {
        let chain = "fragment A on T { ...B } fragment B on T { ...C } fragment C on T { x }";
        for spreads in ["...A", "...C ...B ...A", "y { ...B } ...A"] {
            let text = format!("{{ {spreads} }} {chain} fragment Unused on T {{ ...A }}");
            assert_eq!(order(&text, 9).unwrap(), ["C", "B", "A"], "{text}");
        }
    }

    #[test]
    fn nesting_counts_spread_fragments_in_any_order() {
        let chain = "fragment A on T { y { ...B } } fragment B on T { ... { x } }";
        for spreads in ["...A", "...B ...A"] {
            let text = format!("{{ {spreads} }} {chain}");
            assert!(order(&text, 5).is_some(), "{text}");
            assert!(order(&text, 4).is_none(), "{text}");
        }
    }
}
