//! The Offers service alone.

use clap::Parser;
use server::settings::{self, Addresses, Settings};

/// The Offers service: classified ads of users, over REST and GraphQL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: offers_api::OffersSettings,
}

fn main() {
    let Arguments { addresses, settings, own } = settings::parse(|command| {
        command.mut_arg("http_addr", |a| a.default_value("127.0.0.1:8002"))
    });
    let app = async |stopping| offers_api::app(&settings, &own, stopping).await;
    server::run(offers_api::NAME, addresses, &settings, app);
}
