//! Offers that are fetched together with their user, not after it: one look-up serves all users of
//! a list, and what is known of a user can be written [at once](direct_json).

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::{
    Lookahead, Value,
    connection::{Connection, EmptyFields},
    parser::types::Field,
};

use crate::{DirectJson, JsonWriter, PageRequest, Result, WriteJson, pagination::Cursor};

/// A page of offers, oldest first.
type Offers<T> = Connection<Cursor, DirectJson<T>, EmptyFields, EmptyFields>;

/// The page of a user's offers that the selection of the user names, if any.
pub struct PrefetchedOffers<T: WriteJson>(Mutex<Option<(PageRequest, Result<Offers<T>>)>>);

impl<T: WriteJson> Default for PrefetchedOffers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: WriteJson> PrefetchedOffers<T> {
    /// Loads the page that [`selected_offers_page`] told, if any.
    pub async fn load<F>(page: Option<PageRequest>, load: impl FnOnce(PageRequest) -> F) -> Self
    where
        F: Future<Output = Result<Offers<T>>>,
    {
        let Some(page) = page else { return Self::default() };
        Self::new(page, load(page).await)
    }

    /// What was found for the page that [`selected_offers_page`] told.
    #[must_use]
    pub fn new(page: PageRequest, offers: Result<Offers<T>>) -> Self {
        Self(Mutex::new(Some((page, offers))))
    }

    /// Hands the page out if it is this one, and any other as it is loaded.
    ///
    /// # Errors
    /// What loading it failed with.
    pub async fn page(
        &self,
        page: PageRequest,
        load: impl Future<Output = Result<Offers<T>>>,
    ) -> Result<Offers<T>> {
        let ahead = self.lock().take_if(|ahead| ahead.0 == page);
        match ahead {
            Some((_, offers)) => offers,
            None => load.await,
        }
    }

    /// Writes a field of the user that shows offers: there is one at most, and it shows this page.
    pub fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        let ahead = self.lock();
        let (_, Ok(offers)) = ahead.as_ref()? else { return None };
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "offers" => json.list(&offers.edges, |json, edge| json.ready(selection, &edge.node.0)),
            "offersConnection" => json.ready(selection, offers),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(PageRequest, Result<Offers<T>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The offers of a page, as a list.
#[must_use]
pub fn into_list<T: WriteJson>(page: Offers<T>) -> DirectJson<Vec<T>> {
    DirectJson(page.edges.into_iter().map(|edge| edge.node.0).collect())
}

/// The page of offers that is selected of the users of a connection, as [`selected_offers_page`].
#[must_use]
pub fn selected_offers_page_of_nodes(users: &Lookahead<'_>) -> Option<PageRequest> {
    let mut nodes = users.field("nodes").selection_fields();
    nodes.extend(users.field("edges").field("node").selection_fields());
    selected_offers_page(&Lookahead::try_from(&nodes[..]).ok()?)
}

/// The page of offers that is selected of a user; nothing where that is more than one.
#[must_use]
pub fn selected_offers_page(user: &Lookahead<'_>) -> Option<PageRequest> {
    let connections = user.field("offersConnection").selection_fields();
    match &connections[..] {
        [] if user.field("offers").exists() => Some(PageRequest::FIRST_MAX),
        [connection] if !user.field("offers").exists() => {
            let arguments = connection.arguments().ok()?;
            let argument = |name| Some(&arguments.iter().find(|pair| pair.0 == name)?.1);
            let size = |name| i32::try_from(number(argument(name)?)?).ok();
            let cursor = |name| text(argument(name)?);
            let page =
                PageRequest::new(size("first"), cursor("after"), size("last"), cursor("before"));
            Some(page.ok()?.shown(&Lookahead::from(*connection)))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    if let Value::Number(number) = value { number.as_i64() } else { None }
}

fn text(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Schema, SimpleObject};

    use super::*;

    type Seen = Mutex<Option<PageRequest>>;

    struct Query;

    #[Object]
    impl Query {
        async fn user(&self, ctx: &Context<'_>) -> User {
            *ctx.data_unchecked::<Seen>().lock().unwrap() = selected_offers_page(&ctx.look_ahead());
            User
        }

        async fn users(&self, ctx: &Context<'_>) -> Users {
            *ctx.data_unchecked::<Seen>().lock().unwrap() =
                selected_offers_page_of_nodes(&ctx.look_ahead());
            Users { nodes: User, edges: Edge { node: User } }
        }
    }

    struct User;

    #[Object]
    impl User {
        async fn id(&self) -> i32 {
            7
        }

        async fn offers(&self) -> i32 {
            0
        }

        async fn offers_connection(
            &self,
            first: Option<i32>,
            after: Option<String>,
            last: Option<i32>,
            before: Option<String>,
        ) -> Offers {
            let _ = (first, after, last, before);
            Offers { total: 0, page_info: 0 }
        }
    }

    #[derive(SimpleObject)]
    struct Users {
        nodes: User,
        edges: Edge,
    }

    #[derive(SimpleObject)]
    struct Edge {
        node: User,
    }

    #[derive(SimpleObject)]
    struct Offers {
        total: i32,
        page_info: i32,
    }

    async fn seen(query: &str) -> Option<PageRequest> {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
        let schema = schema.data(Seen::default()).finish();
        let answer = schema.execute(query).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        *schema.data::<Seen>().unwrap().lock().unwrap()
    }

    async fn seen_of_user(selection: &str) -> Option<PageRequest> {
        seen(&format!("{{ user {{ {selection} }} }}")).await
    }

    fn first(size: i32) -> PageRequest {
        PageRequest { size, ..PageRequest::FIRST_MAX }
    }

    #[tokio::test]
    async fn one_page_is_seen() {
        let few = "offersConnection(first: 7) { total }";
        assert_eq!(seen_of_user("id offers").await, Some(PageRequest::FIRST_MAX));
        assert_eq!(seen_of_user(&format!("a: {few}")).await, Some(first(7)));
        let last = seen_of_user("... { offersConnection(last: 7) { total } }").await;
        assert_eq!(last, Some(PageRequest { last: true, ..first(7) }));
        let after = crate::pagination::encode_cursor(Some(3)).unwrap();
        let after =
            seen_of_user(&format!("offersConnection(after: \"{after}\") {{ total }}")).await;
        assert_eq!(
            after,
            Some(PageRequest { after: Some(3), ..first(crate::pagination::DEFAULT_PAGE_SIZE) })
        );
    }

    #[tokio::test]
    async fn others_are_looked_for_where_they_are_shown() {
        let page = seen_of_user("offersConnection(first: 7) { pageInfo }").await;
        assert_eq!(page, Some(PageRequest { others: true, ..first(7) }));
    }

    #[tokio::test]
    async fn none_or_several_are_left_to_the_fields() {
        assert_eq!(seen_of_user("id").await, None);
        for several in [
            "offers offersConnection { total }",
            "offersConnection { total } a: offersConnection(first: 1) { total }",
            "offersConnection(first: -1) { total }",
            "offersConnection(after: \"x\") { total }",
        ] {
            assert_eq!(seen_of_user(several).await, None, "{several}");
        }
    }

    #[tokio::test]
    async fn the_page_of_listed_users_is_seen_where_it_is_one() {
        let few = "offersConnection(first: 7) { total }";
        let nodes = format!("nodes {{ {few} }}");
        let edges = format!("edges {{ node {{ {few} }} }}");
        for one in [&nodes, &edges, &format!("{nodes} edges {{ node {{ id }} }}")] {
            assert_eq!(seen(&format!("{{ users {{ {one} }} }}")).await, Some(first(7)), "{one}");
        }
        for other in [&format!("{nodes} {edges}"), "nodes { id }", "edges { node { id } }"] {
            assert_eq!(seen(&format!("{{ users {{ {other} }} }}")).await, None, "{other}");
        }
    }
}
