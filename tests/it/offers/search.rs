//! The full-text search of `GET /offer/`.

use std::time::{Duration, Instant};

use reqwest::Url;
use serde_json::json;

use super::insert_offers;
use crate::support::client::HttpResponse;
use crate::support::database::Engine;
use crate::support::fixtures::pluck;
use crate::support::services::{Services, Topology};

on_every_topology!(
    every_word_must_match,
    phrases_exclusions_and_alternatives,
    postgres_compares_stems_and_sqlite_beginnings,
    finds_what_is_stored_now,
    common_and_rare_words_are_found,
    hostile_queries_are_answered,
);

/// Searches, oldest first.
async fn browse(services: &Services, search: &str) -> HttpResponse {
    let parameters = [("q", search), ("sort", "oldest"), ("limit", "100")];
    let url = Url::parse_with_params("http://localhost/offer/", parameters).unwrap();
    services.offers.get(&format!("/offer/?{}", url.query().unwrap())).await
}

/// Returns the titles that a search finds, oldest first.
async fn found(services: &Services, search: &str) -> Vec<String> {
    let offers = browse(services, search).await.expect(200).json();
    pluck(&offers, "title").iter().map(|title| title.as_str().unwrap().to_owned()).collect()
}

async fn start_with(topology: Topology, offers: &[(&str, &str)]) -> (Services, i64) {
    let services = topology.start_open().await;
    let user = services.register("ann").await["id"].as_i64().unwrap();
    for (title, text) in offers {
        services.offers.create_offer(user, title, text).await.expect(201);
    }
    (services, user)
}

async fn every_word_must_match(topology: Topology) {
    let offers = [("Bicycle", "Red, with a BELL."), ("Велосипед", "Красный"), ("Bell", "Blue")];
    let (services, _) = start_with(topology, &offers).await;
    for (search, expected) in [
        ("bell", &["Bicycle", "Bell"][..]),
        ("  BELL\tred ", &["Bicycle"]),
        ("bicycle bell", &["Bicycle"]),
        ("bicycle blue", &[]),
        ("КРАСНЫЙ велосипед", &["Велосипед"]),
        ("bicycle, (bell)!", &["Bicycle"]),
        ("nothing", &[]),
    ] {
        assert_eq!(found(&services, search).await, expected, "{search}");
    }
    let filter = "filter: { search: \"bell\" }, orderBy: NEWEST";
    let data =
        services.offers.query(&format!("{{ offers({filter}) {{ nodes {{ title }} }} }}")).await;
    assert_eq!(pluck(&data["offers"]["nodes"], "title"), ["Bell", "Bicycle"]);
}

async fn phrases_exclusions_and_alternatives(topology: Topology) {
    let offers =
        [("one", "a red wooden table"), ("two", "a wooden red table"), ("three", "a green table")];
    let (services, _) = start_with(topology, &offers).await;
    for (search, expected) in [
        ("\"red wooden\"", &["one"][..]),
        ("\"wooden red\" table", &["two"]),
        ("table -red", &["three"]),
        ("table -\"red wooden\"", &["two", "three"]),
        ("green or \"red wooden\"", &["one", "three"]),
        ("green OR wooden -\"wooden red\"", &["one", "three"]),
        ("table - red", &["one", "two"]),
        ("\"red wooden", &["one", "two"]),
    ] {
        assert_eq!(found(&services, search).await, expected, "{search}");
    }
    for search in ["-red", "red or -table", "!!", "🪑"] {
        browse(&services, search).await.problem(422).assert_pointers(&["/q"]);
    }
}

/// `SQLite` knows no stems, and no words that are too frequent to be searched for.
async fn postgres_compares_stems_and_sqlite_beginnings(topology: Topology) {
    let offers = [("Стулья", "the wooden ones"), ("Tables", "of wood"), ("Bicycle", "the new one")];
    let (services, _) = start_with(topology, &offers).await;
    let is_postgres = topology.engine == Engine::Postgres;
    for (search, postgres, sqlite) in [
        ("стул", &["Стулья"][..], &["Стулья"][..]),
        ("стульев", &["Стулья"], &[]),
        ("table", &["Tables"], &["Tables"]),
        ("tabling", &["Tables"], &[]),
        ("wood", &["Tables"], &["Стулья", "Tables"]),
        ("bicy", &[], &["Bicycle"]),
        ("the", &[], &["Стулья", "Bicycle"]),
        ("the bicycle", &["Bicycle"], &["Bicycle"]),
    ] {
        let expected = if is_postgres { postgres } else { sqlite };
        assert_eq!(found(&services, search).await, expected, "{search}");
    }
}

async fn finds_what_is_stored_now(topology: Topology) {
    let (services, user) = start_with(topology, &[("old", "chair"), ("other", "sofa")]).await;
    let id = services.offers.get("/offer/?q=chair").await.expect(200).json()[0]["id"].clone();
    let update = "mutation($id: ID!) { updateOffer(id: $id, input: { text: \"lamp\" }) { id } }";
    services.offers.graphql(update, json!({ "id": id.to_string() })).await.data();
    assert_eq!(found(&services, "chair").await, [""; 0]);
    assert_eq!(found(&services, "lamp").await, ["old"]);
    let delete = "mutation($id: ID!) { deleteOffer(id: $id) }";
    services.offers.graphql(delete, json!({ "id": id.to_string() })).await.data();
    assert_eq!(found(&services, "lamp").await, [""; 0]);
    // The offers of a deleted user go by the foreign key.
    services.users.delete_user(user).await.expect(204);
    let bob = services.register("bob").await;
    services.offers.create_offer(&bob["id"], "new", "sofa").await.expect(201);
    assert_eq!(found(&services, "sofa").await, ["new"]);
}

/// Words in few and in many of more offers than a window has, in every order.
async fn common_and_rare_words_are_found(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await["id"].as_i64().unwrap();
    for title in ["rare first", "rare second"] {
        services.offers.create_offer(ann, title, "word").await.expect(201);
    }
    insert_offers(&services, ann, 5600).await;
    let body = json!({ "user_id": ann, "title": "rare third", "text": "word",
        "price": { "amount": 1, "currency": "EUR" } });
    services.offers.post_offer(body).await.expect(201);
    for (order, expected) in [
        ("newest", ["rare third", "rare second", "rare first"]),
        ("oldest", ["rare first", "rare second", "rare third"]),
        ("price_asc", ["rare third", "rare first", "rare second"]),
        ("price_desc", ["rare third", "rare second", "rare first"]),
    ] {
        let path = |search, limit| {
            format!("/offer/?q={search}&limit={limit}&sort={order}&currency=EUR&status=open")
                .replace(if order.starts_with("price") { "" } else { "&currency=EUR" }, "")
        };
        for limit in [1, 2, 20] {
            let mut next = Some(path("rare", limit));
            let mut titles = Vec::new();
            while let Some(path) = next {
                let page = services.offers.get(&path).await.expect(200);
                titles.extend(pluck(&page.json(), "title"));
                next = page.next_page();
            }
            assert_eq!(titles, expected, "{order} {limit}");
        }
        let page = services.offers.get(&path("rare+or+common", 100)).await.expect(200);
        assert_eq!(page.json().as_array().map(Vec::len), Some(100));
    }
}

/// Whatever is searched for, the answer is 200 or 422, in time.
async fn hostile_queries_are_answered(topology: Topology) {
    let (services, _) =
        start_with(topology, &[("Bicycle", "title:a* NEAR(b) 'x' \\ & | ! :*")]).await;
    let parts = [
        "\"",
        "'",
        "\\",
        "-",
        "--",
        "or",
        "OR",
        "and",
        "not",
        "NOT",
        "NEAR(",
        ")",
        "(",
        "*",
        ":*",
        ":",
        "^",
        "+",
        "{",
        "}",
        "&",
        "|",
        "!",
        "<->",
        "<2>",
        "@@",
        "%",
        "_",
        "%27",
        ";",
        "/*",
        "--x",
        "\0",
        "\u{1}",
        "\r\n",
        "\u{200f}",
        "\u{202e}",
        "مرحبا",
        "שלום",
        "🚲",
        "👩‍👩‍👧",
        "e\u{301}",
        "ﬁ",
        "ß",
        "İ",
        "title",
        "title:",
        "rowid",
        "offers_search",
        "{title text}:",
        "a",
        "ж",
        "中文",
        "1.5e10",
        "http://example.org/a?b=c#d",
        "a@b.example",
        "$1",
        "?",
        "''",
        "\u{feff}",
        "\u{ffff}",
    ];
    let mut queries: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    // A fixed sequence of combinations: a failure can be repeated.
    let mut state = 1_usize;
    let mut next = |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for _ in 0..300 {
        let length = 1 + next(12);
        let glue = ["", " "][next(2)];
        let words: Vec<_> = (0..length).map(|_| parts[next(parts.len())]).collect();
        queries.push(words.join(glue));
    }
    queries.extend(["a ", "\"", "-a ", "(", "a or ", "ж", "\"a\" "].map(|part| part.repeat(40)));
    for search in &queries {
        let query = "query($q: String) { offers(filter: { search: $q }) { nodes { id } } }";
        let started = Instant::now();
        let response = services.offers.graphql(query, json!({ "q": search })).await;
        assert!(started.elapsed() < Duration::from_secs(1), "{search:?}: {:?}", started.elapsed());
        if response.body.get("errors").is_some() {
            assert_eq!(response.code(), "INVALID_INPUT", "{search:?}");
        }
        let response = browse(&services, search).await;
        assert!([200, 422].contains(&response.status), "{search:?}: {}", response.text());
    }
    let long = "a ".repeat(127 * 1024);
    let query = "query($q: String) { offers(filter: { search: $q }) { nodes { id } } }";
    let response = services.offers.graphql(query, json!({ "q": long })).await;
    assert_eq!(response.code(), "INVALID_INPUT");
    let path = format!("/offer/?q={}", "a".repeat(20_000));
    services.offers.get(&path).await.problem(422).assert_pointers(&["/q"]);
}
