//! Measures a document, in time linear to its text.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};

use super::{
    answer::Refusal,
    introspection,
    limits::{Limits, too_complex},
    order::order,
};

/// What a document comes to once its fragments are spread.
#[derive(Debug, Default)]
pub(super) struct Measures {
    size: usize,
    aliases: usize,
    /// The weight of what is asked about the schema.
    pub(super) introspection: usize,
    /// How often each variable is read.
    reads: HashMap<Name, usize>,
}

impl Measures {
    /// Refuses variables that would be copied too often.
    pub(super) fn check_variables(&self, values: &Variables, most: usize) -> Result<(), Refusal> {
        let copied = values.iter().map(|(name, value)| match self.reads.get(name) {
            // The size of the body bounds what is read once.
            None | Some(0 | 1) => 0,
            Some(times) => bytes(value).saturating_mul(*times),
        });
        if copied.fold(0, usize::saturating_add) > most {
            return Err(too_complex("The variables are too large for how often they are read."));
        }
        Ok(())
    }
}

/// About how much memory a value takes.
fn bytes(value: &Value) -> usize {
    const NODE: usize = 64;
    NODE + match value {
        Value::List(items) => items.iter().map(bytes).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + bytes(value)).sum::<usize>()
        }
        Value::String(text) => text.len(),
        _ => 0,
    }
}

/// Measures all operations of a document together.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`, or `GRAPHQL_VALIDATION_FAILED` where fragments go in a circle.
pub(super) fn measure(document: &ExecutableDocument, limits: &Limits) -> Result<Measures, Refusal> {
    let fragments = &document.fragments;
    if document.operations.iter().len() + fragments.len() > limits.definitions {
        return Err(too_complex("The document has too many operations and fragments."));
    }
    let order = order(document)?;
    let weights = introspection::weigh(&order, fragments);
    let mut count = Count { limits, weights, spreads: HashMap::new(), total: Measures::default() };
    for (_, operation) in document.operations.iter() {
        count.directives(&operation.node.directives, 1)?;
        for variable in &operation.node.variable_definitions {
            count.directives(&variable.node.directives, 1)?;
        }
        count.selections(&operation.node.selection_set.node, 1)?;
    }
    // Who spreads a fragment comes before it, so that its own count is complete by then.
    for name in order.iter().rev() {
        let times = count.spreads.get(name).copied().unwrap_or_default();
        if let Some(fragment) = fragments.get(*name) {
            count.directives(&fragment.node.directives, times)?;
            count.selections(&fragment.node.selection_set.node, times)?;
        }
    }
    Ok(count.total)
}

struct Count<'a> {
    limits: &'a Limits,
    weights: HashMap<&'a str, usize>,
    /// How often each fragment is spread.
    spreads: HashMap<&'a str, usize>,
    total: Measures,
}

impl<'a> Count<'a> {
    fn selections(&mut self, set: &'a SelectionSet, times: usize) -> Result<(), Refusal> {
        for selection in &set.items {
            self.grow(times)?;
            self.directives(selection.node.directives(), times)?;
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    if field.alias.is_some() {
                        self.total.aliases = self.total.aliases.saturating_add(times);
                        if self.total.aliases > self.limits.aliases {
                            return Err(too_complex("The document has too many aliases."));
                        }
                    }
                    for (_, value) in &field.arguments {
                        let value = value.node.clone();
                        let value = value
                            .into_const_with(|name| Ok::<_, Refusal>(self.read(name, times)))?;
                        self.value(&value, times)?;
                    }
                    if introspection::starts(&field.name.node) {
                        let weight =
                            introspection::weight(&field.selection_set.node, &self.weights);
                        self.introspection(weight.saturating_mul(times))?;
                    }
                    self.selections(&field.selection_set.node, times)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.selections(&fragment.node.selection_set.node, times)?;
                }
                Selection::FragmentSpread(spread) => {
                    let spreads = self.spreads.entry(&spread.node.fragment_name.node).or_default();
                    *spreads = spreads.saturating_add(times);
                }
            }
        }
        Ok(())
    }

    fn directives(
        &mut self,
        directives: &'a [Positioned<Directive>],
        times: usize,
    ) -> Result<(), Refusal> {
        if directives.len() > self.limits.directives {
            return Err(too_complex("A place in the document has too many directives."));
        }
        for (_, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            let value = value.node.clone();
            let value = value.into_const_with(|name| Ok::<_, Refusal>(self.read(name, times)))?;
            self.value(&value, times)?;
        }
        Ok(())
    }

    /// Counts a variable, and stands in for its value.
    fn read(&mut self, name: Name, times: usize) -> Value {
        let reads = self.total.reads.entry(name).or_default();
        *reads = reads.saturating_add(times);
        Value::Null
    }

    fn value(&mut self, value: &Value, times: usize) -> Result<(), Refusal> {
        self.grow(times)?;
        match value {
            Value::List(items) => items.iter().try_for_each(|item| self.value(item, times)),
            Value::Object(fields) => fields.values().try_for_each(|field| self.value(field, times)),
            _ => Ok(()),
        }
    }

    fn grow(&mut self, times: usize) -> Result<(), Refusal> {
        self.total.size = self.total.size.saturating_add(times);
        if self.total.size > self.limits.size {
            return Err(too_complex("The document selects too much."));
        }
        Ok(())
    }

    fn introspection(&mut self, weight: usize) -> Result<(), Refusal> {
        // At least one, so that it can be told whether there is any.
        self.total.introspection = self.total.introspection.saturating_add(weight.max(1));
        if self.total.introspection > self.limits.introspection {
            return Err(too_complex("The document asks too much about the schema."));
        }
        Ok(())
    }
}
