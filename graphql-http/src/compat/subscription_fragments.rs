//! Defect: the root field of a subscription is not found in a fragment; the stream then ends without
//! an event or an error.
//!
//! Function: `collect_subscription_streams` in `src/subscription.rs`, which looks at fields alone. No
//! upstream issue is known; <https://github.com/async-graphql/async-graphql/issues/45> is about
//! fragments below the root.

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, OperationType, Selection},
};

use crate::field_collection::{collect_fields, operations_mut};

/// Repeats the field of a subscription at the root itself if it is selected in fragments alone.
pub(crate) fn inline_fields(document: &mut ExecutableDocument) {
    let fragments = &document.fragments;
    for operation in operations_mut(&mut document.operations) {
        let set = &mut operation.node.selection_set.node;
        let is_field =
            |selection: &Positioned<Selection>| matches!(selection.node, Selection::Field(_));
        if operation.node.ty != OperationType::Subscription || set.items.iter().any(is_field) {
            continue;
        }
        if let Some(field) = collect_fields(set, fragments).first().copied().cloned() {
            let pos = field.pos;
            set.items.push(Positioned::new(Selection::Field(field), pos));
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, Object, Schema, Subscription};
    use futures_util::{Stream, StreamExt, stream};

    struct Query;

    #[Object]
    impl Query {
        async fn hello(&self) -> bool {
            true
        }
    }

    struct Subscriptions;

    #[Subscription]
    impl Subscriptions {
        async fn number(&self) -> impl Stream<Item = usize> {
            stream::iter([7])
        }
    }

    #[tokio::test]
    async fn upstream_ignores_the_fragments_of_a_subscription() {
        let schema = Schema::new(Query, EmptyMutation, Subscriptions);
        let count = |query: &str| schema.execute_stream(query).count();
        assert_eq!(count("subscription { number }").await, 1);
        let events = count("subscription { ... { number } }").await;
        assert_eq!(events, 0, "fixed: delete this work-around");
    }
}
