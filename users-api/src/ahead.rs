//! Offers that are asked for together with their user rather than after it, where a query names
//! the user by id: both services and the database are at work at the same time.

use std::sync::{Mutex, PoisonError};

use async_graphql::{Lookahead, Value};
use futures_util::future::try_join;
use schema::{Page, Result, Slice};

use crate::{Users, offers::Offer, user::User};

/// A page of offers until it is asked for.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<Option<(Page, Result<Slice<Offer>>)>>);

impl Ahead {
    /// Hands the page out, if it is this one.
    pub(crate) fn take(&self, page: Page) -> Option<Result<Slice<Offer>>> {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.take_if(|ahead| ahead.0 == page).map(|ahead| ahead.1)
    }
}

/// The page of offers that is selected of a user; nothing where that is more than one.
pub(crate) fn page(user: &Lookahead<'_>) -> Option<Page> {
    let connections = user.field("offersConnection").selection_fields();
    match &connections[..] {
        [] if user.field("offers").exists() => Some(Page::FULL),
        [connection] if !user.field("offers").exists() => {
            let arguments = connection.arguments().ok()?;
            let argument = |name| Some(&arguments.iter().find(|pair| pair.0 == name)?.1);
            let size = |name| i32::try_from(number(argument(name)?)?).ok();
            let cursor = |name| text(argument(name)?);
            Page::new(size("first"), cursor("after"), size("last"), cursor("before")).ok()
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

impl Users {
    /// A user, with a page of offers where one is named. Who is not there is not waited for.
    pub(crate) async fn with_offers(&self, id: i64, page: Option<Page>) -> Result<Option<User>> {
        let row = async { self.rows.load(id).await.transpose().ok_or(None)?.map_err(Some) };
        let ahead = async {
            let Some(page) = page else { return Ok::<_, Option<_>>(None) };
            Ok(Some((page, self.offers.page(id, page).await)))
        };
        match try_join(row, ahead).await {
            Ok((row, ahead)) => Ok(Some(User::new(row, Ahead(Mutex::new(ahead))))),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Schema};

    use super::*;

    struct Query;
    struct Thing;

    #[Object]
    impl Query {
        async fn user(&self, ctx: &Context<'_>) -> Thing {
            let seen = page(&ctx.look_ahead());
            ctx.data_unchecked::<Mutex<Vec<Option<Page>>>>().lock().unwrap().push(seen);
            Thing
        }
    }

    #[Object]
    impl Thing {
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
        ) -> String {
            format!("{first:?} {after:?} {last:?} {before:?}")
        }
    }

    async fn seen(selection: &str) -> Option<Page> {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
        let schema = schema.data(Mutex::new(Vec::<Option<Page>>::new())).finish();
        let answer = schema.execute(format!("{{ user {{ {selection} }} }}")).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        let pages = schema.data::<Mutex<Vec<Option<Page>>>>().unwrap();
        pages.lock().unwrap().pop().flatten()
    }

    #[tokio::test]
    async fn one_page_is_seen() {
        let page = |size, last| Page { size, last, ..Page::FULL };
        assert_eq!(seen("id offers").await, Some(Page::FULL));
        assert_eq!(seen("a: offersConnection(first: 7)").await, Some(page(7, false)));
        assert_eq!(seen("... { offersConnection(last: 7) }").await, Some(page(7, true)));
        let after = schema::page::cursor(Some(3)).unwrap();
        let seen = seen(&format!("offersConnection(after: \"{after}\")")).await;
        assert_eq!(seen, Page::new(None, Some(&after), None, None).ok());
    }

    #[tokio::test]
    async fn none_or_several_are_left_to_the_fields() {
        assert_eq!(seen("id").await, None);
        assert_eq!(seen("offers offersConnection").await, None);
        assert_eq!(seen("offersConnection a: offersConnection(first: 1)").await, None);
        assert_eq!(seen("offersConnection(first: -1)").await, None);
        assert_eq!(seen("offersConnection(after: \"x\")").await, None);
    }
}
