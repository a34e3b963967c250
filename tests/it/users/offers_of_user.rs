//! Pages of a user's offers in `GET /user/{user_id}/`.

use serde_json::Value;

use crate::support::fixtures::pluck;
use crate::support::services::Topology;

on_every_topology!(full_page_has_next_link, walks_by_pages, rejects_invalid_page_parameters);

fn offer_ids(user: &Value) -> Vec<Value> {
    pluck(&user["offers"], "id")
}

async fn full_page_has_next_link(topology: Topology) {
    let services = topology.start_open().await;
    services.seed(1, 1005).await;
    let first = services.users.get_user("demo1").await.expect(200);
    let next = first.next_page().expect("a second page");
    let mut ids_read = offer_ids(&first.json());
    assert_eq!(ids_read.len(), 1000);
    let last = services.users.get(&next).await.expect(200);
    assert_eq!(last.next_page(), None);
    ids_read.extend(offer_ids(&last.json()));
    assert_eq!(ids_read.len(), 1005);
    assert!(ids_read.windows(2).all(|pair| pair[0].as_i64() < pair[1].as_i64()));
}

async fn walks_by_pages(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(services.create_offer(&ann, &number.to_string()).await["id"].clone());
    }
    let mut path = format!("{}?offers_limit=2", ann.path());
    let mut sizes = Vec::new();
    let mut ids_read = Vec::new();
    loop {
        let page = services.users.get(&path).await.expect(200);
        let ids = offer_ids(&page.json());
        sizes.push(ids.len());
        ids_read.extend(ids);
        match page.next_page() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(ids_read, created);

    // A full last page has no next link.
    let page = services.users.get(&format!("{}?offers_limit=5", ann.path())).await;
    assert_eq!(page.expect(200).next_page(), None);
}

async fn rejects_invalid_page_parameters(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    services.users.get("/user/ann/?offers_limit=1000").await.expect(200);
    services.users.get("/user/ann/?offers_limit=1&unknown=1").await.expect(200);
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let response = services.users.get(&format!("/user/ann/?offers_limit={limit}")).await;
        response.problem(422).assert_pointers(&["/offers_limit"]);
    }
    let response = services.users.get("/user/ann/?offers_after=garbage").await;
    response.problem(422).assert_pointers(&["/offers_after"]);
}
