//! Traces, as a collector receives them and as the log refers to them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse, send};
use crate::support::fixtures::registration;
use crate::support::otlp_collector::{OtlpCollector, Span};
use crate::support::services::{ProcessCount, ServicesBuilder, Topology};
use crate::support::wait;

on_every_topology!(
    user_request_is_one_trace,
    statements_of_a_mutation_belong_to_its_trace,
    log_lines_contain_trace_ids
);

/// Trace and span id of a client (W3C Trace Context, section 3.2).
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";

fn with_tracing(topology: Topology, collector: &OtlpCollector) -> ServicesBuilder {
    let builder = topology.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    builder.set("OTEL_BSP_SCHEDULE_DELAY", "20")
}

/// Sends a request with a `traceparent`.
async fn send_traced(
    api: &ApiClient,
    method: Method,
    path: &str,
    body: Option<Value>,
    traceparent: &str,
) -> HttpResponse {
    let mut request = api.request(method, path).header("traceparent", traceparent);
    if let Some(body) = body {
        request = request.json(&body);
    }
    send(request).await
}

fn traceparent() -> String {
    format!("00-{TRACE_ID}-{SPAN_ID}-01")
}

/// Waits for the spans of the client's trace, and asserts that there are exactly `count`.
async fn wait_for_spans(collector: &OtlpCollector, count: usize) -> Vec<Span> {
    let what = format!("{count} spans");
    let spans = wait::until(&what, async || {
        let spans = collector.spans_of(TRACE_ID);
        (spans.len() >= count).then_some(spans)
    });
    let spans = spans.await;
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

/// Returns the only child of a span with this name.
#[track_caller]
fn child<'a>(spans: &'a [Span], parent: &str, name: &str) -> &'a Span {
    let mut found =
        spans.iter().filter(|span| span.parent_id() == parent && span.otlp.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no {name} in {parent}: {spans:#?}"));
    assert!(found.next().is_none(), "two {name} in {parent}: {spans:#?}");
    span
}

async fn user_request_is_one_trace(topology: Topology) {
    let collector = OtlpCollector::start().await;
    let services = with_tracing(topology, &collector).start().await;
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "chair").await;
    send_traced(&services.users, Method::GET, &ann.path(), None, &traceparent()).await.expect(200);

    let spans = wait_for_spans(&collector, 5).await;
    let request = child(&spans, SPAN_ID, "GET /user/{user}");
    assert_eq!(request.attribute("http.response.status_code"), "200");
    assert_eq!(request.attribute("url.path"), ann.path().trim_end_matches('/'));
    let user = child(&spans, &request.id(), "SELECT");
    assert!(user.attribute("db.query.text").contains(r#"FROM "users""#), "{user:#?}");
    let call = child(&spans, &request.id(), "POST");
    assert!(call.attribute("url.full").starts_with(services.offers.url("/graphql").as_str()));
    let response = child(&spans, &call.id(), "POST /graphql");
    let offers = child(&spans, &response.id(), "SELECT");
    assert!(offers.attribute("db.query.text").contains(r#"FROM "offers""#), "{offers:#?}");

    let (users_api, offers_api) = match topology.processes {
        ProcessCount::One => ("classifieds", "classifieds"),
        ProcessCount::Two => ("users-api", "offers-api"),
    };
    let services = [request, user, call, response, offers].map(|span| span.service.as_str());
    assert_eq!(services, [users_api, users_api, users_api, offers_api, offers_api]);
    // Each span encloses its child.
    for (outer, inner) in [(request, user), (request, call), (call, response), (response, offers)] {
        let [outer, inner] =
            [outer, inner].map(|s| (s.otlp.start_time_unix_nano, s.otlp.end_time_unix_nano));
        assert!(inner.0 <= inner.1 && inner.1 <= outer.1, "{outer:?} {inner:?}");
    }
}

/// A mutation runs in its own task.
async fn statements_of_a_mutation_belong_to_its_trace(topology: Topology) {
    let collector = OtlpCollector::start().await;
    let services = with_tracing(topology, &collector).start().await;
    let ann = services.register_and_log_in("ann").await;
    let api = services.users.bearer(&ann.access_token);
    let body = json!({ "old_password": ann.password, "new_password": "quite another one" });
    send_traced(&api, Method::POST, "/user/password/", Some(body), &traceparent())
        .await
        .expect(204);
    let names = wait::until("the statements of both tasks", async || {
        let spans = collector.spans_of(TRACE_ID);
        let mut names: Vec<_> = spans.iter().map(|span| span.otlp.name.clone()).collect();
        names.sort_unstable();
        (names.len() >= 5).then_some(names)
    });
    // In order: the session of the token, the old hash, the new hash, the sessions to end.
    let expected = ["DELETE", "POST /user/password", "SELECT", "SELECT", "UPDATE"];
    assert_eq!(names.await, expected);
    let texts: Vec<_> =
        collector.spans_of(TRACE_ID).iter().map(|span| span.attribute("db.query.text")).collect();
    assert!(!texts.concat().contains("argon2"), "{texts:?}");
}

async fn log_lines_contain_trace_ids(topology: Topology) {
    let collector = OtlpCollector::start().await;
    for format in ["json", "text"] {
        let services = with_tracing(topology, &collector).set("LOG_FORMAT", format).start().await;
        let body = Some(registration("ann"));
        send_traced(&services.users, Method::POST, "/user/registry/", body, &traceparent())
            .await
            .expect(201);
        let line = wait::until("the registration is logged", async || {
            services.logs().into_iter().find(|line| line.contains("user_created"))
        })
        .await;
        let span = if format == "json" {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!([&line["trace_id"], &line["message"]], [TRACE_ID, "user_created"]);
            line["span_id"].as_str().unwrap().to_owned()
        } else {
            let (_, span) = line.split_once(&format!(" trace_id={TRACE_ID} span_id=")).unwrap();
            span.to_owned()
        };
        wait::until("the span of the line", async || {
            collector.spans_of(TRACE_ID).into_iter().find(|found| found.id() == span)
        })
        .await;
    }
}

/// An invalid header is ignored (W3C Trace Context, section 3.2.2).
#[tokio::test]
async fn invalid_traceparent_starts_a_new_trace() {
    let collector = OtlpCollector::start().await;
    let services = with_tracing(Topology::SQLITE_TWO_PROCESSES, &collector).start().await;
    let zeros = "0".repeat(32);
    let traceparents = [
        "",
        "nonsense",
        &format!("00-{zeros}-{SPAN_ID}-01"),
        &format!("ff-{TRACE_ID}-{SPAN_ID}-01"),
    ];
    for (count, parent) in (1..).zip(traceparents) {
        send_traced(&services.users, Method::GET, "/user/", None, parent).await.expect(200);
        let roots = wait::until("the root of a trace", async || {
            let spans = collector.spans().into_iter();
            let roots: Vec<_> = spans.filter(|span| span.otlp.name == "GET /user").collect();
            (roots.len() >= count).then_some(roots)
        });
        let roots = roots.await;
        assert!(roots.iter().all(|root| root.parent_id().is_empty()), "{parent:?}: {roots:#?}");
    }
    assert!(collector.spans_of(TRACE_ID).is_empty());
}

/// A client may disable the export of its trace.
#[tokio::test]
async fn unsampled_traces_are_not_exported() {
    let collector = OtlpCollector::start().await;
    let services = with_tracing(Topology::SQLITE_TWO_PROCESSES, &collector).start().await;
    let parent = format!("00-{TRACE_ID}-{SPAN_ID}-00");
    send_traced(&services.users, Method::GET, "/user/", None, &parent).await.expect(200);
    services.users.get("/health/ready").await.expect(200);
    services.users.get_user("nobody").await.expect(404);
    wait::until("a later request is sent", async || {
        collector.spans().into_iter().find(|span| span.otlp.name == "GET /user/{user}")
    })
    .await;
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.otlp.name).collect();
    assert!(!names.iter().any(|name| name == "GET /user" || name.contains("health")), "{names:?}");
}

/// The standard variables of OpenTelemetry that disable tracing.
#[tokio::test]
async fn traces_can_be_disabled() {
    let collector = OtlpCollector::start().await;
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let services =
            with_tracing(Topology::SQLITE_TWO_PROCESSES, &collector).set(name, value).start().await;
        let body = Some(registration("ann"));
        send_traced(&services.users, Method::POST, "/user/registry/", body, &traceparent())
            .await
            .expect(201);
        let line = wait::until("the registration is logged", async || {
            services.logs().into_iter().find(|line| line.contains("user_created"))
        });
        let line = line.await;
        assert!(!line.contains("trace_id"), "{name}: {line}");
    }
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn service_name_is_configurable() {
    let collector = OtlpCollector::start().await;
    for (name, value) in
        [("OTEL_SERVICE_NAME", "ads"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=ads")]
    {
        let services =
            with_tracing(Topology::SQLITE_ONE_PROCESS, &collector).set(name, value).start().await;
        let before = collector.spans().len();
        services.users.get_user("nobody").await.expect(404);
        let span = wait::until("a span", async || collector.spans().into_iter().nth(before)).await;
        assert_eq!(span.service, "ads", "{name}");
    }
}
