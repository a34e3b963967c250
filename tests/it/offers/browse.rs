//! `GET /offer/`, except for its search.

use std::collections::HashSet;

use entity::{offer, update_row};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::json;

use super::insert_offers;
use crate::support::client::ApiClient;
use crate::support::fixtures::pluck;
use crate::support::services::{Services, Topology};

on_every_topology!(
    lists_open_offers_newest_first,
    list_of_a_user_has_every_status,
    filters_can_be_combined,
    offers_without_a_price_come_last,
    orders_by_price_then_id,
    next_page_keeps_the_parameters,
    walks_while_offers_change,
    names_each_invalid_parameter,
    cursor_is_bound_to_its_order,
);

const ORDERS: [&str; 4] = ["newest", "oldest", "price_asc", "price_desc"];

impl Services {
    /// Inserts an offer of a user, with an amount in EUR or another currency, and returns its id.
    async fn insert_offer(&self, user: i64, price: Option<(i64, &str)>, closed: bool) -> i64 {
        let price =
            price.map(|(amount, currency)| json!({ "amount": amount, "currency": currency }));
        let body = json!({ "user_id": user, "title": "chair", "text": "old", "price": price });
        let offer = self.offers.post_offer(body).await.expect(201).json();
        let id = offer["id"].as_i64().unwrap();
        if closed {
            self.change_offer(id, |row| row.status = Set(offer::Status::Closed)).await;
        }
        id
    }

    /// Changes the row of an offer.
    async fn change_offer(&self, id: i64, change: impl FnOnce(&mut offer::ActiveModel)) {
        let rows = self.database.connect().await;
        let mut row = offer::ActiveModel { id: Set(id), ..Default::default() };
        change(&mut row);
        update_row(row, &rows).await.unwrap();
        rows.close().await.unwrap();
    }

    async fn register_id(&self, name: &str) -> i64 {
        self.register(name).await["id"].as_i64().unwrap()
    }
}

/// Returns the ids of a list.
async fn ids(offers: &ApiClient, query: &str) -> Vec<i64> {
    let page = offers.get(&format!("/offer/?{query}")).await.expect(200).json();
    pluck(&page, "id").iter().map(|id| id.as_i64().unwrap()).collect()
}

async fn lists_open_offers_newest_first(topology: Topology) {
    let services = topology.start_open().await;
    assert_eq!(services.offers.get("/offer/").await.expect(200).json(), json!([]));
    let (ann, bob) = (services.register_id("ann").await, services.register_id("bob").await);
    let first = services.insert_offer(ann, None, false).await;
    let closed = services.insert_offer(ann, None, true).await;
    let last = services.insert_offer(bob, Some((5, "EUR")), false).await;
    for path in ["/offer/", "/offer"] {
        let response = services.offers.get(path).await.expect(200);
        assert_eq!(response.next_page(), None);
        let found = services.offers.find_offer(last).await.expect(200).json();
        assert_eq!(response.json()[0], found);
        assert_eq!(pluck(&response.json(), "id"), [last, first]);
    }
    assert_eq!(ids(&services.offers, "sort=oldest&status=open").await, [first, last]);
    assert_eq!(ids(&services.offers, "status=closed").await, [closed]);
    assert_eq!(ids(&services.offers, "q=").await, [last, first], "of an empty search form");
}

async fn list_of_a_user_has_every_status(topology: Topology) {
    let services = topology.start_open().await;
    let (ann, bob) = (services.register_id("ann").await, services.register_id("bob").await);
    let open = services.insert_offer(ann, None, false).await;
    let closed = services.insert_offer(ann, None, true).await;
    services.insert_offer(bob, None, false).await;
    let offers = &services.offers;
    assert_eq!(ids(offers, &format!("user_id={ann}")).await, [closed, open]);
    assert_eq!(ids(offers, &format!("user_id={ann}&sort=oldest")).await, [open, closed]);
    assert_eq!(ids(offers, &format!("user_id={ann}&status=open")).await, [open]);
    assert_eq!(ids(offers, &format!("user_id={}", i64::MAX)).await, [0; 0]);
    assert_eq!(ids(offers, &format!("user_id={ann}&unknown=1&limit=1")).await, [closed]);
    // The default order of the graph is the other one.
    let data = offers.query(&format!("{{ offers(userId: {ann}) {{ nodes {{ id }} }} }}")).await;
    let listed = pluck(&data["offers"]["nodes"], "id");
    assert_eq!(listed, [open, closed].map(|id| json!(id.to_string())));
}

/// An offer, as far as lists select it.
#[derive(Clone, Copy)]
struct Row {
    id: i64,
    user: i64,
    price: Option<(i64, &'static str)>,
    closed: bool,
}

/// The parameters of a list.
#[derive(Clone, Copy, Default)]
struct Filter {
    user: Option<i64>,
    status: Option<&'static str>,
    currency: Option<&'static str>,
    min: Option<i64>,
    max: Option<i64>,
}

impl Filter {
    /// Returns each combination that is valid with this order.
    fn all(user: i64, sort: &str) -> Vec<Self> {
        let mut all = vec![Self::default()];
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut changed = all.clone();
            changed.iter_mut().for_each(change);
            all.extend(changed);
        };
        add(&|filter| filter.user = Some(user));
        add(&|filter| filter.status = Some("closed"));
        add(&|filter| filter.currency = Some("EUR"));
        add(&|filter| filter.min = Some(20));
        add(&|filter| filter.max = Some(40));
        let others = [("open", None, "EUR"), ("open", Some(41), "EUR"), ("closed", None, "XXX")];
        all.extend(others.map(|(status, min, currency)| {
            let (status, currency) = (Some(status), Some(currency));
            Self { user: None, status, currency, min, max: Some(40) }
        }));
        all.retain(|filter| {
            let needs_currency = sort.starts_with("price") || filter.min.or(filter.max).is_some();
            filter.currency.is_some() || !needs_currency
        });
        all
    }

    fn matches(self, row: Row, sort: &str) -> bool {
        let Self { user, status, currency, min, max } = self;
        let status = status.or(user.is_none().then_some("open"));
        user.is_none_or(|user| user == row.user)
            && status.is_none_or(|status| (status == "closed") == row.closed)
            && currency.is_none_or(|currency| match row.price {
                Some((amount, of)) => {
                    let in_range = min.is_none_or(|min| amount >= min);
                    of == currency && in_range && max.is_none_or(|max| amount <= max)
                }
                None => sort.starts_with("price") && min.or(max).is_none(),
            })
    }

    fn query(self, sort: &str) -> String {
        let Self { user, status, currency, min, max } = self;
        let number = |name, value: Option<i64>| value.map(|value| format!("&{name}={value}"));
        let text = |name, value: Option<&str>| value.map(|value| format!("&{name}={value}"));
        let parameters = [
            number("user_id", user),
            text("status", status),
            text("currency", currency),
            number("min_price", min),
            number("max_price", max),
        ];
        let parameters: String = parameters.into_iter().flatten().collect();
        format!("limit=100&sort={sort}{parameters}")
    }
}

fn sort_rows(rows: &mut [Row], sort: &str) {
    let amount = |row: &Row| row.price.map(|price| price.0);
    match sort {
        "oldest" => (),
        "newest" => rows.reverse(),
        "price_asc" => rows.sort_by_key(|row| (row.price.is_none(), amount(row), row.id)),
        _ => {
            rows.sort_by_key(|row| (row.price.is_none(), amount(row).map(|n| -n), -row.id));
        }
    }
}

async fn filters_can_be_combined(topology: Topology) {
    let services = topology.start_open().await;
    let (ann, bob) = (services.register_id("ann").await, services.register_id("bob").await);
    let mut rows = Vec::new();
    for number in 0..36 {
        let user = if number % 3 == 0 { ann } else { bob };
        let currency = if number % 4 == 1 { "USD" } else { "EUR" };
        let price = (number % 4 != 0).then_some((number % 7 * 10, currency));
        let closed = number % 5 == 0;
        rows.push(Row {
            id: services.insert_offer(user, price, closed).await,
            user,
            price,
            closed,
        });
    }
    for sort in ORDERS {
        for filter in Filter::all(ann, sort) {
            let fits = |row: &Row| filter.matches(*row, sort);
            let mut expected: Vec<_> = rows.iter().copied().filter(fits).collect();
            sort_rows(&mut expected, sort);
            let expected: Vec<_> = expected.iter().map(|row| row.id).collect();
            let query = filter.query(sort);
            // A search has other statements, and the same filters.
            for query in [format!("{query}&q=chair"), query] {
                assert_eq!(ids(&services.offers, &query).await, expected, "{query}");
            }
        }
    }
}

async fn offers_without_a_price_come_last(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_id("ann").await;
    let mut expected = Vec::new();
    for price in [None, Some((2, "EUR")), Some((1, "EUR")), None, Some((0, "USD"))] {
        expected.push(services.insert_offer(ann, price, false).await);
    }
    let [a, b, c, d, _] = expected[..] else { unreachable!() };
    for user in ["", &format!("&user_id={ann}")] {
        let offers = &services.offers;
        let by_price = |order| format!("sort={order}&currency=EUR{user}");
        assert_eq!(ids(offers, &by_price("price_asc")).await, [c, b, a, d]);
        assert_eq!(ids(offers, &by_price("price_desc")).await, [b, c, d, a]);
        assert_eq!(ids(offers, &format!("currency=EUR{user}")).await, [c, b], "only with a price");
        // Pages begin and end on either side of the first offer without a price.
        for limit in 1..=4 {
            let query = format!("{}&limit={limit}", by_price("price_asc"));
            assert_eq!(walk(&services, &query).await, [c, b, a, d], "{limit}");
        }
    }
    // Backwards, as the graph allows.
    let page = "nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor }";
    let query = format!(
        "query($before: String) {{ offers(filter: {{ currency: \"EUR\" }}, orderBy: PRICE_ASC,
            last: 3, before: $before) {{ {page} }} }}"
    );
    let data = services.offers.graphql(&query, json!({})).await.data();
    let strings = |ids: &[i64]| ids.iter().map(|id| json!(id.to_string())).collect::<Vec<_>>();
    assert_eq!(pluck(&data["offers"]["nodes"], "id"), strings(&[b, a, d]));
    let info = &data["offers"]["pageInfo"];
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(false), &json!(true)));
    let before = json!({ "before": info["startCursor"] });
    let data = services.offers.graphql(&query, before).await.data();
    assert_eq!(pluck(&data["offers"]["nodes"], "id"), strings(&[c]));
    let info = &data["offers"]["pageInfo"];
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(false)));
}

async fn orders_by_price_then_id(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_id("ann").await;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(services.insert_offer(ann, Some((7, "EUR")), false).await);
    }
    let by_price = |order| format!("sort={order}&currency=EUR&limit=2");
    assert_eq!(walk(&services, &by_price("price_asc")).await, created);
    created.reverse();
    assert_eq!(walk(&services, &by_price("price_desc")).await, created);
}

/// Returns the ids on all pages.
async fn walk(services: &Services, query: &str) -> Vec<i64> {
    let mut path = format!("/offer/?{query}");
    let mut found = Vec::new();
    loop {
        let page = services.offers.get(&path).await.expect(200);
        found.extend(pluck(&page.json(), "id").iter().map(|id| id.as_i64().unwrap()));
        match page.next_page() {
            Some(next) => path = next,
            None => return found,
        }
    }
}

async fn next_page_keeps_the_parameters(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_id("ann").await;
    for number in 0..3 {
        let text = format!("красный стул & \"стол\" {number}");
        services.offers.create_offer(ann, "ad", &text).await.expect(201);
    }
    let query = "q=красный+%22стул+%26%22&limit=1&sort=oldest&unknown=%3E&after=";
    let first = services.offers.get(&format!("/offer/?{}", query.replace("&after=", ""))).await;
    let next = first.expect(200).next_page().unwrap();
    assert!(next.contains("unknown=%3E"), "{next}");
    assert_eq!(walk(&services, &query.replace("&after=", "")).await.len(), 3);
    let last = services.offers.get("/offer/?limit=3").await.expect(200);
    assert_eq!(last.next_page(), None, "nothing follows");
}

/// Pages contain each offer that does not change exactly once, whatever happens to the others.
async fn walks_while_offers_change(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_id("ann").await;
    let all = insert_offers(&services, ann, 150).await;
    let rows = services.database.connect().await;
    let update = async |change: offer::ActiveModel| {
        update_row(change, &rows).await.unwrap();
    };
    let priced = |id: i64, amount: i64| offer::ActiveModel {
        id: Set(id),
        price_amount: Set(Some(amount)),
        price_currency: Set(Some("EUR".parse().unwrap())),
        ..Default::default()
    };
    for (number, id) in (0..).zip(&all).filter(|(number, _)| number % 5 != 0) {
        update(priced(*id, number % 11)).await;
    }
    // Of six offers, two stand still.
    let still: HashSet<_> = all.iter().copied().step_by(3).collect();
    let changes = async {
        for (number, id) in (0..).zip(&all).filter(|(_, id)| !still.contains(id)) {
            match number % 6 {
                1 => {
                    let status = Set(offer::Status::Closed);
                    let id = Set(*id);
                    update(offer::ActiveModel { id, status, ..Default::default() }).await;
                }
                2 => update(priced(*id, 20 - number % 20)).await,
                4 => update(priced(*id, 0)).await,
                _ => drop(offer::Entity::delete_by_id(*id).exec(&rows).await.unwrap()),
            }
            services.insert_offer(ann, Some((5, "EUR")), false).await;
        }
    };
    let walks = async {
        let mut walks = Vec::new();
        for order in ORDERS {
            for search in ["", "&q=chair"] {
                let currency = if order.starts_with("price") { "&currency=EUR" } else { "" };
                let query = format!("sort={order}{currency}{search}&limit=7");
                walks.push((query.clone(), walk(&services, &query).await));
            }
        }
        walks
    };
    let ((), walks) = tokio::join!(changes, walks);
    rows.close().await.unwrap();
    let moved: HashSet<_> = all.into_iter().filter(|id| !still.contains(id)).collect();
    for (query, found) in walks {
        let mut seen = HashSet::new();
        for id in found {
            assert!(seen.insert(id) || moved.contains(&id), "{query}: {id} is repeated");
        }
        let missed: Vec<_> = still.difference(&seen).collect();
        assert!(missed.is_empty(), "{query} missed {missed:?}");
    }
}

async fn names_each_invalid_parameter(topology: Topology) {
    let services = topology.start_open().await;
    for (query, pointers) in [
        ("limit=0", &["/limit"][..]),
        ("limit=101", &["/limit"]),
        ("limit=x", &["/limit"]),
        ("user_id=0", &["/user_id"]),
        ("user_id=ann", &["/user_id"]),
        ("status=OPEN", &["/status"]),
        ("status=", &["/status"]),
        ("sort=price", &["/sort"]),
        ("currency=eur", &["/currency"]),
        ("currency=EURO", &["/currency"]),
        ("min_price=1", &["/currency"]),
        ("max_price=1", &["/currency"]),
        ("sort=price_asc", &["/currency"]),
        ("sort=price_desc&currency=", &["/currency"]),
        ("currency=EUR&min_price=-1", &["/min_price"]),
        ("currency=EUR&max_price=9007199254740992", &["/max_price"]),
        ("currency=EUR&max_price=1.5", &["/max_price"]),
        ("currency=EUR&max_price=ten", &["/max_price"]),
        ("after=garbage", &["/after"]),
        ("after=", &["/after"]),
        ("q=-chair", &["/q"]),
        ("q=%00", &["/q"]),
        ("limit=0&user_id=x&status=x&sort=x", &["/limit", "/user_id", "/status", "/sort"]),
        ("q=-a&currency=x&min_price=-1&after=x", &["/q", "/currency", "/min_price", "/after"]),
    ] {
        let problem = services.offers.get(&format!("/offer/?{query}")).await.problem(422);
        assert_eq!(problem.code, "INVALID_INPUT");
        problem.assert_pointers(pointers);
        let names = pointers.iter().map(|pointer| pointer.trim_start_matches('/'));
        assert!(names.clone().all(|name| problem.detail.contains(name)), "{problem:?}");
    }
    let problem =
        "{ offers(orderBy: PRICE_ASC, filter: { search: \"-a\", minPrice: -1 }) { nodes { id } } }";
    let response = services.offers.graphql(problem, json!({})).await;
    assert_eq!(response.code(), "INVALID_INPUT");
    let errors = &response.body["errors"][0]["extensions"]["errors"];
    let expected = ["/filter/search", "/filter/currency", "/filter/minPrice"];
    assert_eq!(pluck(errors, "pointer"), expected);
}

async fn cursor_is_bound_to_its_order(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_id("ann").await;
    for _ in 0..2 {
        services.insert_offer(ann, Some((1, "EUR")), false).await;
    }
    for from in ORDERS {
        let path = format!("/offer/?limit=1&currency=EUR&sort={from}");
        let next = services.offers.get(&path).await.expect(200).next_page().unwrap();
        let after = next.split("after=").nth(1).unwrap();
        for to in ORDERS {
            let path = format!("/offer/?limit=1&currency=EUR&sort={to}&after={after}");
            let response = services.offers.get(&path).await;
            if from == to {
                assert_eq!(response.expect(200).json().as_array().map(Vec::len), Some(1));
            } else {
                response.problem(422).assert_pointers(&["/after"]);
            }
        }
        let query =
            "query($after: String) { offers(orderBy: NEWEST, after: $after) { nodes { id } } }";
        let response = services.offers.graphql(query, json!({ "after": after })).await;
        if from == "newest" {
            response.data();
        } else {
            assert_eq!(response.code(), "INVALID_INPUT");
        }
    }
}
