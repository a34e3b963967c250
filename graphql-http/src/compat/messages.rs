//! Defect: the library's own errors have no code. Their messages alone distinguish an exceeded limit
//! from an invalid document, and an invalid argument from an internal error.
//!
//! Functions: `check_max_directives`, `check_alias_count` and `check_recursive_depth` in `src/schema.rs`,
//! `check_rules` in `src/validation/mod.rs`, `InputValueError::into_server_error` in `src/error.rs`. Codes
//! for invalid input were asked for in <https://github.com/async-graphql/async-graphql/issues/1174>.

/// The beginnings of the messages about an exceeded limit.
const EXCEEDED_LIMIT: [&str; 5] = [
    "Query is too complex.",
    "Query is nested too deep.",
    "The number of directives on the field ",
    "The amount of aliases of the query ",
    "The recursion depth of the query ",
];

/// The beginnings of the messages about an invalid argument or representation.
const INVALID_INPUT: [&str; 4] =
    ["Expected input type ", "Failed to parse ", "Variable ", "\"__typename\" "];

/// Returns whether the message is that of a document which exceeds a limit of the schema.
pub(crate) fn is_exceeded_limit(message: &str) -> bool {
    EXCEEDED_LIMIT.iter().any(|beginning| message.starts_with(beginning))
}

/// Returns whether the message is that of an argument that a resolver cannot be called with.
pub(crate) fn is_invalid_input(message: &str) -> bool {
    INVALID_INPUT.iter().any(|beginning| message.starts_with(beginning))
}

/// Returns whether the message is that of a representation which no resolver of a federated graph
/// accepts.
pub(crate) fn is_missing_entity(message: &str) -> bool {
    message == "Entity not found."
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        EmptyMutation, EmptySubscription, Object, Schema, SchemaBuilder, ServerError, SimpleObject,
    };

    use super::*;

    #[derive(SimpleObject)]
    struct Thing {
        id: i32,
    }

    struct Query;

    #[Object]
    impl Query {
        async fn query(&self) -> Query {
            Query
        }

        async fn double(&self, number: i32) -> i32 {
            number * 2
        }

        #[graphql(entity)]
        async fn thing(&self, id: i32) -> Option<Thing> {
            (id > 0).then_some(Thing { id })
        }
    }

    fn schema() -> SchemaBuilder<Query, EmptyMutation, EmptySubscription> {
        Schema::build(Query, EmptyMutation, EmptySubscription)
    }

    /// Returns the only error of a document, which the plain library gives without a code.
    async fn error(
        schema: SchemaBuilder<Query, EmptyMutation, EmptySubscription>,
        query: &str,
    ) -> ServerError {
        let mut errors = schema.finish().execute(query).await.errors;
        assert_eq!(errors.len(), 1, "{query}: {errors:?}");
        let error = errors.remove(0);
        let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
        assert_eq!(code, None, "fixed: use the code of {query}");
        error
    }

    #[tokio::test]
    async fn upstream_exceeded_limits_have_no_code() {
        for (schema, query) in [
            (schema().limit_complexity(0), "{ query { __typename } }"),
            (schema().limit_depth(1), "{ query { query { __typename } } }"),
            (schema().limit_directives(0), "{ __typename @skip(if: false) }"),
            (schema().limit_aliases(0), "{ name: __typename }"),
            (schema().limit_recursive_depth(1), "{ query { query { __typename } } }"),
        ] {
            let error = error(schema, query).await;
            assert!(is_exceeded_limit(&error.message), "{error:?}");
        }
    }

    #[tokio::test]
    async fn upstream_invalid_arguments_have_no_code() {
        for query in [
            "{ double(number: 3000000000) }",
            "{ _entities(representations: [{ id: 1 }]) { __typename } }",
        ] {
            let error = error(schema().enable_federation(), query).await;
            assert!(is_invalid_input(&error.message), "{error:?}");
        }
    }

    #[tokio::test]
    async fn upstream_missing_entities_have_no_code() {
        let query =
            "{ _entities(representations: [{ __typename: \"Other\", id: 1 }]) { __typename } }";
        let error = error(schema().enable_federation(), query).await;
        assert!(is_missing_entity(&error.message), "{error:?}");
    }
}
