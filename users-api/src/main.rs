//! The Users service alone.

use clap::{
    ArgMatches, CommandFactory, Error, FromArgMatches, Parser, Subcommand as _, error::Result,
};
use mimalloc::MiMalloc;
use server::{
    output, runtime,
    settings::{self, BindAddresses, Settings},
};

/// Responses consist of many small allocations: the allocator of the C library took a quarter of
/// the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The Users service: accounts, sessions and the offers of users, over REST and GraphQL.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    addresses: BindAddresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    users_settings: users_api::UsersSettings,
    #[command(flatten)]
    offers_client: users_api::OffersClientSettings,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Manage the signing keys of tokens
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(clap::Subcommand)]
enum KeysCommand {
    /// Create a new key, published at once and used later, and remove keys whose tokens have all
    /// expired. Running instances load it without a restart
    Rotate(users_api::RotateKeysArgs),
}

/// The service or a command. A command needs none of the settings of the service.
enum Invocation {
    Serve(Box<Cli>),
    Command(Command),
}

impl CommandFactory for Invocation {
    fn command() -> clap::Command {
        Command::augment_subcommands(Cli::command()).subcommand_negates_reqs(true)
    }

    fn command_for_update() -> clap::Command {
        Self::command()
    }
}

impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self> {
        match matches.subcommand() {
            None => Cli::from_arg_matches(matches).map(|it| Self::Serve(Box::new(it))),
            Some(_) => Command::from_arg_matches(matches).map(Self::Command),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn main() {
    let invocation = settings::parse_args(|command| {
        command.mut_arg("http_addr", |a| a.default_value("127.0.0.1:8001"))
    });
    match invocation {
        Invocation::Serve(cli) => {
            let Cli { addresses, settings, users_settings, offers_client } = *cli;
            let app = async |stopping| {
                users_api::app(&settings, &users_settings, &offers_client, stopping).await
            };
            let service = server::run(users_api::NAME, addresses, &settings, app);
            runtime::block_on(settings.workers, service);
        }
        Invocation::Command(Command::Keys(KeysCommand::Rotate(arguments))) => {
            rotate_keys(&arguments);
        }
    }
}

fn rotate_keys(arguments: &users_api::RotateKeysArgs) {
    match arguments.run() {
        Ok(report) => {
            for file in report.removed {
                output::print_line(format_args!("removed {}", file.display()));
            }
            let from = report.signs_from.format("%FT%TZ");
            let created = report.created.display();
            output::print_line(format_args!("created {created}, which signs from {from} on"));
        }
        Err(problem) => settings::exit_with_error(&problem),
    }
}
