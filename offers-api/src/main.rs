//! The Offers service alone.

use clap::Parser;
use mimalloc::MiMalloc;
use server::{
    runtime,
    settings::{self, BindAddresses, Settings},
};

/// Responses consist of many small allocations: the allocator of the C library took a quarter of
/// the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The Offers service: classified ads of users, over REST and GraphQL.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    addresses: BindAddresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    offers_settings: offers_api::OffersSettings,
}

fn main() {
    let Cli { addresses, settings, offers_settings } = settings::parse_args(|command| {
        command.mut_arg("http_addr", |a| a.default_value("127.0.0.1:8002"))
    });
    let app = async |stopping| offers_api::app(&settings, &offers_settings, stopping).await;
    let service = server::run(offers_api::NAME, addresses, &settings, app);
    runtime::block_on(settings.workers, service);
}
