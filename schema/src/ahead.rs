//! Offers that are fetched together with their user, not after it: one look-up serves all users of
//! a list, and what is known of a user can be written [at once](crate::at_hand).

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::{
    Lookahead, Value,
    connection::{Connection, EmptyFields},
    parser::types::Field,
};

use crate::{AtHand, Json, Page, Ready, Result, page::Cursor};

/// A page of offers, oldest first.
type Offers<T> = Connection<Cursor, AtHand<T>, EmptyFields, EmptyFields>;

/// The page of a user's offers that the selection of the user names, if any.
pub struct Ahead<T: Ready>(Mutex<Option<(Page, Result<Offers<T>>)>>);

impl<T: Ready> Default for Ahead<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Ready> Ahead<T> {
    /// Loads the page that [`page`] told, if any.
    pub async fn load<F>(page: Option<Page>, load: impl FnOnce(Page) -> F) -> Self
    where
        F: Future<Output = Result<Offers<T>>>,
    {
        let Some(page) = page else { return Self::default() };
        Self::new(page, load(page).await)
    }

    /// What was found for the page that [`page`] told.
    #[must_use]
    pub fn new(page: Page, offers: Result<Offers<T>>) -> Self {
        Self(Mutex::new(Some((page, offers))))
    }

    /// Hands the page out if it is this one, and any other as it is loaded.
    ///
    /// # Errors
    /// What loading it failed with.
    pub async fn page(
        &self,
        page: Page,
        load: impl Future<Output = Result<Offers<T>>>,
    ) -> Result<Offers<T>> {
        let ahead = self.lock().take_if(|ahead| ahead.0 == page);
        match ahead {
            Some((_, offers)) => offers,
            None => load.await,
        }
    }

    /// Writes a field of the user that shows offers: there is one at most, and it shows this page.
    pub fn write(&self, field: &Field, json: &mut Json) -> Option<()> {
        let ahead = self.lock();
        let (_, Ok(offers)) = ahead.as_ref()? else { return None };
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "offers" => json.list(&offers.edges, |json, edge| json.ready(selection, &edge.node.0)),
            "offersConnection" => json.ready(selection, offers),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Page, Result<Offers<T>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The offers of a page, as a list.
#[must_use]
pub fn list<T: Ready>(page: Offers<T>) -> AtHand<Vec<T>> {
    AtHand(page.edges.into_iter().map(|edge| edge.node.0).collect())
}

/// The page of offers that is selected of the users of a connection, as [`page`].
#[must_use]
pub fn page_of_nodes(users: &Lookahead<'_>) -> Option<Page> {
    let mut nodes = users.field("nodes").selection_fields();
    nodes.extend(users.field("edges").field("node").selection_fields());
    page(&Lookahead::try_from(&nodes[..]).ok()?)
}

/// The page of offers that is selected of a user; nothing where that is more than one.
#[must_use]
pub fn page(user: &Lookahead<'_>) -> Option<Page> {
    let connections = user.field("offersConnection").selection_fields();
    match &connections[..] {
        [] if user.field("offers").exists() => Some(Page::FULL),
        [connection] if !user.field("offers").exists() => {
            let arguments = connection.arguments().ok()?;
            let argument = |name| Some(&arguments.iter().find(|pair| pair.0 == name)?.1);
            let size = |name| i32::try_from(number(argument(name)?)?).ok();
            let cursor = |name| text(argument(name)?);
            let page = Page::new(size("first"), cursor("after"), size("last"), cursor("before"));
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

    type Seen = Mutex<Option<Page>>;

    struct Query;

    #[Object]
    impl Query {
        async fn user(&self, ctx: &Context<'_>) -> User {
            *ctx.data_unchecked::<Seen>().lock().unwrap() = page(&ctx.look_ahead());
            User
        }

        async fn users(&self, ctx: &Context<'_>) -> Users {
            *ctx.data_unchecked::<Seen>().lock().unwrap() = page_of_nodes(&ctx.look_ahead());
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

    async fn seen(query: &str) -> Option<Page> {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
        let schema = schema.data(Seen::default()).finish();
        let answer = schema.execute(query).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        *schema.data::<Seen>().unwrap().lock().unwrap()
    }

    async fn seen_of_user(selection: &str) -> Option<Page> {
        seen(&format!("{{ user {{ {selection} }} }}")).await
    }

    fn first(size: i32) -> Page {
        Page { size, ..Page::FULL }
    }

    #[tokio::test]
    async fn one_page_is_seen() {
        let few = "offersConnection(first: 7) { total }";
        assert_eq!(seen_of_user("id offers").await, Some(Page::FULL));
        assert_eq!(seen_of_user(&format!("a: {few}")).await, Some(first(7)));
        let last = seen_of_user("... { offersConnection(last: 7) { total } }").await;
        assert_eq!(last, Some(Page { last: true, ..first(7) }));
        let after = crate::page::cursor(Some(3)).unwrap();
        let after =
            seen_of_user(&format!("offersConnection(after: \"{after}\") {{ total }}")).await;
        assert_eq!(after, Some(Page { after: Some(3), ..first(crate::page::DEFAULT) }));
    }

    #[tokio::test]
    async fn others_are_looked_for_where_they_are_shown() {
        let page = seen_of_user("offersConnection(first: 7) { pageInfo }").await;
        assert_eq!(page, Some(Page { others: true, ..first(7) }));
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
