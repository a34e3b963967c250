//! The Users service alone.

use clap::{
    ArgMatches, Command, CommandFactory, Error, FromArgMatches, Parser, Subcommand as _,
    error::Result,
};
use server::settings::{self, Addresses, Settings};

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

#[derive(clap::Subcommand)]
enum Task {
    /// Looks after the keys that sign tokens
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(clap::Subcommand)]
enum Keys {
    /// Makes a new key, which is published at once and signs later, and removes those whose tokens
    /// have all expired. Running instances take it up by themselves
    Rotate(users_api::Rotation),
}

/// What the process is for. A task needs none of the settings of the service.
enum Invocation {
    Serve(Box<Arguments>),
    Task(Task),
}

impl CommandFactory for Invocation {
    fn command() -> Command {
        Task::augment_subcommands(Arguments::command()).subcommand_negates_reqs(true)
    }

    fn command_for_update() -> Command {
        Self::command()
    }
}

impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self> {
        match matches.subcommand() {
            None => Arguments::from_arg_matches(matches).map(|it| Self::Serve(Box::new(it))),
            Some(_) => Task::from_arg_matches(matches).map(Self::Task),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn main() {
    let invocation = settings::parse(|command| {
        command.mut_arg("http_addr", |a| a.default_value("127.0.0.1:8001"))
    });
    match invocation {
        Invocation::Serve(arguments) => {
            let Arguments { addresses, settings, own, upstream } = *arguments;
            let app = async |stopping| users_api::app(&settings, &own, &upstream, stopping).await;
            server::run(users_api::NAME, addresses, &settings, app);
        }
        Invocation::Task(Task::Keys(Keys::Rotate(rotation))) => rotate(&rotation),
    }
}

fn rotate(rotation: &users_api::Rotation) {
    match rotation.run() {
        Ok(rotated) => {
            for file in rotated.removed {
                println!("removed {}", file.display());
            }
            let from = rotated.signs_from.format("%FT%TZ");
            println!("made {}, which signs from {from} on", rotated.created.display());
        }
        Err(problem) => settings::refuse(&problem),
    }
}
