//! A client of the `_entities` query of offers-api, batched for the whole process.
//!
//! Offers are public, so no caller's identity goes with a request and callers can share one. Nothing
//! is cached.

pub(crate) mod transport;

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use schema::{
    BatchLoader, Error, Id, LoadOwned, Offer, Page, PageRequest, Result, batch_loader::BatchResult,
    pagination,
};
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use server::metrics::Metrics;

use transport::Transport;

/// The client of offers-api.
pub(crate) struct OffersClient {
    pages: DataLoader<BatchLoader<Transport>>,
    by_id: DataLoader<BatchLoader<Transport>>,
}

impl OffersClient {
    pub(crate) fn new(transport: &Transport, metrics: &Metrics) -> Self {
        Self {
            pages: metrics.batch_loader("offer_pages", transport.clone()),
            by_id: metrics.batch_loader("offer_by_id", transport.clone()),
        }
    }

    /// Loads a page of the offers of a user.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn page(&self, user_id: i64, page: PageRequest) -> Result<Page<Offer>> {
        Ok(self.pages.load_owned((user_id, page)).await?.unwrap_or_default())
    }

    /// Loads a page of the offers of each of these users, in their order.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn pages(
        &self,
        user_ids: Vec<i64>,
        page: PageRequest,
    ) -> Result<Vec<Page<Offer>>> {
        let keys = user_ids.into_iter().map(|user_id| (user_id, page)).collect();
        let pages = self.pages.load_all_owned(keys).await?;
        Ok(pages.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Loads an offer, or returns `None` if there is none with this id.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn by_id(&self, id: i64) -> Result<Option<Offer>> {
        self.by_id.load_owned(id).await
    }
}

/// Users whose offers are requested with the same page.
type UsersOfPage = (PageRequest, Vec<i64>);

/// Returns a query with a field for each different page. All else is in variables, so that
/// offers-api receives few different texts and parses each once.
fn pages_query(groups: &[UsersOfPage]) -> String {
    let variables = (0..groups.len()).map(|n| {
        format!("$users{n}:[_Any!]!,$first{n}:Int,$after{n}:String,$last{n}:Int,$before{n}:String")
    });
    let offer = Offer::selection_of_user();
    let fields = groups.iter().enumerate().map(|(n, (page, _))| {
        let page_info = if page.probe_next { "pageInfo{hasPreviousPage hasNextPage}" } else { "" };
        format!(
            "page{n}:_entities(representations:$users{n}){{...on User{{\
             offersConnection(first:$first{n},after:$after{n},last:$last{n},before:$before{n}){{\
             nodes{{{offer}}}{page_info}}}}}}}"
        )
    });
    let (variables, fields) = (variables.collect::<Vec<_>>(), fields.collect::<Vec<_>>());
    format!("query({}){{{}}}", variables.join(","), fields.join(" "))
}

/// The variables of [`pages_query`].
struct PageVariables<'a>(&'a [UsersOfPage]);

impl Serialize for PageVariables<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (n, (page, users)) in self.0.iter().enumerate() {
            let limit = Some(page.limit);
            let (first, last) = if page.from_end { (None, limit) } else { (limit, None) };
            let (after, before) = (page.after, page.before);
            map.serialize_entry(&format_args!("users{n}"), &Representations("User", users))?;
            map.serialize_entry(&format_args!("first{n}"), &first)?;
            map.serialize_entry(&format_args!("after{n}"), &pagination::encode_cursor(after))?;
            map.serialize_entry(&format_args!("last{n}"), &last)?;
            map.serialize_entry(&format_args!("before{n}"), &pagination::encode_cursor(before))?;
        }
        map.end()
    }
}

/// Representations of the entities of a type, by their ids.
struct Representations<'a>(&'static str, &'a [i64]);

impl Serialize for Representations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Representation<'a> {
            #[serde(rename = "__typename")]
            typename: &'static str,
            id: std::fmt::Arguments<'a>,
        }
        let mut list = serializer.serialize_seq(Some(self.1.len()))?;
        for id in self.1 {
            list.serialize_element(&Representation { typename: self.0, id: format_args!("{id}") })?;
        }
        list.end()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserEntity {
    offers_connection: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    nodes: Vec<Offer>,
    /// Omitted unless it is requested.
    page_info: Option<PageInfo>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_previous_page: bool,
    has_next_page: bool,
}

/// Loads pages of offers, with one request for all.
impl Loader<(i64, PageRequest)> for Transport {
    type Value = Page<Offer>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> BatchResult<(i64, PageRequest), Page<Offer>> {
        let mut groups: Vec<UsersOfPage> = Vec::new();
        for (user_id, page) in keys.iter().copied() {
            match groups.iter_mut().find(|group| group.0 == page) {
                Some(group) => group.1.push(user_id),
                None => groups.push((page, vec![user_id])),
            }
        }
        let response = self.query(&pages_query(&groups), &PageVariables(&groups)).await?;
        let mut data: HashMap<String, Vec<UserEntity>> = response.data()?;
        let mut found = HashMap::new();
        for (n, (page, user_ids)) in groups.into_iter().enumerate() {
            let users = data.remove(&format!("page{n}")).unwrap_or_default();
            for (user_id, user) in user_ids.into_iter().zip(users) {
                let Connection { nodes: mut rows, page_info } = user.offers_connection;
                for offer in &mut rows {
                    offer.user_id = user_id.into();
                }
                if page.probe_next && page_info.is_none() {
                    return Err(response.unusable(&"a page without pageInfo"));
                }
                let PageInfo { has_previous_page: has_previous, has_next_page: has_next } =
                    page_info.unwrap_or_default();
                found.insert((user_id, page), Page { rows, has_previous, has_next });
            }
        }
        Ok(found)
    }
}

/// Loads offers by their ids, with one request for all.
impl Loader<i64> for Transport {
    type Value = Offer;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, Offer> {
        #[derive(Serialize)]
        struct Variables<'a> {
            offers: Representations<'a>,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "_entities")]
            offers: Vec<Option<Offer>>,
        }
        let query = format!(
            "query($offers:[_Any!]!){{_entities(representations:$offers){{...on Offer{{{}}}}}}}",
            Offer::selection()
        );
        let variables = Variables { offers: Representations("Offer", ids) };
        let response = self.query(&query, &variables).await?;
        let Data { offers } = response.data()?;
        // The field has a default, for offers of a user that is known.
        if offers.iter().flatten().any(|offer| offer.user_id == Id::default()) {
            return Err(response.unusable(&"an offer without its user"));
        }
        Ok(offers.into_iter().flatten().map(|offer| (offer.id.0, offer)).collect())
    }
}
