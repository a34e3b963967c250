//! Conditional requests: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, section 13).

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse, send};
use crate::support::fixtures::TestUser;
use crate::support::services::{Services, Topology};

on_every_topology!(
    known_tag_returns_304,
    tag_changes_with_every_update,
    changes_require_a_matching_tag,
    deletion_requires_a_matching_tag,
    if_none_match_prevents_changes,
    other_errors_come_before_412,
    one_of_two_conditional_updates_wins,
    one_of_two_conditional_updates_of_a_user_wins,
    tag_of_a_user_covers_the_offers,
    compressed_responses_have_tags_of_their_own,
    updates_at_the_same_moment_have_different_times,
);

/// The name and the value of a header of a request.
type Header<'a> = (header::HeaderName, &'a str);

async fn request(
    api: &ApiClient,
    method: Method,
    path: &str,
    headers: &[Header<'_>],
    body: Option<Value>,
) -> HttpResponse {
    let mut request = api.request(method, path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    send(request).await
}

async fn get_if_none_match(api: &ApiClient, path: &str, tags: &str) -> HttpResponse {
    request(api, Method::GET, path, &[(header::IF_NONE_MATCH, tags)], None).await
}

async fn patch_if_match(api: &ApiClient, path: &str, tags: &str, body: Value) -> HttpResponse {
    request(api, Method::PATCH, path, &[(header::IF_MATCH, tags)], Some(body)).await
}

/// Returns the strong tag of an object.
async fn tag_of(api: &ApiClient, path: &str) -> String {
    let response = api.get(path).await.expect(200);
    let tag = response.header(header::ETAG).unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    tag
}

/// Registers a user with one offer. Returns the user, and the address of each object with its service
/// and a valid change of it.
async fn objects(services: &Services) -> (TestUser, [(&ApiClient, String, Value); 2]) {
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let objects = [
        (&services.users, format!("/user/{}/", ann.id), json!({ "email": "new@example.org" })),
        (&services.offers, format!("/offer/{}/", offer["id"]), json!({ "title": "table" })),
    ];
    (ann, objects)
}

async fn known_tag_returns_304(topology: Topology) {
    let services = topology.start_open().await;
    for (api, path, _) in objects(&services).await.1 {
        let tag = tag_of(api, &path).await;
        assert_eq!(tag_of(api, &path).await, tag);
        for known in [&tag, "*", &format!("W/{tag}"), &format!("\"x\",{tag}, W/\"y\"")] {
            let response = get_if_none_match(api, &path, known).await.expect(304);
            assert_eq!(response.header(header::ETAG), Some(&*tag), "{known}");
            assert!(response.body.is_empty());
            assert!(response.headers.contains_key(header::VARY));
            let header = [(header::IF_NONE_MATCH, known)];
            request(api, Method::HEAD, &path, &header, None).await.expect(304);
        }
        for other in ["\"x\"", "x", "", tag.trim_matches('"')] {
            let response = get_if_none_match(api, &path, other).await.expect(200);
            assert_eq!(response.header(header::ETAG), Some(&*tag), "{other}");
        }
        let header = [(header::IF_MATCH, "\"x\"")];
        request(api, Method::GET, &path, &header, None).await.problem(412);
    }
}

async fn tag_changes_with_every_update(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let created = services.offers.post_offer(body).await.expect(201);
    let path = created.header(header::LOCATION).unwrap();
    let mut tags = vec![created.header(header::ETAG).unwrap().to_owned()];
    assert_eq!(tag_of(&services.offers, path).await, tags[0]);
    for title in ["table", "chair", "chair"] {
        let changed = services.offers.patch(path, json!({ "title": title })).await.expect(200);
        let tag = changed.header(header::ETAG).unwrap().to_owned();
        assert_eq!(tag_of(&services.offers, path).await, tag);
        assert!(!tags.contains(&tag), "{tags:?} {tag}");
        tags.push(tag);
    }
    let unchanged = services.offers.patch(path, json!({})).await.expect(200);
    assert_eq!(unchanged.header(header::ETAG), tags.last().map(String::as_str));
}

async fn changes_require_a_matching_tag(topology: Topology) {
    let services = topology.start_open().await;
    for (api, path, change) in objects(&services).await.1 {
        let tag = tag_of(api, &path).await;
        for other in ["\"x\"", &format!("W/{tag}"), "x", "", "\"x\", W/\"y\""] {
            let problem = patch_if_match(api, &path, other, change.clone()).await.problem(412);
            assert_eq!(problem.code, "PRECONDITION_FAILED", "{other}");
        }
        assert_eq!(tag_of(api, &path).await, tag);
        let tags = format!("\"x\", {tag}");
        patch_if_match(api, &path, &tags, change.clone()).await.expect(200);
        assert_ne!(tag_of(api, &path).await, tag);
        patch_if_match(api, &path, &tags, change.clone()).await.problem(412);
        patch_if_match(api, &path, "*", change).await.expect(200);
    }
}

async fn deletion_requires_a_matching_tag(topology: Topology) {
    let services = topology.start_open().await;
    let (_, mut objects) = objects(&services).await;
    objects.reverse();
    for (api, path, change) in objects {
        let tag = tag_of(api, &path).await;
        api.patch(&path, change).await.expect(200);
        let delete = async |tags: &str| {
            request(api, Method::DELETE, &path, &[(header::IF_MATCH, tags)], None).await
        };
        delete(&tag).await.problem(412);
        let tag = tag_of(api, &path).await;
        delete(&tag).await.expect(204);
        delete(&tag).await.problem(404);
        delete("*").await.problem(404);
    }
}

async fn if_none_match_prevents_changes(topology: Topology) {
    let services = topology.start_open().await;
    for (api, path, change) in objects(&services).await.1 {
        let tag = tag_of(api, &path).await;
        let patch = async |tags: &str| {
            let header = [(header::IF_NONE_MATCH, tags)];
            request(api, Method::PATCH, &path, &header, Some(change.clone())).await
        };
        patch("*").await.problem(412);
        patch(&tag).await.problem(412);
        patch("\"x\"").await.expect(200);
    }
}

async fn other_errors_come_before_412(topology: Topology) {
    let services = topology.start_strict().await;
    let bob = services.register_and_log_in("bob").await;
    let (_, objects) = objects(&services).await;
    for (api, path, change) in objects {
        patch_if_match(api, &path, "\"x\"", change.clone()).await.problem(401);
        let as_bob = api.bearer(&bob.access_token);
        patch_if_match(&as_bob, &path, "\"x\"", change).await.problem(403);
    }
    let as_bob = services.offers.bearer(&bob.access_token);
    patch_if_match(&as_bob, "/offer/4711/", "\"x\"", json!({ "title": "x" })).await.problem(404);
}

/// Two clients read the same tag and change the offer at the same moment.
async fn one_of_two_conditional_updates_wins(topology: Topology) {
    let services = topology.start_open().await;
    let (_, [_, (api, path, _)]) = objects(&services).await;
    let mut tag = tag_of(api, &path).await;
    for round in 0..200 {
        // The same change, so that only the time of the update differs.
        let change = json!({ "title": format!("chair {}", round / 2) });
        let both = (0..2).map(|_| patch_if_match(api, &path, &tag, change.clone()));
        let mut responses = join_all(both).await;
        responses.sort_unstable_by_key(|response| response.status);
        let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [200, 412], "round {round}");
        let current = tag_of(api, &path).await;
        assert_eq!(responses[0].header(header::ETAG), Some(&*current));
        tag = current;
    }
}

async fn one_of_two_conditional_updates_of_a_user_wins(topology: Topology) {
    let services = topology.start_open().await;
    let (_, [(api, path, _), _]) = objects(&services).await;
    for round in 0..50 {
        let tag = tag_of(api, &path).await;
        let both = ["a", "b"].map(|client| {
            let change = json!({ "email": format!("{client}{round}@example.org") });
            patch_if_match(api, &path, &tag, change)
        });
        let mut statuses: Vec<_> = join_all(both).await.iter().map(|one| one.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
}

async fn tag_of_a_user_covers_the_offers(topology: Topology) {
    let services = topology.start_open().await;
    let (ann, [(users, path, change), (offers, offer_path, _)]) = objects(&services).await;
    let tag = tag_of(users, &path).await;
    assert_eq!(tag_of(users, "/user/ann/").await, tag);
    assert_ne!(tag_of(users, "/user/ann/?offers_after=99999").await, tag);
    offers.patch(&offer_path, json!({ "status": "closed" })).await.expect(200);
    get_if_none_match(users, &path, &tag).await.expect(200);
    patch_if_match(users, &path, &tag, change.clone()).await.problem(412);
    let tag = tag_of(users, &path).await;
    services.create_offer(&ann, "table").await;
    patch_if_match(users, &path, &tag, change.clone()).await.problem(412);
    let tag = tag_of(users, "/user/ann/").await;
    patch_if_match(users, "/user/ann/", &tag, change).await.expect(200);
}

async fn compressed_responses_have_tags_of_their_own(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let text = "as good as new ".repeat(200);
    let offer = services.offers.create_offer(ann.id, "chair", &text).await.expect(201).json();
    let path = format!("/offer/{}/", offer["id"]);
    let tag = tag_of(&services.offers, &path).await;
    let mut tags = vec![tag];
    for coding in ["gzip", "br"] {
        let accept = (header::ACCEPT_ENCODING, coding);
        let get = async |more: &[Header<'_>]| {
            let headers = [std::slice::from_ref(&accept), more].concat();
            request(&services.offers, Method::GET, &path, &headers, None).await
        };
        let response = get(&[]).await.expect(200);
        assert_eq!(response.header(header::CONTENT_ENCODING), Some(coding));
        let tag = response.header(header::ETAG).unwrap().to_owned();
        assert!(!tags.contains(&tag) && tag.starts_with('"'), "{tags:?} {tag}");
        let known = get(&[(header::IF_NONE_MATCH, &tag)]).await.expect(304);
        assert_eq!(known.header(header::ETAG), Some(&*tag));
        tags.push(tag);
    }
    let change = json!({ "title": "table" });
    patch_if_match(&services.offers, &path, &tags[1], change.clone()).await.expect(200);
    patch_if_match(&services.offers, &path, &tags[2], change).await.problem(412);
}

/// The time of the last update identifies the state of an offer, also if many update it at once.
async fn updates_at_the_same_moment_have_different_times(topology: Topology) {
    let services = topology.start_open().await;
    let (_, [_, (api, path, _)]) = objects(&services).await;
    let updates = (0..50).map(|number| api.patch(&path, json!({ "title": number.to_string() })));
    let mut times: Vec<_> = join_all(updates)
        .await
        .into_iter()
        .map(|response| response.expect(200).json()["updated_at"].as_str().unwrap().to_owned())
        .collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 50);
}
