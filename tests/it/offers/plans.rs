//! The plans of `PostgreSQL` for `GET /offer/`.

use reqwest::Url;
use sea_orm::ConnectionTrait;

use super::insert_offers;
use crate::support::services::{Services, Topology};
use crate::support::wait::until_true;

on_postgres!(every_list_is_read_by_an_index);

/// Makes `PostgreSQL` report each plan as a notice, which the service logs. It scans a whole table
/// or sorts only if no index makes that unnecessary.
const SETTINGS: [&str; 6] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_level = 'notice'",
    "enable_seqscan = off",
    "enable_sort = off",
    "enable_incremental_sort = off",
];

#[allow(clippy::disallowed_methods, reason = "configures a whole database")]
async fn start_with_plans(topology: Topology) -> Services {
    let mut services = topology.set("LOG_FORMAT", "json").start().await;
    let rows = services.database.connect().await;
    let url = Url::parse(services.database.url()).unwrap();
    for setting in SETTINGS {
        let statement = format!("ALTER DATABASE {} SET {setting}", url.path().trim_matches('/'));
        rows.execute_unprepared(&statement).await.unwrap();
    }
    rows.close().await.unwrap();
    services.restart().await;
    services
}

/// Returns the plans of lists so far.
fn plans(services: &Services) -> Vec<String> {
    let plans = services.logs().into_iter().filter(|line| line.contains("Query Text: SELECT"));
    plans.filter(|plan| plan.contains("price_amount")).collect()
}

async fn every_list_is_read_by_an_index(topology: Topology) {
    let services = start_with_plans(topology).await;
    let ann = services.register("ann").await["id"].as_i64().unwrap();
    insert_offers(&services, ann, 5300).await;
    let mut requests = 0;
    for order in ["newest", "oldest", "price_asc", "price_desc"] {
        for user in ["", &format!("&user_id={ann}")] {
            for status in ["", "&status=closed"] {
                for price in ["", "&currency=EUR", "&currency=EUR&min_price=1&max_price=2"] {
                    let by_price = order.starts_with("price");
                    // A range of prices in the order of creation is looked for like a search.
                    if by_price && price.is_empty() || !by_price && price.contains("min") {
                        continue;
                    }
                    let list = format!("/offer/?sort={order}{user}{status}{price}");
                    services.offers.get(&list).await.expect(200);
                    requests += 1;
                }
            }
        }
    }
    until_true("plans are logged", async || plans(&services).len() >= requests).await;
    for plan in plans(&services) {
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    }
    services.offers.get("/offer/?q=rare").await.expect(200);
    let uses_index = |plan: &String| plan.contains("offers_search_idx");
    until_true("index of the search", async || plans(&services).iter().any(uses_index)).await;
}
