//! Pages of `POST /offer/` by user id.

use serde_json::json;

use crate::support::fixtures::pluck;
use crate::support::services::Topology;

on_every_topology!(full_page_has_next_link, walks_by_pages, rejects_invalid_page_parameters);

async fn full_page_has_next_link(topology: Topology) {
    let services = topology.start_open().await;
    services.seed(1, 1003).await;
    let user = services.users.get("/user/demo1/?offers_limit=1").await.expect(200).json();
    let body = json!({ "user_id": user["id"] });
    let first = services.offers.post("/offer/", body.clone()).await.expect(200);
    let mut ids_read = pluck(&first.json(), "id");
    assert_eq!(ids_read.len(), 1000);
    let last = services.offers.post(&first.next_page().unwrap(), body).await.expect(200);
    assert_eq!(last.next_page(), None);
    ids_read.extend(pluck(&last.json(), "id"));
    assert_eq!(ids_read.len(), 1003);
    assert!(ids_read.windows(2).all(|pair| pair[0].as_i64() < pair[1].as_i64()));
}

async fn walks_by_pages(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(services.create_offer(&ann, &number.to_string()).await["id"].clone());
        services.create_offer(&bob, "between").await;
    }
    let body = json!({ "user_id": ann.id });
    let mut path = "/offer/?limit=2".to_owned();
    let (mut ids_read, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = services.offers.post(&path, body.clone()).await.expect(200);
        let ids = pluck(&page.json(), "id");
        sizes.push(ids.len());
        ids_read.extend(ids);
        match page.next_page() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(ids_read, created);
    assert_eq!(sizes, [2, 2, 1]);
}

async fn rejects_invalid_page_parameters(topology: Topology) {
    let services = topology.start_open().await;
    let body = json!({ "user_id": 1 });
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let response = services.offers.post(&format!("/offer/?limit={limit}"), body.clone()).await;
        response.problem(422).assert_pointers(&["/limit"]);
    }
    let response = services.offers.post("/offer/?after=garbage", body).await;
    response.problem(422).assert_pointers(&["/after"]);
}
