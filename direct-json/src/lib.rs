//! Writes objects of async-graphql as JSON without the executor.
//!
//! The executor makes a future for each field of each object, and a value of each result. Where a
//! selection needs no resolver, as a page of rows does, that is most of the work. [`DirectJson`]
//! writes such a selection straight to JSON text and leaves any other to the executor.
//!
//! [`object!`] defines an object and its [`WriteJson`] from one list of fields. A field whose type
//! cannot be written does not compile.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, Error, ObjectType, OutputType, Positioned, ServerResult, Value,
    connection::{Connection, CursorType, Edge, EmptyFields, PageInfo},
    parser::types::{Field, SelectionSet},
    registry::Registry,
    resolver_utils::resolve_list,
};

mod budget;
mod object;
mod writer;

pub use budget::{AnswerBudget, AnswerTooLarge, MAX_ANSWER_BYTES};
pub use object::{PlainField, WriteValue, camel_case, camel_case_length, selection_text};
pub use writer::{JsonWriter, Notation};

/// An object with fields that need no resolver.
pub trait WriteJson: ObjectType {
    /// Writes the value of `field` exactly as its resolver would return it. Returns `None` if the
    /// field needs its resolver.
    fn write_field(&self, field: &Field, json: &mut JsonWriter<'_>) -> Option<()>;
}

/// Data of a request that enables direct JSON. No selection of its document may contain a response
/// key twice: the executor merges such fields (GraphQL, section 6.4.3), and JSON text cannot be
/// merged. [`Notation`] is data of its own, which resolvers consult as well.
#[derive(Clone, Copy, Debug)]
pub struct DirectJsonEnabled;

/// An object, or a list of objects, that is written directly if its selection needs no resolver.
#[derive(Clone, Debug)]
pub struct DirectJson<T>(pub T);

/// Returns what `write` has written, or `None` if the request or the selection needs the executor.
/// Fails if the answer is too large.
fn try_write_direct(
    ctx: &ContextSelectionSet<'_>,
    write: impl FnOnce(&mut JsonWriter<'_>, &SelectionSet) -> Option<()>,
) -> ServerResult<Option<Value>> {
    if ctx.data_opt::<DirectJsonEnabled>().is_none() {
        return Ok(None);
    }
    let mut json = JsonWriter::for_selection(ctx);
    let written = write(&mut json, &ctx.item.node);
    if written.is_none() && !json.is_full() {
        return Ok(None);
    }
    take_written(ctx, json.len())?;
    Ok(Some(json.into_value()))
}

/// Takes bytes from the [budget](AnswerBudget) of the answer, if it has one.
///
/// # Errors
/// Fails if the answer is too large.
pub fn take_written(ctx: &ContextSelectionSet<'_>, bytes: usize) -> ServerResult<()> {
    let taken = AnswerBudget::from_ctx(ctx).map_or(Ok(()), |budget| budget.take_written(bytes));
    taken.map_err(|error| ctx.set_error_path(Error::from(error).into_server_error(ctx.item.pos)))
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
        match try_write_direct(ctx, |json, selection| json.object_of(selection, &self.0))? {
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
        let written = try_write_direct(ctx, |json, selection| {
            json.list(&self.0, |json, object| json.object_of(selection, object))
        });
        match written? {
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
    fn write_field(&self, field: &Field, json: &mut JsonWriter<'_>) -> Option<()> {
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "nodes" => json.list(&self.edges, |json, edge| json.object_of(selection, &edge.node.0)),
            "edges" => json.list(&self.edges, |json, edge| {
                let type_name = Edge::<C, DirectJson<T>, EmptyFields>::type_name;
                json.selection(selection, type_name, |json, field| {
                    match field.name.node.as_str() {
                        "cursor" => json.string(&edge.cursor.encode_cursor()),
                        "node" => json.object_of(&field.selection_set.node, &edge.node.0)?,
                        _ => return None,
                    }
                    Some(())
                })
            }),
            "pageInfo" => json.selection(selection, PageInfo::type_name, |json, field| {
                let mut cursor = |edge: Option<&Edge<C, _, _>>| match edge {
                    Some(edge) => json.string(&edge.cursor.encode_cursor()),
                    None => json.null(),
                };
                match field.name.node.as_str() {
                    "startCursor" => cursor(self.edges.first()),
                    "endCursor" => cursor(self.edges.last()),
                    "hasPreviousPage" => json.bool(self.has_previous_page),
                    "hasNextPage" => json.bool(self.has_next_page),
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
        ComplexObject, EmptyMutation, EmptySubscription, Object, Request, Schema, SimpleObject,
    };

    use super::*;

    object! {
        #[derive(SimpleObject)]
        #[graphql(complex)]
        struct Thing {
            id: i64,
            full_name: Name,
            note: Option<String>,
            size: Option<Size>,
        }
    }

    object! {
        #[derive(SimpleObject)]
        struct Size {
            max_width: i32,
            height: i64,
        }
    }

    #[ComplexObject]
    impl Thing {
        async fn worked(&self) -> bool {
            true
        }
    }

    /// A scalar that shows how it was written.
    struct Name;

    async_graphql::scalar!(Name);

    impl serde::Serialize for Name {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str("resolved")
        }
    }

    impl<'de> serde::Deserialize<'de> for Name {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    impl WriteValue for Name {
        fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
            json.string("direct");
            Some(())
        }
    }

    struct Query;

    fn thing() -> Thing {
        Thing { id: 7, full_name: Name, note: None, size: Some(Size { max_width: 2, height: 3 }) }
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

    async fn direct(query: &str) -> String {
        answer(Request::new(query).data(DirectJsonEnabled)).await
    }

    const OBJECT: &str = r#"{"number":7,"fullName":"direct","note":null,"__typename":"Thing"}"#;

    #[tokio::test]
    async fn selection_without_resolvers_is_written_directly() {
        let selection = "{ number: id ... { fullName } ... on Thing { note __typename } }";
        let one = direct(&format!("{{ thing {selection} }}")).await;
        assert_eq!(one, format!(r#"{{"thing":{OBJECT}}}"#));
        let two = direct(&format!("{{ things {selection} }}")).await;
        assert_eq!(two, format!(r#"{{"things":[{OBJECT},{OBJECT}]}}"#));
    }

    #[tokio::test]
    async fn named_fragments_are_written_directly() {
        let query = "{ thing { ...Outer } }
            fragment Outer on Thing { number: id ...Inner __typename }
            fragment Inner on Thing { fullName note }";
        assert_eq!(direct(query).await, format!(r#"{{"thing":{OBJECT}}}"#));
    }

    #[tokio::test]
    async fn other_selections_use_resolvers() {
        for (more, fragment) in [("worked", ""), ("...F", "fragment F on Thing { worked }")] {
            for field in ["thing", "things"] {
                let query = format!("{{ {field} {{ fullName {more} }} }} {fragment}");
                let answer = direct(&query).await;
                assert!(answer.contains(r#""fullName":"resolved""#), "{answer}");
            }
        }
    }

    #[tokio::test]
    async fn duplicate_keys_use_executor() {
        let twice = answer("{ thing { fullName } thing { id fullName } }".into()).await;
        assert_eq!(twice, r#"{"thing":{"fullName":"resolved","id":7}}"#);
    }

    #[tokio::test]
    async fn nested_objects_are_written_as_selected() {
        let query = "{ thing { size { ...F __typename } } } fragment F on Size { w: maxWidth }";
        assert_eq!(direct(query).await, r#"{"thing":{"size":{"w":2,"__typename":"Size"}}}"#);
        assert_eq!(answer(query.into()).await, direct(query).await);
    }

    #[test]
    fn fields_have_their_graphql_names() {
        let text = selection_text(Thing::FIELDS);
        assert_eq!(text, "id fullName note size{maxWidth height}");
    }
}
