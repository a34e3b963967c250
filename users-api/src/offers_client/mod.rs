//! Offers, as offers-api tells them: a client of its `_entities`, batched for the whole process.
//!
//! Offers are public, so no caller's identity goes with a request and callers can share one.
//! Nothing is kept.

pub(crate) mod transport;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, ID, Object,
    dataloader::{DataLoader, Loader},
    parser::types::Field,
};
use axum::body::Bytes;
use schema::{
    BatchLoader, DirectJson, Error, JsonWriter, Page, PageRequest, Result, Timestamp, WriteJson,
    batch_loader::BatchResult, id, pagination,
};
use serde::{
    Deserialize, Serialize, Serializer,
    de::DeserializeOwned,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;
use server::metrics::Metrics;

use crate::{
    graphql::users::{OfferConnection, User},
    offers_client::transport::{GraphqlResponse, Transport},
    state::UsersState,
};

/// What a user offers, in the words of offers-api: it is only passed on.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) id: i64,
    user_id: i64,
    title: Text,
    text: Text,
    created_at: Text,
}

/// A JSON string, as it stands in an answer that is kept as long.
#[derive(Clone, Debug)]
struct Text(Bytes);

impl Text {
    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0).map_err(Error::internal)
    }
}

/// What a user offers.
#[Object(shareable)]
#[allow(clippy::unused_async, reason = "the macro wants it")]
impl Offer {
    /// The identifier of the offer.
    async fn id(&self) -> ID {
        id::to_graphql_id(self.id)
    }

    /// What is offered, in one line of 1 to 200 characters.
    async fn title(&self) -> Result<String> {
        self.title.read()
    }

    /// What is offered, in 1 to 20000 characters.
    async fn text(&self) -> Result<String> {
        self.text.read()
    }

    /// When the offer was created, in UTC.
    async fn created_at(&self) -> Result<Timestamp> {
        self.created_at.read()
    }

    /// The identifier of the user who offers.
    async fn user_id(&self) -> ID {
        id::to_graphql_id(self.user_id)
    }

    /// The user who offers.
    async fn user(&self, ctx: &Context<'_>) -> Result<DirectJson<User>> {
        UsersState::from_ctx(ctx).some(ctx, self.user_id).await
    }
}

impl WriteJson for Offer {
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        match field.name.node.as_str() {
            "id" => json.id(self.id),
            "title" => json.as_is(&self.title.0),
            "text" => json.as_is(&self.text.0),
            "createdAt" => json.as_is(&self.created_at.0),
            "userId" => json.id(self.user_id),
            _ => return None,
        }
        Some(())
    }
}

/// The client of offers-api.
pub(crate) struct Offers {
    pages: DataLoader<BatchLoader<Transport>>,
    ones: DataLoader<BatchLoader<Transport>>,
}

/// Users who are asked for the same page of offers.
type Group = (PageRequest, Vec<i64>);

/// The text of a request for pages of offers: a field for each page that differs. All else is in
/// variables, so that offers-api meets the same few texts and parses each once.
fn pages_query(groups: &[Group]) -> String {
    let variables = (0..groups.len())
        .map(|n| format!("$u{n}:[_Any!]!,$f{n}:Int,$a{n}:String,$l{n}:Int,$b{n}:String"));
    let fields = groups.iter().enumerate().map(|(n, (page, _))| {
        let others = if page.others { "pageInfo{hasPreviousPage hasNextPage}" } else { "" };
        format!(
            "p{n}:_entities(representations:$u{n}){{...on User{{\
             offersConnection(first:$f{n},after:$a{n},last:$l{n},before:$b{n}){{\
             nodes{{id title text createdAt}}{others}}}}}}}"
        )
    });
    let (variables, fields) = (variables.collect::<Vec<_>>(), fields.collect::<Vec<_>>());
    format!("query({}){{{}}}", variables.join(","), fields.join(" "))
}

/// The variables of pages.
struct Pages<'a>(&'a [Group]);

impl Serialize for Pages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (n, (page, users)) in self.0.iter().enumerate() {
            let size = Some(page.size);
            let (first, last) = if page.last { (None, size) } else { (size, None) };
            map.serialize_entry(&format_args!("u{n}"), &Entities("User", users))?;
            map.serialize_entry(&format_args!("f{n}"), &first)?;
            map.serialize_entry(&format_args!("a{n}"), &pagination::encode_cursor(page.after))?;
            map.serialize_entry(&format_args!("l{n}"), &last)?;
            map.serialize_entry(&format_args!("b{n}"), &pagination::encode_cursor(page.before))?;
        }
        map.end()
    }
}

/// Representations of entities of a type.
struct Entities<'a>(&'static str, &'a [i64]);

impl Serialize for Entities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entity<'a> {
            #[serde(rename = "__typename")]
            typename: &'static str,
            id: std::fmt::Arguments<'a>,
        }
        let mut list = serializer.serialize_seq(Some(self.1.len()))?;
        for id in self.1 {
            list.serialize_element(&Entity { typename: self.0, id: format_args!("{id}") })?;
        }
        list.end()
    }
}

const ONES: &str = "query($o:[_Any!]!){_entities(representations:$o)\
                    {...on Offer{id userId title text createdAt}}}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity<'a> {
    #[serde(borrow)]
    offers_connection: Connection<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'a> {
    #[serde(borrow)]
    nodes: Vec<Node<'a>>,
    /// Not asked for where nobody shows it.
    page_info: Option<PageInfo>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
    has_next_page: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: id::IdString,
    /// Not asked for where it is known.
    user_id: Option<id::IdString>,
    #[serde(borrow)]
    title: &'a RawValue,
    text: &'a RawValue,
    created_at: &'a RawValue,
}

#[derive(Deserialize)]
struct Ones<'a> {
    #[serde(rename = "_entities", borrow)]
    entities: Vec<Option<Node<'a>>>,
}

/// Takes an offer out of an answer.
fn offer(answer: &GraphqlResponse, node: &Node<'_>, user: Option<i64>) -> Result<Offer> {
    let text = |value: &RawValue| {
        let json = value.get();
        let string = json.starts_with('"');
        string.then(|| Text(answer.slice(json))).ok_or_else(|| answer.unusable(&"not a string"))
    };
    let user = user.or(node.user_id.map(|id| id.0));
    Ok(Offer {
        id: node.id.0,
        user_id: user.ok_or_else(|| answer.unusable(&"an offer of nobody"))?,
        title: text(node.title)?,
        text: text(node.text)?,
        created_at: text(node.created_at)?,
    })
}

impl Offers {
    pub(crate) fn new(transport: &Transport, metrics: &Metrics) -> Self {
        Self {
            pages: metrics.batch_loader("offer_pages", transport.clone()),
            ones: metrics.batch_loader("offer_by_id", transport.clone()),
        }
    }

    /// A page of a user's offers.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn page(&self, user: i64, page: PageRequest) -> Result<OfferConnection> {
        self.pages.load_one((user, page)).await.map(connection)
    }

    /// A page of offers of each of these users. Each can fail with `OFFERS_UNAVAILABLE`.
    pub(crate) async fn pages(
        &self,
        users: Vec<i64>,
        page: PageRequest,
    ) -> Vec<Result<OfferConnection>> {
        let mut found = self.pages.load_many(users.iter().map(|user| (*user, page))).await;
        let mut take = |user| match &mut found {
            Ok(found) => Ok(connection(found.remove(&(user, page)))),
            Err(error) => Err(error.clone()),
        };
        users.into_iter().map(&mut take).collect()
    }

    /// One offer.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn one(&self, id: i64) -> Result<Option<Offer>> {
        Ok(self.ones.load_one(id).await?.map(Arc::unwrap_or_clone))
    }
}

fn connection(slice: Option<Arc<Page<Offer>>>) -> OfferConnection {
    slice.map(Arc::unwrap_or_clone).unwrap_or_default().connection(|offer| offer.id, DirectJson)
}

impl Loader<(i64, PageRequest)> for Transport {
    type Value = Page<Offer>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> BatchResult<(i64, PageRequest), Page<Offer>> {
        pages(self, keys).await
    }
}

impl Loader<i64> for Transport {
    type Value = Offer;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, Offer> {
        ones(self, ids).await
    }
}

async fn pages(
    transport: &Transport,
    keys: &[(i64, PageRequest)],
) -> BatchResult<(i64, PageRequest), Page<Offer>> {
    let mut groups: Vec<Group> = Vec::new();
    for (user, page) in keys.iter().copied() {
        match groups.iter_mut().find(|group| group.0 == page) {
            Some(group) => group.1.push(user),
            None => groups.push((page, vec![user])),
        }
    }
    let answer = transport.query(&pages_query(&groups), &Pages(&groups)).await?;
    let mut data: HashMap<String, Vec<Entity<'_>>> = answer.data()?;
    let mut found = HashMap::new();
    for (n, (page, users)) in groups.into_iter().enumerate() {
        let entities = data.remove(&format!("p{n}")).unwrap_or_default();
        for (user, Entity { offers_connection: Connection { nodes, page_info } }) in
            users.into_iter().zip(entities)
        {
            let rows = nodes.iter().map(|node| offer(&answer, node, Some(user)));
            let rows = rows.collect::<Result<_>>()?;
            if page.others && page_info.is_none() {
                return Err(answer.unusable(&"a page without pageInfo"));
            }
            let PageInfo { has_previous_page: has_previous, has_next_page: has_next } =
                page_info.unwrap_or_default();
            found.insert((user, page), Page { rows, has_previous, has_next });
        }
    }
    Ok(found)
}

async fn ones(transport: &Transport, ids: &[i64]) -> BatchResult<i64, Offer> {
    #[derive(Serialize)]
    struct Variables<'a> {
        o: Entities<'a>,
    }
    let answer = transport.query(ONES, &Variables { o: Entities("Offer", ids) }).await?;
    let data: Ones<'_> = answer.data()?;
    let offers = data.entities.iter().flatten().map(|node| offer(&answer, node, None));
    offers.map(|offer| offer.map(|offer| (offer.id, offer))).collect()
}
