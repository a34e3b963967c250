//! Answers are bounded by bytes: pages end early, and GraphQL refuses what is larger.

use std::collections::HashSet;
use std::fmt::Display;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::fixtures::{TestUser, pluck};
use crate::support::metrics::counter;
use crate::support::services::{Services, Topology};

on_every_topology!(
    rest_pages_end_after_1_mib_of_text,
    connections_end_after_1_mib_of_text,
    full_texts_of_40_pages_are_too_complex_before_a_row_is_read,
    answer_over_8_mib_is_too_complex,
    large_pages_of_concurrent_requests_are_complete,
    number_and_complexity_of_entities_are_limited,
);

/// Bytes of the longest text.
const TEXT_BYTES: usize = 80_000;
/// The largest page: 1 MiB and one text, with some JSON around each of its 14 offers.
const MAX_PAGE_BYTES: usize = 1024 * 1024 + TEXT_BYTES;
const PAGE: &str = "nodes { id text } pageInfo { hasPreviousPage hasNextPage }";
/// Offers on a page of the longest texts.
const OFFERS_PER_PAGE: usize = 14;

async fn create_large_offers(services: &Services, user: &TestUser, number: usize) -> Vec<Value> {
    let offers = services.offers.bearer(&user.access_token);
    let text = "💣".repeat(TEXT_BYTES / 4);
    let mut ids = Vec::new();
    for n in 0..number {
        let offer = offers.create_offer(user.id, n.to_string(), &text).await.expect(201).json();
        ids.push(offer["id"].clone());
    }
    ids
}

/// Returns a selection of these fields, each with an alias.
fn aliased(fields: &[impl Display]) -> String {
    let fields = fields.iter().enumerate().map(|(n, field)| format!("a{n}: {field}"));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(" "))
}

async fn rest_pages_end_after_1_mib_of_text(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let created = create_large_offers(&services, &ann, 2 * OFFERS_PER_PAGE + 2).await;

    let (mut path, mut ids, mut sizes) = (Some(ann.path()), Vec::new(), Vec::new());
    while let Some(next) = path {
        let page = services.users.get(&next).await.expect(200);
        assert!(page.body.len() < MAX_PAGE_BYTES, "{}", page.body.len());
        sizes.push(page.json()["offers"].as_array().unwrap().len());
        ids.extend(pluck(&page.json()["offers"], "id"));
        path = page.next_page();
    }
    assert_eq!(ids, created);
    assert_eq!(sizes, [OFFERS_PER_PAGE, OFFERS_PER_PAGE, 2]);

    let (mut path, mut ids) = (Some("/offer/".to_owned()), Vec::new());
    while let Some(next) = path {
        let page = services.offers.post(&next, json!({ "user_id": ann.id })).await.expect(200);
        assert!(page.body.len() < MAX_PAGE_BYTES, "{}", page.body.len());
        ids.extend(pluck(&page.json(), "id"));
        path = page.next_page();
    }
    assert_eq!(ids, created);
}

async fn connections_end_after_1_mib_of_text(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let created = create_large_offers(&services, &ann, OFFERS_PER_PAGE + 1).await;
    for (size, ids, more) in [
        ("first: 50", &created[..OFFERS_PER_PAGE], [false, true]),
        ("last: 50", &created[1..], [true, false]),
        ("first: 2", &created[..2], [false, true]),
    ] {
        let user =
            format!("{{ user(id: {}) {{ offersConnection({size}) {{ {PAGE} }} }} }}", ann.id);
        let by_user = services.users.query(&user).await;
        let offers = format!("{{ offers(userId: {}, {size}) {{ {PAGE} }} }}", ann.id);
        let by_offers = services.offers.query(&offers).await;
        for page in [&by_user["user"]["offersConnection"], &by_offers["offers"]] {
            let found: Vec<Value> = pluck(&page["nodes"], "id");
            let expected: Vec<_> = ids.iter().map(|id| json!(id.to_string())).collect();
            assert_eq!(found, expected, "{size}");
            let info = &page["pageInfo"];
            assert_eq!([&info["hasPreviousPage"], &info["hasNextPage"]], more, "{size}");
        }
    }
    let query = format!("{{ user(id: {}) {{ offers {{ text }} }} }}", ann.id);
    let list = services.users.query(&query).await;
    assert_eq!(list["user"]["offers"].as_array().unwrap().len(), OFFERS_PER_PAGE);
}

async fn full_texts_of_40_pages_are_too_complex_before_a_row_is_read(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].clone();
    let page = format!("offers(userId: {id}, first: 1000) {{ nodes {{ text }} }}");
    let user = format!("user(id: {id}) {{ offers {{ text }} }}");
    for (api, field) in [(&services.offers, page), (&services.users, user)] {
        let before = counter(api, "db_statements_total", |_| true).await;
        let response = api.graphql(&aliased(&vec![field; 40]), json!({})).await;
        assert_eq!((response.http.status, response.code()), (400, "QUERY_TOO_COMPLEX"));
        assert_eq!(counter(api, "db_statements_total", |_| true).await, before);
    }
}

async fn answer_over_8_mib_is_too_complex(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    create_large_offers(&services, &ann, OFFERS_PER_PAGE).await;
    // Pages of other sizes, so that each is loaded.
    let pages = |number: usize, field: &str| {
        let field = field.replace("ID", &ann.id.to_string());
        let fields = (50..50 + number).map(|size| field.replace("SIZE", &size.to_string()));
        aliased(&fields.collect::<Vec<_>>())
    };
    let of_user = "user(id: ID) { offersConnection(first: SIZE) { nodes { text } } }";
    // Resolved one by one, since the user of an offer needs a resolver.
    let resolved = of_user.replace("text", "text user { id }");
    let repeated = of_user.replace("{ nodes { text } }", &aliased(&["nodes { text }"; 9]));
    let of_offers = "offers(userId: ID, first: SIZE) { nodes { text } }";
    for (api, query) in [
        (&services.users, pages(9, of_user)),
        (&services.users, pages(9, &resolved)),
        (&services.users, pages(1, &repeated)),
        (&services.offers, pages(9, of_offers)),
    ] {
        let response = api.graphql(&query, json!({})).await;
        assert_eq!((response.http.status, response.code()), (400, "QUERY_TOO_COMPLEX"), "{query}");
    }
    // Fewer are within the limit.
    let users = services.users.query(&pages(7, of_user)).await;
    for user in users.as_object().unwrap().values() {
        assert_eq!(user["offersConnection"]["nodes"].as_array().unwrap().len(), OFFERS_PER_PAGE);
    }
}

async fn large_pages_of_concurrent_requests_are_complete(topology: Topology) {
    let services = topology.start_open().await;
    let users = join_all((0..5).map(|n| {
        let services = &services;
        async move {
            let user = services.register_and_log_in(&format!("user{n}")).await;
            create_large_offers(services, &user, OFFERS_PER_PAGE).await;
            user
        }
    }))
    .await;
    // Another client asks for too much in the same batches.
    let greedy = async {
        let pages = aliased(&["offersConnection(first: 50) { nodes { text } }", "offers { text }"]);
        let query = format!("{{ users(first: 5) {{ nodes {pages} }} }}");
        assert_eq!(services.users.graphql(&query, json!({})).await.code(), "QUERY_TOO_COMPLEX");
    };
    let pages = join_all(users.iter().map(|user| async {
        let of_user = services.users.get_user(user.id).await.expect(200).json();
        let of_offers = services.offers.find_offers_of(user.id).await.expect(200).json();
        for offers in [&of_user["offers"], &of_offers] {
            let ids: HashSet<_> = pluck(offers, "id").iter().map(Value::as_i64).collect();
            assert_eq!(ids.len(), OFFERS_PER_PAGE);
            let owners = pluck(offers, "user_id");
            assert!(owners.iter().all(|owner| owner.as_i64() == Some(user.id)), "{owners:?}");
        }
    }));
    tokio::join!(greedy, pages);
}

async fn number_and_complexity_of_entities_are_limited(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].clone();
    let query = |selection: &str| {
        format!(
            "query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on User {{ {selection} }} }} }}"
        )
    };
    for (number, selection, refused) in [
        (1000, "id", false),
        (1001, "id", true),
        (100, "offers { id title text createdAt userId }", false),
        (1000, "offers { text }", true),
        (1000, "offersConnection(first: 10) { nodes { id text } }", false),
        (
            1000,
            "a: offersConnection(first: 99) { nodes { text } } b: offersConnection(first: 99) { nodes { text } }",
            true,
        ),
    ] {
        let user = json!({ "__typename": "User", "id": id.to_string() });
        let variables = json!({ "of": vec![user; number] });
        let response = services.offers.graphql(&query(selection), variables).await;
        if refused {
            assert_eq!(response.code(), "QUERY_TOO_COMPLEX", "{number} {selection}");
        } else {
            let found = response.data();
            assert_eq!(found["_entities"].as_array().unwrap().len(), number, "{selection}");
        }
    }
}
