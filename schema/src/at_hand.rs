//! Objects whose scalar fields need no work.
//!
//! The executor makes a future for each field of each object. Where a selection names nothing but
//! scalars that are there already, as a page of offers does, that is most of the work.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
};

/// An object that can tell scalar fields without work.
pub trait Leaves: ObjectType {
    /// The value of a scalar field, the same that its resolver gives; nothing where the field
    /// needs one.
    fn leaf(&self, field: &str) -> Option<Value>;
}

/// Answers a selection of scalars at once, and leaves any other to the resolvers of the object.
#[derive(Clone, Debug)]
pub struct AtHand<T>(pub T);

impl<T: Leaves> AtHand<T> {
    fn leaves(&self, selection: &SelectionSet) -> Option<Value> {
        let mut object = IndexMap::with_capacity(selection.items.len());
        for item in &selection.items {
            let Selection::Field(field) = &item.node else { return None };
            let field = &field.node;
            if !field.directives.is_empty() {
                return None;
            }
            let value = self.0.leaf(&field.name.node)?;
            object.insert(field.response_key().node.clone(), value);
        }
        Some(Value::Object(object))
    }
}

impl<T: Leaves> OutputType for AtHand<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match self.leaves(&ctx.item.node) {
            Some(object) => Ok(object),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Schema, SimpleObject};

    use super::*;

    #[derive(SimpleObject)]
    struct Thing {
        id: ID,
        name: String,
        worked: bool,
    }

    impl Leaves for Thing {
        fn leaf(&self, field: &str) -> Option<Value> {
            match field {
                "id" => Some(self.id.as_str().into()),
                // Unlike the resolver's, to tell the two apart.
                "name" => Some("at hand".into()),
                _ => None,
            }
        }
    }

    struct Query;

    #[Object]
    impl Query {
        async fn thing(&self) -> AtHand<Thing> {
            AtHand(Thing { id: ID::from(7), name: "resolved".to_owned(), worked: true })
        }
    }

    async fn answer(query: &str) -> String {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let response = schema.execute(query).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.to_string()
    }

    #[tokio::test]
    async fn scalars_alone_are_answered_at_once() {
        let query = "{ thing { number: id name id } }";
        assert_eq!(answer(query).await, r#"{thing: {number: "7", name: "at hand", id: "7"}}"#);
    }

    #[tokio::test]
    async fn whatever_else_is_selected_goes_to_the_resolvers() {
        for more in ["worked", "__typename", "... { id }", "... on Thing { id }"] {
            let answer = answer(&format!("{{ thing {{ name {more} }} }}")).await;
            assert!(answer.contains(r#"name: "resolved""#), "{answer}");
        }
    }
}
