//! `POST /offer/create/`.

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fixtures::{OFFER_KEYS, assert_recent, pluck, sorted_keys};
use crate::support::services::Topology;

on_every_topology!(
    creates_an_offer,
    stores_the_price,
    rejects_invalid_price,
    enforces_length_limits,
    rejects_unknown_user,
    reports_every_invalid_field,
    rejects_non_object_body,
    ignores_unknown_fields,
    rejects_other_methods,
);

async fn creates_an_offer(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let response =
        services.offers.create_offer(&user["id"], "Стул 🪑", "Ten\nyears old.\t").await.expect(201);
    let offer = response.json();
    assert_eq!(sorted_keys(&offer), OFFER_KEYS);
    assert!(offer["id"].as_i64().unwrap() > 0, "{offer}");
    assert_eq!(offer["user_id"], user["id"]);
    assert_eq!(offer["title"], "Стул 🪑");
    assert_eq!(offer["text"], "Ten\nyears old.\t");
    assert_eq!(offer["price"], Value::Null);
    assert_eq!(offer["status"], "open");
    assert_recent(&offer["created_at"]);
    assert_eq!(offer["updated_at"], offer["created_at"]);
    assert_eq!(services.offers.find_offer(&offer["id"]).await.expect(200).json(), offer);
}

async fn stores_the_price(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let create = async |number: i64, price: Value| {
        let title = format!("chair {number}");
        let body = json!({ "user_id": user["id"], "title": title, "text": "old", "price": price });
        services.offers.post_offer(body).await.expect(201).json()
    };
    let prices = [
        json!({ "amount": 12_000, "currency": "EUR" }),
        json!({ "amount": 0, "currency": "JPY" }),
        json!({ "amount": 9_007_199_254_740_991_i64, "currency": "RUB" }),
        Value::Null,
    ];
    // Concurrently, so that one statement inserts several.
    let created = (0..).zip(&prices).map(|(number, price)| create(number, price.clone()));
    for (offer, price) in join_all(created).await.iter().zip(&prices) {
        assert_eq!(offer["price"], *price);
        assert_eq!(services.offers.find_offer(&offer["id"]).await.expect(200).json(), *offer);
    }
    let by_user = services.users.get_user(&user["id"]).await.expect(200).json();
    let mut found = pluck(&by_user["offers"], "price");
    for price in &prices {
        let index = found.iter().position(|found| found == price);
        found.remove(index.unwrap_or_else(|| panic!("no offer with the price {price}: {by_user}")));
    }
}

async fn rejects_invalid_price(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let too_much = 9_007_199_254_740_992_i64;
    for (price, pointers) in [
        (json!(12), &["/price"][..]),
        (json!("12 EUR"), &["/price"]),
        (json!({}), &["/price/amount", "/price/currency"]),
        (json!({ "amount": null, "currency": null }), &["/price/amount", "/price/currency"]),
        (json!({ "amount": -1, "currency": "eur" }), &["/price/amount", "/price/currency"]),
        (json!({ "amount": too_much, "currency": "EURO" }), &["/price/amount", "/price/currency"]),
        (json!({ "amount": 1.5, "currency": "EUR" }), &["/price/amount"]),
        (json!({ "amount": "1", "currency": "EUR" }), &["/price/amount"]),
        (json!({ "amount": 1, "currency": "€" }), &["/price/currency"]),
        (json!({ "amount": 1, "currency": 978 }), &["/price/currency"]),
    ] {
        let body =
            json!({ "user_id": user["id"], "title": "chair", "text": "old", "price": price });
        services.offers.post_offer(body).await.problem(422).assert_pointers(pointers);
    }
}

async fn enforces_length_limits(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    for (title, text, status) in
        [(1, 1, 201), (200, 20_000, 201), (0, 1, 422), (201, 1, 422), (1, 0, 422), (1, 20_001, 422)]
    {
        let body = json!({
            "user_id": user["id"],
            "title": "ж".repeat(title),
            "text": "🦊".repeat(text),
        });
        let response = services.offers.post_offer(body).await;
        assert_eq!(response.status, status, "title {title}, text {text}");
        match status {
            201 => assert_eq!(response.json()["text"], "🦊".repeat(text)),
            _ if text == 1 => response.problem(422).assert_pointers(&["/title"]),
            _ => response.problem(422).assert_pointers(&["/text"]),
        }
    }
    // `PostgreSQL` can't store NUL; the response must not be a 5xx.
    let body = json!({ "user_id": user["id"], "title": "a\u{0}b", "text": "c\u{0}d" });
    let response = services.offers.post_offer(body).await;
    response.problem(422).assert_pointers(&["/title", "/text"]);
}

async fn rejects_unknown_user(topology: Topology) {
    let services = topology.start_open().await;
    for id in [1, i64::MAX] {
        let problem = services.offers.create_offer(id, "chair", "old").await.problem(422);
        assert_eq!(problem.code, "USER_NOT_FOUND");
        problem.assert_pointers(&["/user_id"]);
    }
}

async fn reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    for body in [
        json!({}),
        json!({ "user_id": null, "title": null, "text": null }),
        json!({ "user_id": "one", "title": 1, "text": ["old"] }),
        json!({ "user_id": {}, "title": "", "text": "" }),
    ] {
        let problem = services.offers.post_offer(body).await.problem(422);
        problem.assert_pointers(&["/user_id", "/title", "/text"]);
    }
    for id in [json!(0), json!(-1), json!(1.5), json!(u64::MAX), json!(1e30), json!(true)] {
        let problem = services.offers.create_offer(id, "chair", "old").await.problem(422);
        problem.assert_pointers(&["/user_id"]);
    }
    let body = json!({ "user_id": user["id"], "title": "chair" });
    let problem = services.offers.post_offer(body).await.problem(422);
    problem.assert_pointers(&["/text"]);
}

async fn rejects_non_object_body(topology: Topology) {
    let services = topology.start_open().await;
    for path in ["/offer/create/", "/offer/"] {
        for body in ["", "{", "nothing", "[]", "\"chair\"", "1", "null"] {
            let request = services.offers.request(Method::POST, path);
            let request = request.header(header::CONTENT_TYPE, "application/json");
            send(request.body(body)).await.problem(400);
        }
    }
}

async fn ignores_unknown_fields(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let body = json!({
        "user_id": user["id"], "title": "chair", "text": "old", "id": 77, "status": "closed",
        "colour": { "of": "€" },
    });
    let offer = services.offers.post_offer(body).await.expect(201).json();
    assert_eq!(sorted_keys(&offer), OFFER_KEYS);
    assert_ne!(offer["id"], 77);
    assert_eq!(offer["status"], "open");
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for (path, allowed) in [("/offer/create/", "POST"), ("/offer/", "GET,HEAD,POST")] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            if allowed.contains(method.as_str()) {
                continue;
            }
            let response = send(services.offers.request(method, path)).await;
            response.problem(405);
            assert_eq!(response.header(header::ALLOW), Some(allowed));
        }
    }
}
