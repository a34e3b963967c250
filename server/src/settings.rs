//! Settings: each is a flag and an environment variable of the same name.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{Args, Command, CommandFactory, FromArgMatches, error::ErrorKind};
use ipnet::IpNet;
use reqwest::Url;
use schema::Security;
use tokio::runtime::Builder;

/// What both services need to know.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The database: `postgres://…` or `sqlite://…`
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_url: String,
    /// The most connections to the database
    #[arg(long, env, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,
    /// Threads that answer requests; passwords are hashed by others. The database, and the other
    /// service, want processors too
    #[arg(long, env, default_value_t = workers(), value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: u16,
    /// `strict` needs the access token of the user concerned, `spec` asks for nothing that the
    /// specification does not
    #[arg(long, env, default_value = "strict", value_name = "spec|strict")]
    pub security: Security,
    /// Certificate chain for HTTPS, PEM; a renewed file is picked up
    #[arg(long, env, default_value = "certs/server.pem", value_name = "FILE")]
    pub tls_cert: PathBuf,
    /// Private key for HTTPS, PEM
    #[arg(long, env, default_value = "certs/server.key", value_name = "FILE")]
    pub tls_key: PathBuf,
    /// Origins whose pages may call, separated by commas; `*` for any
    #[arg(long, env, value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-For` is believed, separated by commas: addresses or networks
    /// such as `10.0.0.0/8`
    #[arg(long, env, value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether GraphQL tells its schema
    #[arg(long, env, default_value = "on", value_name = "on|off")]
    pub introspection: Switch,
    /// Whether a browser gets GraphiQL
    #[arg(long, env, default_value = "on", value_name = "on|off")]
    pub graphiql: Switch,
    /// For how long a service that is told to end (SIGTERM) says that it is not ready and still
    /// takes requests
    #[arg(long, env, default_value = "1s", value_name = "SPAN", value_parser = span)]
    pub drain: Duration,
    /// What is logged, as a filter of crate tracing-subscriber
    #[arg(long, env, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// The form of a log line
    #[arg(long, env, default_value = "text", value_name = "text|json")]
    pub log_format: LogFormat,
}

/// Half of the processors: on two, that is a seventh more requests than with a thread for each, side
/// by side with PostgreSQL and the client on the same machine.
fn workers() -> u16 {
    let processors = std::thread::available_parallelism().map_or(1, Into::into);
    u16::try_from(processors / 2).unwrap_or(u16::MAX).max(1)
}

impl Settings {
    /// Runs a program to its end. A problem ends the process with one line that names it.
    pub fn run(&self, program: impl Future<Output = Result<(), String>>) {
        let workers = self.workers.into();
        let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string());
        if let Err(problem) = runtime.and_then(|runtime| runtime.block_on(Box::pin(program))) {
            refuse(&problem);
        }
    }

    /// Says in one line what `spec` leaves open.
    pub fn warn(&self) {
        if self.security == Security::Spec {
            tracing::warn!(
                "SECURITY=spec: anyone may create offers, list, change and delete users, and see \
                 emails; for trying out, not for the internet"
            );
        }
    }
}

/// Where a service alone listens. One of the two must be on.
#[derive(Clone, Copy, Debug, Args)]
pub struct Addresses {
    /// Where to listen for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "off", value_name = "ADDRESS")]
    pub http_addr: Listen,
    /// Where to listen for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "off", value_name = "ADDRESS")]
    pub https_addr: Listen,
}

/// Where a service listens.
#[derive(Clone, Copy, Debug)]
pub enum Listen {
    /// Not at all.
    Off,
    /// At this address; port 0 picks a free one.
    At(SocketAddr),
}

impl Listen {
    /// Whether there is such a listener.
    #[must_use]
    pub fn on(self) -> bool {
        matches!(self, Self::At(_))
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| "must be an address with a port, or off"),
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err("must be on or off"),
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a program: one JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// An origin as browsers send it (RFC 6454, section 7), or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = host.is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        });
        if plain || text == "*" {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be an origin such as https://example.org, or *")
        }
    }
}

/// An address that starts with `http://` or `https://`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("must start with http:// or https://".to_owned()),
    }
}

/// A time span of a millisecond to a minute, such as `400ms`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn moment(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let fits = (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&span);
    if fits { Ok(span) } else { Err("must be between 1ms and 1m".to_owned()) }
}

/// A time span above zero, such as `10m` or `30d`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match span.as_secs() {
        0 => Err("must be at least one second".to_owned()),
        // A hundred years: past that a sum with the present would not fit.
        3_153_600_000.. => Err("must be less than a hundred years".to_owned()),
        _ => Ok(span),
    }
}

/// A network such as `10.0.0.0/8`, or a single address.
///
/// # Errors
/// Says what is wrong with the text.
pub fn network(text: &str) -> Result<IpNet, &'static str> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| one()).map_err(|_| "must be an address, or a network as 10.0.0.0/8")
}

/// Reads `.env`, the environment and the flags. `--help` and a bad value end the process, the
/// latter with one line that names it.
#[must_use]
pub fn parse<T: CommandFactory + FromArgMatches>(adjust: fn(Command) -> Command) -> T {
    match dotenvy::from_path(".env") {
        Err(error) if !error.not_found() => refuse(&format!(".env: {error}")),
        _ => {}
    }
    let command = adjust(T::command());
    let matches = command.try_get_matches().and_then(|matches| T::from_arg_matches(&matches));
    matches.unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => refuse(&one_line(&error.to_string())),
    })
}

/// Ends the process with one line on standard error.
#[allow(clippy::print_stderr, reason = "logging is not set up yet")]
pub fn refuse(problem: &str) -> ! {
    eprintln!("error: {problem}");
    std::process::exit(2)
}

fn one_line(message: &str) -> String {
    let facts = message.lines().take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let words: Vec<_> = facts.flat_map(str::split_whitespace).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_bounded() {
        assert_eq!(span("10m"), Ok(Duration::from_mins(10)));
        for bad in ["", "0s", "5", "-1s", "10ms", "1000y", "soon"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("2001:db8::/32").unwrap().prefix_len(), 32);
        for bad in ["", "10.0.0.1/33", "10.0.0", "localhost", "10.0.0.1:80"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_short() {
        assert_eq!(moment("400ms"), Ok(Duration::from_millis(400)));
        for bad in ["", "0s", "5", "999us", "61s", "soon"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        assert!("https://example.org:8443".parse::<Origin>().is_ok());
        for bad in ["", "example.org", "https://", "https://example.org/", "ftp://x"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
