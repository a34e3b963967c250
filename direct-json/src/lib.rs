//! Objects whose fields need no work.
//!
//! The executor makes a future for each field of each object, and a value of each answer. Where a
//! selection names nothing but what is there already, as a page of offers does, that is most of the
//! work. Such an answer is written as JSON at once.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
    connection::{Connection, CursorType, Edge, EmptyFields, PageInfo},
    parser::types::{Field, SelectionSet},
    registry::Registry,
    resolver_utils::resolve_list,
};

mod writer;

pub use writer::{IdFormat, JsonWriter};

/// An object that can write fields without work.
pub trait WriteJson: ObjectType {
    /// Writes the value of a field, the same that its resolver gives; nothing where the field
    /// needs one.
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()>;
}

/// Data of a request whose answer may be written at once: no selection of its document names a
/// response key twice. The executor merges what such fields answer (GraphQL, section 6.4.3), and JSON
/// cannot be merged.
#[derive(Clone, Copy, Debug)]
pub struct DirectJsonEnabled(pub IdFormat);

/// Writes an object, or a list of them, at once where that can be, and leaves any other selection to
/// the resolvers.
#[derive(Clone, Debug)]
pub struct DirectJson<T>(pub T);

impl JsonWriter {
    /// Writes what is selected of an object; nothing where that needs a resolver.
    pub fn ready<T: WriteJson>(&mut self, selection: &SelectionSet, object: &T) -> Option<()> {
        self.selected(selection, T::type_name, |json, field| object.write(field, json))
    }
}

fn at_once(
    ctx: &ContextSelectionSet<'_>,
    write: impl FnOnce(&mut JsonWriter, &SelectionSet) -> Option<()>,
) -> Option<Value> {
    let DirectJsonEnabled(ids) = ctx.data_opt()?;
    let mut json = JsonWriter::new(*ids);
    write(&mut json, &ctx.item.node)?;
    Some(json.into_value())
}

impl<T: WriteJson> OutputType for DirectJson<T> {
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
        match at_once(ctx, |json, selection| json.ready(selection, &self.0)) {
            Some(object) => Ok(object),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

impl<T: WriteJson> OutputType for DirectJson<Vec<T>> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let written = at_once(ctx, |json, selection| {
            json.list(&self.0, |json, object| json.ready(selection, object))
        });
        match written {
            Some(list) => Ok(list),
            None => resolve_list(ctx, field, &self.0, Some(self.0.len())).await,
        }
    }
}

impl<C, T> WriteJson for Connection<C, DirectJson<T>>
where
    C: CursorType + Send + Sync,
    T: WriteJson,
{
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "nodes" => json.list(&self.edges, |json, edge| json.ready(selection, &edge.node.0)),
            "edges" => json.list(&self.edges, |json, edge| {
                let type_name = Edge::<C, DirectJson<T>, EmptyFields>::type_name;
                json.selected(selection, type_name, |json, field| {
                    match field.name.node.as_str() {
                        "cursor" => json.text(&edge.cursor.encode_cursor()),
                        "node" => json.ready(&field.selection_set.node, &edge.node.0)?,
                        _ => return None,
                    }
                    Some(())
                })
            }),
            "pageInfo" => json.selected(selection, PageInfo::type_name, |json, field| {
                let mut cursor = |edge: Option<&Edge<C, _, _>>| match edge {
                    Some(edge) => json.text(&edge.cursor.encode_cursor()),
                    None => json.null(),
                };
                match field.name.node.as_str() {
                    "startCursor" => cursor(self.edges.first()),
                    "endCursor" => cursor(self.edges.last()),
                    "hasPreviousPage" => json.flag(self.has_previous_page),
                    "hasNextPage" => json.flag(self.has_next_page),
                    _ => return None,
                }
                Some(())
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        EmptyMutation, EmptySubscription, ID, Object, Request, Schema, SimpleObject,
    };

    use super::*;

    #[derive(SimpleObject)]
    struct Thing {
        id: ID,
        name: String,
        worked: bool,
    }

    impl WriteJson for Thing {
        fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
            match field.name.node.as_str() {
                "id" => json.text(&self.id),
                // Unlike the resolver's, to tell the two apart.
                "name" => json.text("at hand"),
                _ => return None,
            }
            Some(())
        }
    }

    struct Query;

    fn thing() -> Thing {
        Thing { id: ID::from(7), name: "resolved".to_owned(), worked: true }
    }

    #[Object]
    impl Query {
        async fn thing(&self) -> DirectJson<Thing> {
            DirectJson(thing())
        }

        async fn things(&self) -> DirectJson<Vec<Thing>> {
            DirectJson(vec![thing(), thing()])
        }
    }

    async fn answer(request: Request) -> String {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let response = schema.execute(request).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let mut json = JsonWriter::default();
        json.value(&response.data);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    async fn at_once(query: &str) -> String {
        answer(Request::new(query).data(DirectJsonEnabled(IdFormat::String))).await
    }

    #[tokio::test]
    async fn what_is_at_hand_is_written_at_once() {
        let object = r#"{"number":"7","name":"at hand","__typename":"Thing"}"#;
        let selection = "{ number: id ... { name } ... on Thing { __typename } }";
        let one = at_once(&format!("{{ thing {selection} }}")).await;
        assert_eq!(one, format!(r#"{{"thing":{object}}}"#));
        let two = at_once(&format!("{{ things {selection} }}")).await;
        assert_eq!(two, format!(r#"{{"things":[{object},{object}]}}"#));
    }

    #[tokio::test]
    async fn whatever_else_is_selected_goes_to_the_resolvers() {
        for (more, fragment) in [("worked", ""), ("...F", "fragment F on Thing { id }")] {
            for field in ["thing", "things"] {
                let query = format!("{{ {field} {{ name {more} }} }} {fragment}");
                let answer = at_once(&query).await;
                assert!(answer.contains(r#""name":"resolved""#), "{answer}");
            }
        }
    }

    #[tokio::test]
    async fn what_must_be_merged_is_left_to_the_executor() {
        let twice = answer("{ thing { name } thing { id name } }".into()).await;
        assert_eq!(twice, r#"{"thing":{"name":"resolved","id":"7"}}"#);
    }
}
