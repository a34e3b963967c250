//! Defect: an error of `_entities`, such as that of a representation without `__typename`, has no path,
//! and so looks like the error of a request that was not executed.
//!
//! Function: `resolve_field` of `QueryRoot` in `src/types/query_root.rs`. No upstream issue is known.

use async_graphql::{Name, PathSegment, Pos, ServerError, parser::types::ExecutableDocument};

use crate::field_collection::collect_fields;

/// Returns the response key of each `_entities` of a document, by its position.
pub(crate) fn entity_fields(document: &ExecutableDocument) -> Vec<(Pos, Name)> {
    let operations = document.operations.iter();
    let fields = operations.flat_map(|(_, operation)| {
        collect_fields(&operation.node.selection_set.node, &document.fragments)
    });
    let entities = fields.filter(|field| field.node.name.node == "_entities");
    entities.map(|field| (field.pos, field.node.response_key().node.clone())).collect()
}

/// Gives an error of one of the fields its path.
pub(crate) fn add_paths(errors: &mut [ServerError], fields: &[(Pos, Name)]) {
    for error in errors.iter_mut().filter(|error| error.path.is_empty()) {
        let field = fields.iter().find(|(pos, _)| error.locations.first() == Some(pos));
        error.path.extend(field.map(|(_, key)| PathSegment::Field(key.to_string())));
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, SimpleObject};

    #[derive(SimpleObject)]
    struct Thing {
        id: i32,
    }

    struct Query;

    #[Object]
    impl Query {
        #[graphql(entity)]
        async fn thing(&self, id: i32) -> Option<Thing> {
            (id > 0).then_some(Thing { id })
        }
    }

    #[tokio::test]
    async fn upstream_errors_of_entities_have_no_path() {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription).enable_federation();
        let query = "{ _entities(representations: [{ id: 1 }]) { __typename } }";
        let errors = schema.finish().execute(query).await.errors;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].path.is_empty(), "fixed: delete this work-around");
    }
}
