//! The order of fragments, which also shows that they do not go in a circle.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

use super::{answer::Refusal, limits::too_complex};

/// The fragments that the operations reach, each after those that it spreads.
pub(super) fn order(document: &ExecutableDocument) -> Result<Vec<&str>, Refusal> {
    let mut walk = Walk { fragments: &document.fragments, done: HashMap::new(), order: Vec::new() };
    for (_, operation) in document.operations.iter() {
        walk.selections(&operation.node.selection_set.node, 0)?;
    }
    Ok(walk.order)
}

struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// False while its own selections are looked at.
    done: HashMap<&'a str, bool>,
    order: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    /// Levels that are followed: a limit on our own recursion.
    const LEVELS: usize = 100;

    fn selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<(), Refusal> {
        if level > Self::LEVELS {
            return Err(too_complex("The document is nested too deep."));
        }
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.selections(&field.node.selection_set.node, level + 1)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, level + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // An unknown one is told by the validator.
                    let Some(fragment) = self.fragments.get(name) else { continue };
                    match self.done.get(name) {
                        Some(true) => continue,
                        Some(false) => {
                            let message =
                                format!("Cannot spread fragment \"{name}\" within itself.");
                            return Err(Refusal::invalid(message, spread.pos));
                        }
                        None => (),
                    }
                    self.done.insert(name, false);
                    self.selections(&fragment.node.selection_set.node, level + 1)?;
                    self.done.insert(name, true);
                    self.order.push(name);
                }
            }
        }
        Ok(())
    }
}
