//! The Users service alone.

use clap::Parser;
use service::settings::{self, Addresses, Settings};

/// The Users service: who registers, logs in and offers, over REST and GraphQL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: users_api::Own,
    #[command(flatten)]
    upstream: users_api::Upstream,
}

#[tokio::main]
async fn main() {
    let Arguments { addresses, settings, own, upstream } = settings::parse(|command| {
        command.mut_arg("http_addr", |a| a.default_value("127.0.0.1:8001"))
    });
    let app = async |stopping| users_api::app(&settings, &own, &upstream, stopping).await;
    Box::pin(service::run(users_api::NAME, addresses, &settings, app)).await;
}
