//! Traces: what a collector is told, and what the log says of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::fixtures::registration;
use crate::support::otlp_collector::{Collector, Span};
use crate::support::services::{Layout, Processes, Setup};
use crate::support::wait as poll;

on_every_stack!(a_user_is_one_tree, a_mutation_keeps_its_statements, lines_name_their_trace);

/// Trace and span of a client (W3C Trace Context, section 3.2).
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn traced(layout: Layout, collector: &Collector) -> Setup {
    let setup = layout.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    setup.set("OTEL_BSP_SCHEDULE_DELAY", "20")
}

/// A request with this `traceparent`.
async fn ask(api: &Api, method: Method, path: &str, body: Option<Value>, parent: &str) -> Answer {
    let mut request = api.request(method, path).header("traceparent", parent);
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::to(request).await
}

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// All spans of the client's trace, once there are so many.
async fn spans(collector: &Collector, count: usize) -> Vec<Span> {
    let what = format!("{count} spans");
    let spans = poll::until(&what, async || {
        let spans = collector.of(TRACE);
        (spans.len() >= count).then_some(spans)
    });
    let spans = spans.await;
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

/// The only span below another with this name.
#[track_caller]
fn below<'a>(spans: &'a [Span], parent: &str, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.parent() == parent && span.sent.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no {name} below {parent}: {spans:#?}"));
    assert!(found.next().is_none(), "two {name} below {parent}: {spans:#?}");
    span
}

async fn a_user_is_one_tree(layout: Layout) {
    let collector = Collector::start().await;
    let stack = traced(layout, &collector).start().await;
    let ann = stack.member("ann").await;
    stack.offer(&ann, "chair").await;
    ask(&stack.users, Method::GET, &ann.path(), None, &parent()).await.expect(200);

    let spans = spans(&collector, 5).await;
    let request = below(&spans, SPAN, "GET /user/{user}");
    assert_eq!(request.attribute("http.response.status_code"), "200");
    assert_eq!(request.attribute("url.path"), ann.path().trim_end_matches('/'));
    let user = below(&spans, &request.id(), "SELECT");
    assert!(user.attribute("db.query.text").contains(r#"FROM "users""#), "{user:#?}");
    let call = below(&spans, &request.id(), "POST");
    assert!(call.attribute("url.full").starts_with(stack.offers.url("/graphql").as_str()));
    let answer = below(&spans, &call.id(), "POST /graphql");
    let offers = below(&spans, &answer.id(), "SELECT");
    assert!(offers.attribute("db.query.text").contains(r#"FROM "offers""#), "{offers:#?}");

    let (users_api, offers_api) = match layout.processes {
        Processes::One => ("classifieds", "classifieds"),
        Processes::Two => ("users-api", "offers-api"),
    };
    let services = [request, user, call, answer, offers].map(|span| span.service.as_str());
    assert_eq!(services, [users_api, users_api, users_api, offers_api, offers_api]);
    // Each lasts at least as long as what is below it.
    for (outer, inner) in [(request, user), (request, call), (call, answer), (answer, offers)] {
        let [outer, inner] =
            [outer, inner].map(|s| (s.sent.start_time_unix_nano, s.sent.end_time_unix_nano));
        assert!(inner.0 <= inner.1 && inner.1 <= outer.1, "{outer:?} {inner:?}");
    }
}

/// It runs in a task of its own.
async fn a_mutation_keeps_its_statements(layout: Layout) {
    let collector = Collector::start().await;
    let stack = traced(layout, &collector).start().await;
    let ann = stack.member("ann").await;
    let api = stack.users.bearer(&ann.access);
    let body = json!({ "old_password": ann.password, "new_password": "quite another one" });
    ask(&api, Method::POST, "/user/password/", Some(body), &parent()).await.expect(204);
    let words = poll::until("the statements of both tasks", async || {
        let spans = collector.of(TRACE);
        let mut words: Vec<_> = spans.iter().map(|span| span.sent.name.clone()).collect();
        words.sort_unstable();
        (words.len() >= 5).then_some(words)
    });
    // By turns: who asks, the old hash, the new one, the sessions.
    let whole = ["DELETE", "POST /user/password", "SELECT", "SELECT", "UPDATE"];
    assert_eq!(words.await, whole);
    let texts: Vec<_> =
        collector.of(TRACE).iter().map(|span| span.attribute("db.query.text")).collect();
    assert!(!texts.concat().contains("argon2"), "{texts:?}");
}

async fn lines_name_their_trace(layout: Layout) {
    let collector = Collector::start().await;
    for form in ["json", "text"] {
        let stack = traced(layout, &collector).set("LOG_FORMAT", form).start().await;
        let body = Some(registration("ann"));
        ask(&stack.users, Method::POST, "/user/registry/", body, &parent()).await.expect(201);
        let line = poll::until("the registration is logged", async || {
            stack.logs().into_iter().find(|line| line.contains("registration"))
        })
        .await;
        let span = if form == "json" {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!([&line["trace_id"], &line["message"]], [TRACE, "registration"]);
            line["span_id"].as_str().unwrap().to_owned()
        } else {
            let (_, span) = line.split_once(&format!(" trace_id={TRACE} span_id=")).unwrap();
            span.to_owned()
        };
        poll::until("the span that the line names", async || {
            collector.of(TRACE).into_iter().find(|found| found.id() == span)
        })
        .await;
    }
}

/// Only a valid header names a trace (W3C Trace Context, section 3.2.2).
#[tokio::test]
async fn what_is_no_parent_begins_a_trace() {
    let collector = Collector::start().await;
    let stack = traced(Layout::SQLITE_TWO, &collector).start().await;
    let zeros = "0".repeat(32);
    let parents =
        ["", "nonsense", &format!("00-{zeros}-{SPAN}-01"), &format!("ff-{TRACE}-{SPAN}-01")];
    for (count, parent) in (1..).zip(parents) {
        ask(&stack.users, Method::GET, "/user/", None, parent).await.expect(200);
        let roots = poll::until("the root of a trace", async || {
            let spans = collector.spans().into_iter();
            let roots: Vec<_> = spans.filter(|span| span.sent.name == "GET /user").collect();
            (roots.len() >= count).then_some(roots)
        });
        let roots = roots.await;
        assert!(roots.iter().all(|root| root.parent().is_empty()), "{parent:?}: {roots:#?}");
    }
    assert!(collector.of(TRACE).is_empty());
}

/// A client may say that a trace is not kept.
#[tokio::test]
async fn what_is_not_sampled_is_not_sent() {
    let collector = Collector::start().await;
    let stack = traced(Layout::SQLITE_TWO, &collector).start().await;
    let parent = format!("00-{TRACE}-{SPAN}-00");
    ask(&stack.users, Method::GET, "/user/", None, &parent).await.expect(200);
    stack.users.get("/health/ready").await.expect(200);
    stack.users.get("/user/nobody/").await.expect(404);
    poll::until("a later request is sent", async || {
        collector.spans().into_iter().find(|span| span.sent.name == "GET /user/{user}")
    })
    .await;
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.sent.name).collect();
    assert!(!names.iter().any(|name| name == "GET /user" || name.contains("health")), "{names:?}");
}

/// The variables of OpenTelemetry that switch all of it off.
#[tokio::test]
async fn without_a_collector_there_is_none() {
    let collector = Collector::start().await;
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let stack = traced(Layout::SQLITE_TWO, &collector).set(name, value).start().await;
        let body = Some(registration("ann"));
        ask(&stack.users, Method::POST, "/user/registry/", body, &parent()).await.expect(201);
        let line = poll::until("the registration is logged", async || {
            stack.logs().into_iter().find(|line| line.contains("registration"))
        });
        let line = line.await;
        assert!(!line.contains("trace_id"), "{name}: {line}");
    }
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn the_operator_names_the_service() {
    let collector = Collector::start().await;
    for (name, value) in
        [("OTEL_SERVICE_NAME", "ads"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=ads")]
    {
        let stack = traced(Layout::SQLITE_ONE, &collector).set(name, value).start().await;
        let before = collector.spans().len();
        stack.users.get("/user/nobody/").await.expect(404);
        let span = poll::until("a span", async || collector.spans().into_iter().nth(before)).await;
        assert_eq!(span.service, "ads", "{name}");
    }
}
