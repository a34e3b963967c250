//! Offers, as offers-api tells them: a client of its `_entities`, batched for the whole process.
//!
//! Offers are public, so no caller's identity goes with a request and callers can share one.
//! Nothing is kept.

use std::collections::HashMap;

use async_graphql::{ComplexObject, Context, ID, SimpleObject, Value};
use schema::{Batcher, Error, Leaves, Page, Result, Slice, Time, batch::Found, id, page};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use service::metrics::Metrics;

use crate::{Users, upstream::Upstream, user::User};

/// What a user offers.
// Kept as offers-api writes it: it is only passed on.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex, shareable)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    /// The identifier of the offer.
    id: ID,
    /// What is offered, in one line of 1 to 200 characters.
    title: String,
    /// What is offered, in 1 to 20000 characters.
    text: String,
    /// When the offer was created, in UTC.
    created_at: Time,
    /// The identifier of the user who offers.
    user_id: ID,
}

impl Offer {
    pub(crate) fn key(&self) -> i64 {
        id::parse(&self.id).unwrap_or_default()
    }
}

impl Leaves for Offer {
    fn leaf(&self, field: &str) -> Option<Value> {
        let text = match field {
            "id" => &*self.id,
            "title" => &self.title,
            "text" => &self.text,
            "createdAt" => self.created_at.as_str(),
            "userId" => &*self.user_id,
            _ => return None,
        };
        Some(text.into())
    }
}

#[ComplexObject]
impl Offer {
    /// The user who offers.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        let there = match id::parse(&self.user_id) {
            Some(id) => Users::of(ctx).rows.load(id).await?,
            None => None,
        };
        there.map(User::from).ok_or_else(|| Error::not_found("There is no such user."))
    }
}

/// The client of offers-api.
#[derive(Clone)]
pub(crate) struct Offers {
    pages: Batcher<(i64, Page), Slice<Offer>>,
    ones: Batcher<i64, Offer>,
}

/// The text of a request for pages of offers: a field for each page that differs. All else is in
/// variables, so that offers-api meets the same few texts and parses each once.
fn pages_query(pages: usize) -> String {
    let variables =
        (0..pages).map(|n| format!("$u{n}:[_Any!]!,$f{n}:Int,$a{n}:String,$l{n}:Int,$b{n}:String"));
    let fields = (0..pages).map(|n| {
        format!(
            "p{n}:_entities(representations:$u{n}){{...on User{{\
             offersConnection(first:$f{n},after:$a{n},last:$l{n},before:$b{n}){{\
             nodes{{id userId title text createdAt}}pageInfo{{hasPreviousPage hasNextPage}}}}}}}}"
        )
    });
    let (variables, fields) = (variables.collect::<Vec<_>>(), fields.collect::<Vec<_>>());
    format!("query({}){{{}}}", variables.join(","), fields.join(" "))
}

/// The variables of one page.
fn pages_variables(n: usize, page: Page, users: &[i64]) -> [(String, Json); 5] {
    let users = users.iter().map(|user| representation("User", *user)).collect();
    let (first, last) = if page.last { (None, Some(page.size)) } else { (Some(page.size), None) };
    [
        (format!("u{n}"), users),
        (format!("f{n}"), first.into()),
        (format!("a{n}"), page::cursor(page.after).into()),
        (format!("l{n}"), last.into()),
        (format!("b{n}"), page::cursor(page.before).into()),
    ]
}

const ONES: &str = "query($o:[_Any!]!){_entities(representations:$o)\
                    {...on Offer{id userId title text createdAt}}}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    offers_connection: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    nodes: Vec<Offer>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
    has_next_page: bool,
}

#[derive(Deserialize)]
struct Ones {
    #[serde(rename = "_entities")]
    entities: Vec<Option<Offer>>,
}

impl Offers {
    pub(crate) fn new(upstream: Upstream, metrics: &Metrics) -> Self {
        let (other, figures) = (upstream.clone(), metrics.clone());
        let pages = Batcher::new(move |keys: Vec<_>| {
            figures.batch("pages", keys.len());
            pages(upstream.clone(), keys)
        });
        let figures = metrics.clone();
        let ones = Batcher::new(move |ids: Vec<_>| {
            figures.batch("offers", ids.len());
            ones(other.clone(), ids)
        });
        Self { pages, ones }
    }

    /// A page of a user's offers.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn page(&self, user: i64, page: Page) -> Result<Slice<Offer>> {
        Ok(self.pages.load((user, page)).await?.unwrap_or_default())
    }

    /// One offer.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn one(&self, id: i64) -> Result<Option<Offer>> {
        self.ones.load(id).await
    }
}

async fn pages(upstream: Upstream, keys: Vec<(i64, Page)>) -> Found<(i64, Page), Slice<Offer>> {
    let mut groups: Vec<(Page, Vec<i64>)> = Vec::new();
    for (user, page) in keys {
        match groups.iter_mut().find(|group| group.0 == page) {
            Some(group) => group.1.push(user),
            None => groups.push((page, vec![user])),
        }
    }
    let variables = groups.iter().enumerate();
    let variables = variables.flat_map(|(n, (page, users))| pages_variables(n, *page, users));
    let variables: serde_json::Map<_, _> = variables.collect();
    let mut answer: HashMap<String, Vec<Entity>> =
        upstream.ask(&pages_query(groups.len()), variables.into()).await?;
    let mut found = HashMap::new();
    for (n, (page, users)) in groups.into_iter().enumerate() {
        let entities = answer.remove(&format!("p{n}")).unwrap_or_default();
        for (user, Entity { offers_connection: Connection { nodes, page_info } }) in
            users.into_iter().zip(entities)
        {
            let PageInfo { has_previous_page: has_previous, has_next_page: has_next } = page_info;
            found.insert((user, page), Slice { rows: nodes, has_previous, has_next });
        }
    }
    Ok(found)
}

async fn ones(upstream: Upstream, ids: Vec<i64>) -> Found<i64, Offer> {
    let offers: Vec<_> = ids.iter().map(|id| representation("Offer", *id)).collect();
    let answer: Ones = upstream.ask(ONES, json!({ "o": offers })).await?;
    Ok(answer.entities.into_iter().flatten().map(|offer| (offer.key(), offer)).collect())
}

fn representation(typename: &str, id: i64) -> Json {
    json!({ "__typename": typename, "id": id.to_string() })
}
