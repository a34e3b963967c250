//! The cost of a document, computed in time linear to its text.

mod entities;
mod fragment_order;
mod introspection;

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};

use crate::{Limits, error::RequestError};

pub(crate) use entities::check_entities;

/// The cost of a document once its fragments are spread.
#[derive(Debug, Default)]
pub(crate) struct DocumentCost {
    nodes: usize,
    aliases: usize,
    /// The cost of introspection; zero without any.
    pub(crate) introspection: usize,
    /// The number of times that each variable is read.
    variable_reads: HashMap<Name, usize>,
}

impl DocumentCost {
    /// Rejects variables whose copies would need more than `max_bytes`.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX`.
    pub(crate) fn check_variables(
        &self,
        values: &Variables,
        max_bytes: usize,
    ) -> Result<(), RequestError> {
        let copied = values.iter().map(|(name, value)| match self.variable_reads.get(name) {
            // The size of the body bounds a variable that is read once.
            None | Some(0 | 1) => 0,
            Some(times) => estimated_bytes(value).saturating_mul(*times),
        });
        if copied.fold(0, usize::saturating_add) > max_bytes {
            return Err(RequestError::too_complex(
                "The variables are too large for how often they are read.",
            ));
        }
        Ok(())
    }
}

/// Returns the approximate memory of a value.
pub(crate) fn estimated_bytes(value: &Value) -> usize {
    const NODE_BYTES: usize = 64;
    NODE_BYTES
        + match value {
            Value::List(items) => items.iter().map(estimated_bytes).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| name.len() + estimated_bytes(value))
                .sum::<usize>(),
            Value::String(text) => text.len(),
            _ => 0,
        }
}

/// Computes the cost of all operations of a document together.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`, or `GRAPHQL_VALIDATION_FAILED` if fragments form a cycle.
pub(crate) fn document_cost(
    document: &ExecutableDocument,
    limits: &Limits,
) -> Result<DocumentCost, RequestError> {
    let fragments = &document.fragments;
    if document.operations.iter().len() + fragments.len() > limits.max_definitions {
        return Err(RequestError::too_complex(
            "The document has too many operations and fragments.",
        ));
    }
    let order = fragment_order::topological_order(document, limits.max_nesting)?;
    let introspection_costs = introspection::fragment_costs(&order, fragments);
    let mut visitor = CostVisitor {
        limits,
        introspection_costs,
        spread_counts: HashMap::new(),
        total: DocumentCost::default(),
    };
    for (_, operation) in document.operations.iter() {
        visitor.directives(&operation.node.directives, 1)?;
        for variable in &operation.node.variable_definitions {
            visitor.directives(&variable.node.directives, 1)?;
        }
        visitor.selections(&operation.node.selection_set.node, 1)?;
    }
    // Reversed, each fragment comes after all that spread it, when its own count is complete.
    for name in order.iter().rev() {
        let multiplier = visitor.spread_counts.get(name).copied().unwrap_or_default();
        if let Some(fragment) = fragments.get(*name) {
            visitor.directives(&fragment.node.directives, multiplier)?;
            visitor.selections(&fragment.node.selection_set.node, multiplier)?;
        }
    }
    Ok(visitor.total)
}

/// Adds up costs. A `multiplier` is the number of times that the fragment of a node is spread.
struct CostVisitor<'a> {
    limits: &'a Limits,
    introspection_costs: HashMap<&'a str, usize>,
    spread_counts: HashMap<&'a str, usize>,
    total: DocumentCost,
}

impl<'a> CostVisitor<'a> {
    fn selections(&mut self, set: &'a SelectionSet, multiplier: usize) -> Result<(), RequestError> {
        for selection in &set.items {
            self.add_nodes(multiplier)?;
            self.directives(selection.node.directives(), multiplier)?;
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    if field.alias.is_some() {
                        self.total.aliases = self.total.aliases.saturating_add(multiplier);
                        if self.total.aliases > self.limits.max_aliases {
                            return Err(RequestError::too_complex(
                                "The document has too many aliases.",
                            ));
                        }
                    }
                    for (_, value) in &field.arguments {
                        let value = value.node.clone();
                        let value = value.into_const_with(|name| {
                            Ok::<_, RequestError>(self.count_variable(name, multiplier))
                        })?;
                        self.value(&value, multiplier)?;
                    }
                    if introspection::is_introspection_field(&field.name.node) {
                        let cost = introspection::selection_cost(
                            &field.selection_set.node,
                            &self.introspection_costs,
                        );
                        self.add_introspection(cost.saturating_mul(multiplier))?;
                    }
                    self.selections(&field.selection_set.node, multiplier)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, multiplier)?;
                }
                Selection::FragmentSpread(spread) => {
                    let count =
                        self.spread_counts.entry(&spread.node.fragment_name.node).or_default();
                    *count = count.saturating_add(multiplier);
                }
            }
        }
        Ok(())
    }

    fn directives(
        &mut self,
        directives: &'a [Positioned<Directive>],
        multiplier: usize,
    ) -> Result<(), RequestError> {
        if directives.len() > self.limits.max_directives {
            return Err(RequestError::too_complex(
                "A place in the document has too many directives.",
            ));
        }
        for (_, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            let value = value.node.clone();
            let value = value.into_const_with(|name| {
                Ok::<_, RequestError>(self.count_variable(name, multiplier))
            })?;
            self.value(&value, multiplier)?;
        }
        Ok(())
    }

    /// Counts a read of a variable; returns a placeholder for its value.
    fn count_variable(&mut self, name: Name, multiplier: usize) -> Value {
        let reads = self.total.variable_reads.entry(name).or_default();
        *reads = reads.saturating_add(multiplier);
        Value::Null
    }

    fn value(&mut self, value: &Value, multiplier: usize) -> Result<(), RequestError> {
        self.add_nodes(multiplier)?;
        match value {
            Value::List(items) => items.iter().try_for_each(|item| self.value(item, multiplier)),
            Value::Object(fields) => {
                fields.values().try_for_each(|field| self.value(field, multiplier))
            }
            _ => Ok(()),
        }
    }

    fn add_nodes(&mut self, multiplier: usize) -> Result<(), RequestError> {
        self.total.nodes = self.total.nodes.saturating_add(multiplier);
        if self.total.nodes > self.limits.max_nodes {
            return Err(RequestError::too_complex("The document selects too much."));
        }
        Ok(())
    }

    fn add_introspection(&mut self, cost: usize) -> Result<(), RequestError> {
        // At least one, so that zero means none.
        self.total.introspection = self.total.introspection.saturating_add(cost.max(1));
        if self.total.introspection > self.limits.max_introspection_cost {
            return Err(RequestError::too_complex("The document asks too much about the schema."));
        }
        Ok(())
    }
}
