//! The start page: what the service is, where to go from here, and its routes as the OpenAPI document has them.

use std::fmt::Write as _;

use utoipa::openapi::path::{Operation, PathItem};

use super::{Link, Pages, escape};

pub(super) fn render(pages: &Pages) -> String {
    format!(
        include_str!("../../assets/index.html"),
        service = escape(pages.service),
        version = env!("CARGO_PKG_VERSION"),
        title = escape(pages.title),
        summary = escape(pages.summary),
        cards = cards(pages),
        routes = routes(pages),
    )
}

fn cards(pages: &Pages) -> String {
    let playground = Link {
        href: Some("/graphql".to_owned()),
        label: "GraphiQL",
        text: "Write and run queries in the browser",
    };
    let docs = Link {
        href: Some("/docs".to_owned()),
        label: "REST documentation",
        text: "Every route with its answers, to try out",
    };
    let openapi = Link {
        href: Some("/openapi.json".to_owned()),
        label: "OpenAPI document",
        text: "The same for tools and generators",
    };
    pages
        .graphiql
        .then_some(&playground)
        .into_iter()
        .chain([&docs, &openapi])
        .chain(&pages.links)
        .map(card)
        .collect()
}

fn card(link: &Link) -> String {
    let inner =
        format!("<strong>{}</strong> <span>{}</span>", escape(link.label), escape(link.text));
    match &link.href {
        Some(href) => format!("<li><a href=\"{}\">{inner}</a></li>\n", escape(href)),
        None => format!("<li><div>{inner}</div></li>\n"),
    }
}

fn routes(pages: &Pages) -> String {
    let mut rows = String::new();
    for (path, item) in &pages.openapi.paths.paths {
        for (method, operation) in operations(item) {
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

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
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

/// Where Swagger UI shows an operation; the page itself where the operation has no name.
fn anchor(operation: &Operation) -> String {
    let tag = operation.tags.iter().flatten().next().map_or("default", String::as_str);
    match &operation.operation_id {
        Some(id) => format!("/docs#/{tag}/{id}"),
        None => "/docs".to_owned(),
    }
}
