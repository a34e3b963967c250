//! The start page: a summary of the service, links, and its routes from the OpenAPI document.

use std::fmt::Write as _;

use utoipa::openapi::path::{Operation, PathItem};

use super::config::{Card, UiConfig, escape};

pub(super) fn render(ui: &UiConfig) -> String {
    format!(
        include_str!("../../assets/index.html"),
        service = escape(ui.service),
        version = env!("CARGO_PKG_VERSION"),
        title = escape(ui.title),
        summary = escape(ui.summary),
        cards = cards(ui),
        routes = routes(ui),
    )
}

fn cards(ui: &UiConfig) -> String {
    let playground = Card {
        href: Some("/graphql".to_owned()),
        label: "GraphiQL",
        text: "Write and run queries in the browser",
    };
    let docs = Card {
        href: Some("/docs".to_owned()),
        label: "REST documentation",
        text: "Every route with its responses, to try out",
    };
    let openapi = Card {
        href: Some("/openapi.json".to_owned()),
        label: "OpenAPI document",
        text: "The same for tools and generators",
    };
    ui.graphiql
        .then_some(&playground)
        .into_iter()
        .chain([&docs, &openapi])
        .chain(&ui.cards)
        .map(render_card)
        .collect()
}

fn render_card(card: &Card) -> String {
    let inner =
        format!("<strong>{}</strong> <span>{}</span>", escape(card.label), escape(card.text));
    match &card.href {
        Some(href) => format!("<li><a href=\"{}\">{inner}</a></li>\n", escape(href)),
        None => format!("<li><div>{inner}</div></li>\n"),
    }
}

fn routes(ui: &UiConfig) -> String {
    let mut rows = String::new();
    for (path, item) in &ui.openapi.paths.paths {
        for (method, operation) in operations_by_method(item) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                rows,
                "<tr><td><b class=\"{}\">{method}</b></td><td><a href=\"{}\"><code>{}</code></a></td><td>{}</td></tr>",
                method.to_ascii_lowercase(),
                escape(&anchor(operation)),
                escape(path),
                escape(operation.summary.as_deref().unwrap_or_default()),
            );
        }
    }
    rows
}

fn operations_by_method(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

/// Returns the link to an operation in Swagger UI; to its page if the operation has no ID.
fn anchor(operation: &Operation) -> String {
    let tag = operation.tags.iter().flatten().next().map_or("default", String::as_str);
    match &operation.operation_id {
        Some(id) => format!("/docs#/{tag}/{id}"),
        None => "/docs".to_owned(),
    }
}
