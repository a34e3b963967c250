//! A client of the `_entities` query of offers-api, batched for the whole process.
//!
//! Offers are public, so no caller's identity goes with a request and callers can share one. Nothing
//! is cached.
//!
//! A batch is usually one request. It is several if one would be refused: offers-api bounds the rows
//! that a request asks for, and the bytes of an answer. A batch that has received
//! [`MAX_BATCH_BYTES`] leaves the rest of its keys to the next one.

pub(crate) mod transport;

use std::{collections::HashMap, hash::Hash};

use async_graphql::dataloader::{DataLoader, Loader};
use schema::{
    AnswerBudget, BatchLoader, Error, ErrorCode, Id, LoadWithinBudget, Offer, Page, PageRequest,
    Result, batch_loader::BatchResult, limits::MAX_ENTITIES, pagination,
};
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use server::metrics::Metrics;

use transport::Transport;

/// Maximum number of rows that one request asks for: the full pages of 100 users. Their complexity
/// is within [`MAX_ENTITIES_COMPLEXITY`](schema::limits::MAX_ENTITIES_COMPLEXITY).
const MAX_REQUEST_ROWS: u64 = 100_000;
/// Maximum number of different pages in one request, whose complexities offers-api adds up.
const MAX_REQUEST_PAGES: usize = 20;
/// Bytes of responses after which a batch sends no more requests.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

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
    /// `OFFERS_UNAVAILABLE`, or `QUERY_TOO_COMPLEX` if the answer is too large.
    pub(crate) async fn page(
        &self,
        budget: Option<&AnswerBudget>,
        user_id: i64,
        page: PageRequest,
    ) -> Result<Page<Offer>> {
        self.pages.load_within_budget(budget, (user_id, page)).await
    }

    /// Loads a page of the offers of each of these users, in their order.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`, or `QUERY_TOO_COMPLEX` if the answer is too large.
    pub(crate) async fn pages(
        &self,
        budget: Option<&AnswerBudget>,
        user_ids: Vec<i64>,
        page: PageRequest,
    ) -> Result<Vec<Page<Offer>>> {
        let keys = user_ids.into_iter().map(|user_id| (user_id, page)).collect();
        self.pages.load_all_within_budget(budget, keys).await
    }

    /// Loads an offer, or returns `None` if there is none with this id.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`, or `QUERY_TOO_COMPLEX` if the answer is too large.
    pub(crate) async fn by_id(
        &self,
        budget: Option<&AnswerBudget>,
        id: i64,
    ) -> Result<Option<Offer>> {
        self.by_id.load_within_budget(budget, id).await
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

/// Look-ups that one request to offers-api can do.
pub(crate) trait LoadPart<K> {
    type Value;

    /// Divides keys into parts that offers-api does not refuse before it has read a row.
    fn split(keys: &[K]) -> Vec<Vec<K>>;

    /// Loads the values of one part, with the bytes of the response.
    fn load_part(
        &self,
        keys: &[K],
    ) -> impl Future<Output = Result<(HashMap<K, Self::Value>, usize)>> + Send;
}

impl<K> Loader<K> for Transport
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Self: LoadPart<K, Value: Clone + Send + Sync + 'static>,
{
    type Value = <Self as LoadPart<K>>::Value;
    type Error = Error;

    async fn load(&self, keys: &[K]) -> BatchResult<K, Self::Value> {
        let mut parts = Self::split(keys);
        let (mut found, mut batch_bytes) = (HashMap::new(), 0);
        while batch_bytes < MAX_BATCH_BYTES
            && let Some(mut part) = parts.pop()
        {
            match self.load_part(&part).await {
                Ok((values, bytes)) => {
                    found.extend(values);
                    batch_bytes += bytes;
                }
                // The answer would be too large.
                Err(error) if error.code == ErrorCode::QueryTooComplex && part.len() > 1 => {
                    let half = part.split_off(part.len() / 2);
                    parts.extend([half, part]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// Pages of offers by user.
impl LoadPart<(i64, PageRequest)> for Transport {
    type Value = Page<Offer>;

    fn split(keys: &[(i64, PageRequest)]) -> Vec<Vec<(i64, PageRequest)>> {
        let mut keys = keys.to_vec();
        keys.sort_unstable_by_key(|(_, page)| *page);
        let mut parts: Vec<Vec<_>> = Vec::new();
        let (mut pages, mut rows) = (0, 0);
        for (user_id, page) in keys {
            let last = parts.last().and_then(|part| part.last());
            let is_other_page = last.is_none_or(|(_, last)| *last != page);
            pages += usize::from(is_other_page);
            rows += page.max_rows();
            let is_full = |part: &Vec<_>| {
                part.len() == MAX_ENTITIES || pages > MAX_REQUEST_PAGES || rows > MAX_REQUEST_ROWS
            };
            match parts.last_mut() {
                Some(part) if !is_full(part) => part.push((user_id, page)),
                _ => {
                    parts.push(vec![(user_id, page)]);
                    (pages, rows) = (1, page.max_rows());
                }
            }
        }
        parts
    }

    async fn load_part(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> Result<(HashMap<(i64, PageRequest), Page<Offer>>, usize)> {
        let groups = keys.chunk_by(|one, next| one.1 == next.1);
        let groups: Vec<UsersOfPage> = groups
            .map(|group| (group[0].1, group.iter().map(|(user_id, _)| *user_id).collect()))
            .collect();
        let response = self.query(&pages_query(&groups), &PageVariables(&groups)).await?;
        let mut data: HashMap<String, Vec<UserEntity>> = response.data()?;
        let mut found = HashMap::with_capacity(keys.len());
        for (n, (page, user_ids)) in groups.into_iter().enumerate() {
            let users = data.remove(&format!("page{n}")).unwrap_or_default();
            if users.len() != user_ids.len() {
                return Err(response.unusable(&"another number of users"));
            }
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
        Ok((found, response.bytes()))
    }
}

/// Offers by id; `None` for one that does not exist.
impl LoadPart<i64> for Transport {
    type Value = Option<Offer>;

    fn split(ids: &[i64]) -> Vec<Vec<i64>> {
        ids.chunks(MAX_ENTITIES).map(<[_]>::to_vec).collect()
    }

    async fn load_part(&self, ids: &[i64]) -> Result<(HashMap<i64, Option<Offer>>, usize)> {
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
        if offers.len() != ids.len() {
            return Err(response.unusable(&"another number of offers"));
        }
        // The field has a default, for offers of a user that is known.
        if offers.iter().flatten().any(|offer| offer.user_id == Id::default()) {
            return Err(response.unusable(&"an offer without its user"));
        }
        Ok((ids.iter().copied().zip(offers).collect(), response.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part_lengths(keys: &[(i64, PageRequest)]) -> Vec<usize> {
        let parts = <Transport as LoadPart<(i64, PageRequest)>>::split(keys);
        assert_eq!(parts.concat().len(), keys.len());
        parts.iter().map(Vec::len).collect()
    }

    #[test]
    fn parts_are_within_the_limits_of_offers_api() {
        let first = |limit| PageRequest { limit, ..PageRequest::FIRST_MAX };
        let users = |number, page| (0..number).map(move |user| (user, page));
        assert_eq!(part_lengths(&users(100, first(1000)).collect::<Vec<_>>()), [100]);
        assert_eq!(part_lengths(&users(250, first(1000)).collect::<Vec<_>>()), [100, 100, 50]);
        assert_eq!(part_lengths(&users(1001, first(5)).collect::<Vec<_>>()), [1000, 1]);
        let of_one_user: Vec<_> = (1..=50).map(|limit| (7, first(limit))).collect();
        assert_eq!(part_lengths(&of_one_user), [20, 20, 10]);
        assert!(part_lengths(&[]).is_empty());
    }
}
