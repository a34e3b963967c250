//! Defects at the root of operations whose fields are work rather than data. GraphQL merges the
//! selections of a root field and runs it once (sections 6.3.2 and 6.4.3). The library
//!
//! - runs a field of a mutation once each time that it is selected, and then merges the results:
//!   `do_resolve` in `src/resolver_utils/container.rs` creates a future for each field of a selection;
//! - does not find the field of a subscription in fragments, and starts a stream each time that it is
//!   selected: `collect_subscription_streams` in `src/subscription.rs` looks at fields alone.
//!
//! No upstream issue is known. <https://github.com/async-graphql/async-graphql/issues/1840> is another
//! effect of merging results instead of selections, and
//! <https://github.com/async-graphql/async-graphql/issues/45> is about fragments below the root. A query
//! has the first defect, where it costs time alone.

use std::collections::HashSet;

use async_graphql::{
    Name, Positioned, Value as ConstValue, Variables,
    indexmap::{IndexMap, map::Entry},
    parser::types::{Directive, ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};
use async_graphql_value::Value;

use crate::field_collection::{Fragments, operations_mut};

/// Merges the fields at the root of mutations and subscriptions, with fragments spread and conditions
/// evaluated (`CollectFields`).
pub(crate) fn merge_root_fields(document: &mut ExecutableDocument, values: &Variables) {
    for operation in operations_mut(&mut document.operations) {
        if operation.node.ty == OperationType::Query {
            continue;
        }
        let mut collection =
            FieldCollection { fragments: &document.fragments, values, spread: HashSet::new() };
        let mut fields = IndexMap::new();
        let set = &mut operation.node.selection_set.node;
        collection.collect(&mut fields, set);
        let selections = fields.into_values().map(|field| {
            let pos = field.pos;
            Positioned::new(Selection::Field(field), pos)
        });
        set.items = selections.collect();
    }
}

struct FieldCollection<'a> {
    fragments: &'a Fragments,
    values: &'a Variables,
    /// The fragments that were spread: each is once.
    spread: HashSet<Name>,
}

impl FieldCollection<'_> {
    /// Collects fields by their response key. Every fragment at the root applies to it.
    fn collect(&mut self, fields: &mut IndexMap<Name, Positioned<Field>>, set: &SelectionSet) {
        for selection in &set.items {
            if self.is_skipped(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    match fields.entry(field.node.response_key().node.clone()) {
                        Entry::Occupied(mut earlier) => {
                            let more = field.node.selection_set.node.items.iter().cloned();
                            earlier.get_mut().node.selection_set.node.items.extend(more);
                        }
                        Entry::Vacant(entry) => {
                            let mut field = field.clone();
                            field.node.directives.retain(|one| condition(&one.node).is_none());
                            entry.insert(field);
                        }
                    }
                }
                Selection::InlineFragment(fragment) => {
                    self.collect(fields, &fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.fragments.get(name)
                        && self.spread.insert(name.clone())
                    {
                        self.collect(fields, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn is_skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().filter_map(|one| condition(&one.node)).any(|(value, skipped_if)| {
            match value {
                Value::Boolean(value) => *value == skipped_if,
                Value::Variable(name) => {
                    self.values.get(name) == Some(&ConstValue::Boolean(skipped_if))
                }
                _ => false,
            }
        })
    }
}

/// Returns the condition of `@skip` or `@include`, and the value with which a selection is skipped;
/// `None` for other directives.
fn condition(directive: &Directive) -> Option<(&Value, bool)> {
    let skipped_if = match directive.name.node.as_str() {
        "skip" => true,
        "include" => false,
        _ => return None,
    };
    Some((&directive.get_argument("if")?.node, skipped_if))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_graphql::{Context, Object, Schema, Subscription};
    use futures_util::{Stream, StreamExt, stream};

    struct Root;

    #[Object]
    impl Root {
        async fn count(&self, ctx: &Context<'_>) -> usize {
            ctx.data_unchecked::<AtomicUsize>().fetch_add(1, Ordering::SeqCst)
        }
    }

    struct Subscriptions;

    #[Subscription]
    impl Subscriptions {
        async fn number(&self) -> impl Stream<Item = usize> {
            stream::iter([7])
        }
    }

    fn schema() -> Schema<Root, Root, Subscriptions> {
        Schema::build(Root, Root, Subscriptions).data(AtomicUsize::new(0)).finish()
    }

    #[tokio::test]
    async fn upstream_runs_a_mutation_field_twice() {
        let schema = schema();
        let response = schema.execute("mutation { count count }").await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let runs = schema.data::<AtomicUsize>().unwrap().load(Ordering::SeqCst);
        assert_eq!(runs, 2, "fixed: delete this work-around");
    }

    #[tokio::test]
    async fn upstream_ignores_the_fragments_of_a_subscription() {
        let schema = schema();
        let count = |query: &str| schema.execute_stream(query).count();
        assert_eq!(count("subscription { number }").await, 1);
        let events = count("subscription { ... { number } }").await;
        assert_eq!(events, 0, "fixed: delete this work-around");
    }
}
