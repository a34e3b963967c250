//! Offers that are fetched together with their user, not after it: one look-up serves all users of
//! a list, and the whole user can be written as [direct JSON](direct_json).

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::{
    Lookahead, Value,
    connection::{Connection, EmptyFields},
    parser::types::Field,
};

use crate::{DirectJson, JsonWriter, PageRequest, Result, WriteJson, pagination::Cursor};

/// A page of offers, oldest first.
pub type OfferConnection<T> = Connection<Cursor, DirectJson<T>, EmptyFields, EmptyFields>;

/// The page of offers that the selection of a user contains, if there is one.
pub struct PrefetchedOffers<T: WriteJson>(Mutex<Option<(PageRequest, Result<OfferConnection<T>>)>>);

impl<T: WriteJson> Default for PrefetchedOffers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: WriteJson> PrefetchedOffers<T> {
    /// Loads `page`, as [`selected_offers_page`] returns it, if there is one.
    pub async fn load<F>(page: Option<PageRequest>, load: impl FnOnce(PageRequest) -> F) -> Self
    where
        F: Future<Output = Result<OfferConnection<T>>>,
    {
        let Some(page) = page else { return Self::default() };
        Self::new(page, load(page).await)
    }

    /// Holds the offers of `page`, or the error of loading them.
    #[must_use]
    pub fn new(page: PageRequest, offers: Result<OfferConnection<T>>) -> Self {
        Self(Mutex::new(Some((page, offers))))
    }

    /// Returns the prefetched page if it is `page`, else the result of `load`.
    ///
    /// # Errors
    /// Fails if loading the page has failed.
    pub async fn take_or_load(
        &self,
        page: PageRequest,
        load: impl Future<Output = Result<OfferConnection<T>>>,
    ) -> Result<OfferConnection<T>> {
        let prefetched = self.lock().take_if(|prefetched| prefetched.0 == page);
        match prefetched {
            Some((_, offers)) => offers,
            None => load.await,
        }
    }

    /// Writes a field of the user that contains offers, or returns `None` if none were prefetched.
    /// Only one such field can be selected then, and it contains this page.
    pub fn write_field(&self, field: &Field, json: &mut JsonWriter<'_>) -> Option<()> {
        let prefetched = self.lock();
        let (_, Ok(offers)) = prefetched.as_ref()? else { return None };
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "offers" => {
                json.list(&offers.edges, |json, edge| json.object_of(selection, &edge.node.0))
            }
            "offersConnection" => json.object_of(selection, offers),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(PageRequest, Result<OfferConnection<T>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Converts a page of offers to a list.
#[must_use]
pub fn into_list<T: WriteJson>(page: OfferConnection<T>) -> DirectJson<Vec<T>> {
    DirectJson(page.edges.into_iter().map(|edge| edge.node.0).collect())
}

/// Returns the page of offers that the users of a connection are selected with, like
/// [`selected_offers_page`].
#[must_use]
pub fn selected_offers_page_of_nodes(users: &Lookahead<'_>) -> Option<PageRequest> {
    let mut nodes = users.field("nodes").selection_fields();
    nodes.extend(users.field("edges").field("node").selection_fields());
    selected_offers_page(&Lookahead::try_from(&nodes[..]).ok()?)
}

/// Returns the page of offers that a user is selected with, or `None` if there is none or more than
/// one.
#[must_use]
pub fn selected_offers_page(user: &Lookahead<'_>) -> Option<PageRequest> {
    let connections = user.field("offersConnection").selection_fields();
    match &connections[..] {
        [] if user.field("offers").exists() => Some(PageRequest::FIRST_MAX),
        [connection] if !user.field("offers").exists() => {
            let arguments = connection.arguments().ok()?;
            let argument = |name| Some(&arguments.iter().find(|pair| pair.0 == name)?.1);
            let size = |name| i32::try_from(as_i64(argument(name)?)?).ok();
            let cursor = |name| as_str(argument(name)?);
            let page =
                PageRequest::new(size("first"), cursor("after"), size("last"), cursor("before"));
            Some(page.ok()?.for_selection(&Lookahead::from(*connection)))
        }
        _ => None,
    }
}

fn as_i64(value: &Value) -> Option<i64> {
    if let Value::Number(number) = value { number.as_i64() } else { None }
}

fn as_str(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Schema, SimpleObject};

    use super::*;

    type Requested = Mutex<Option<PageRequest>>;

    struct Query;

    #[Object]
    impl Query {
        async fn user(&self, ctx: &Context<'_>) -> User {
            *ctx.data_unchecked::<Requested>().lock().unwrap() =
                selected_offers_page(&ctx.look_ahead());
            User
        }

        async fn users(&self, ctx: &Context<'_>) -> Users {
            *ctx.data_unchecked::<Requested>().lock().unwrap() =
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

    async fn requested(query: &str) -> Option<PageRequest> {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
        let schema = schema.data(Requested::default()).finish();
        let answer = schema.execute(query).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        *schema.data::<Requested>().unwrap().lock().unwrap()
    }

    async fn requested_of_user(selection: &str) -> Option<PageRequest> {
        requested(&format!("{{ user {{ {selection} }} }}")).await
    }

    fn first(limit: i32) -> PageRequest {
        PageRequest { limit, ..PageRequest::FIRST_MAX }
    }

    #[tokio::test]
    async fn single_page_is_prefetched() {
        let few = "offersConnection(first: 7) { total }";
        assert_eq!(requested_of_user("id offers").await, Some(PageRequest::FIRST_MAX));
        assert_eq!(requested_of_user(&format!("a: {few}")).await, Some(first(7)));
        let last = requested_of_user("... { offersConnection(last: 7) { total } }").await;
        assert_eq!(last, Some(PageRequest { from_end: true, ..first(7) }));
        let after = crate::pagination::encode_cursor(Some(3)).unwrap();
        let after =
            requested_of_user(&format!("offersConnection(after: \"{after}\") {{ total }}")).await;
        assert_eq!(
            after,
            Some(PageRequest { after: Some(3), ..first(crate::pagination::DEFAULT_PAGE_SIZE) })
        );
    }

    #[tokio::test]
    async fn next_page_is_probed_if_selected() {
        let page = requested_of_user("offersConnection(first: 7) { pageInfo }").await;
        assert_eq!(page, Some(PageRequest { probe_next: true, ..first(7) }));
    }

    #[tokio::test]
    async fn ambiguous_pages_are_not_prefetched() {
        assert_eq!(requested_of_user("id").await, None);
        for several in [
            "offers offersConnection { total }",
            "offersConnection { total } a: offersConnection(first: 1) { total }",
            "offersConnection(first: -1) { total }",
            "offersConnection(after: \"x\") { total }",
        ] {
            assert_eq!(requested_of_user(several).await, None, "{several}");
        }
    }

    #[tokio::test]
    async fn single_page_of_listed_users_is_prefetched() {
        let few = "offersConnection(first: 7) { total }";
        let nodes = format!("nodes {{ {few} }}");
        let edges = format!("edges {{ node {{ {few} }} }}");
        for one in [&nodes, &edges, &format!("{nodes} edges {{ node {{ id }} }}")] {
            assert_eq!(
                requested(&format!("{{ users {{ {one} }} }}")).await,
                Some(first(7)),
                "{one}"
            );
        }
        for other in [&format!("{nodes} {edges}"), "nodes { id }", "edges { node { id } }"] {
            assert_eq!(requested(&format!("{{ users {{ {other} }} }}")).await, None, "{other}");
        }
    }
}
