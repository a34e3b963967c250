//! Settings: each is a flag and an environment variable of the same name.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use clap::{
    ArgAction, Args, Command, CommandFactory, FromArgMatches, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use ipnet::{IpNet, Ipv4Net};
use reqwest::Url;
use rustix::{fs::Mode, process::umask};
use schema::Security;

use crate::{output, tls::CertificateFiles};

/// The settings that both services share. The comments of the fields are their `--help`.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Database URL: `postgres://…` or `sqlite://…`
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_url: String,
    /// URL of a hot standby of PostgreSQL, or of a proxy in front of several, that serves lists,
    /// searches and federated look-ups of offers
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_read_url: Option<String>,
    /// Maximum number of database connections
    #[arg(long, env, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,
    /// Tokio worker threads (default: half of the CPUs)
    #[arg(long, env, default_value_t = default_worker_threads(), value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: u16,
    /// Access mode
    #[arg(long, env, default_value = "strict", value_name = "MODE")]
    pub security: Security,
    /// The files for HTTPS.
    #[command(flatten)]
    pub certificate: CertificateFiles,
    /// Origins whose pages may call this service, separated by commas; `*` for any
    #[arg(long, env, value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-For` is trusted, separated by commas: addresses or networks such
    /// as `10.0.0.0/8`
    #[arg(long, env, value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Enable GraphQL introspection
    #[arg(long, env, default_value = "on", value_name = "SWITCH", action = ArgAction::Set, value_parser = switch())]
    pub introspection: bool,
    /// Serve GraphiQL to browsers
    #[arg(long, env, default_value = "on", value_name = "SWITCH", action = ArgAction::Set, value_parser = switch())]
    pub graphiql: bool,
    /// After SIGTERM, how long to report not-ready while still accepting requests
    #[arg(long, env, default_value = "1s", value_name = "DURATION", value_parser = parse_duration)]
    pub drain: Duration,
    /// Log filter, in the syntax of tracing-subscriber's `EnvFilter`
    #[arg(long, env, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Format of log lines
    #[arg(long, env, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// Returns half of the CPUs: on two CPUs, shared with PostgreSQL and the client, this serves a
/// seventh more requests than one thread for each.
fn default_worker_threads() -> u16 {
    let cpus = std::thread::available_parallelism().map_or(1, Into::into);
    u16::try_from(cpus / 2).unwrap_or(u16::MAX).max(1)
}

impl Settings {
    /// Logs one line of warning in the mode `spec`.
    pub fn warn_if_open(&self) {
        if self.security == Security::Spec {
            tracing::warn!(
                "SECURITY=spec: access tokens are optional, so anyone may read, change and delete \
                 the data of all users; for trials, not for the internet"
            );
        }
    }
}

/// The addresses of a service that runs alone. One of the two must be on.
#[derive(Clone, Copy, Debug, Args)]
pub struct BindAddresses {
    /// Address to listen on for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "off", value_name = "ADDRESS")]
    pub http_addr: BindAddress,
    /// Address to listen on for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "off", value_name = "ADDRESS")]
    pub https_addr: BindAddress,
}

/// The address of a listener.
#[derive(Clone, Copy, Debug)]
pub enum BindAddress {
    /// No listener.
    Off,
    /// A socket address; port 0 picks a free one.
    At(SocketAddr),
}

impl BindAddress {
    /// Returns true unless the listener is off.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        matches!(self, Self::At(_))
    }
}

impl FromStr for BindAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| "must be an address with a port, or off"),
        }
    }
}

/// Returns the parser of `on` and `off`.
fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|value| value == "on")
}

/// The format of log lines. The comments of the variants are part of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Readable text
    Text,
    /// One JSON object a line
    Json,
}

/// An origin as browsers send it (RFC 6454, section 6.1), or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
        // Browsers send no path. Capitals and a default port are normalized.
        let has_path =
            text.split_once("://").is_none_or(|(_, rest)| rest.contains(['/', '?', '#', '@']));
        match origin {
            Some(origin) if origin.starts_with("http") && !has_path => Ok(Self(origin)),
            _ => Err("must be an origin such as https://example.org, without a path, or *"),
        }
    }
}

/// Parses a URL that starts with `http://` or `https://`.
///
/// # Errors
/// Describes the problem with the text.
pub fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("must start with http:// or https://".to_owned()),
    }
}

/// Parses a duration between a millisecond and a minute, such as `400ms`.
///
/// # Errors
/// Describes the problem with the text.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let fits = (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&span);
    if fits { Ok(span) } else { Err("must be between 1ms and 1m".to_owned()) }
}

/// Parses a duration of at least a second, such as `10m` or `30d`.
///
/// # Errors
/// Describes the problem with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match span.as_secs() {
        0 => Err("must be at least one second".to_owned()),
        // A hundred years: beyond that, adding it to the current time could overflow.
        3_153_600_000.. => Err("must be less than a hundred years".to_owned()),
        _ => Ok(span),
    }
}

/// Parses a network such as `10.0.0.0/8`, or a single address.
///
/// # Errors
/// Describes the problem with the text.
pub fn network(text: &str) -> Result<IpNet, &'static str> {
    let text = text.trim();
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| one());
    match network.map_err(|_| "must be an address, or a network as 10.0.0.0/8")? {
        // The addresses of clients are compared in this form.
        IpNet::V6(network) if network.prefix_len() >= IPV4_MAPPED_PREFIX_LEN => {
            let mapped = network.addr().to_ipv4_mapped();
            let prefix_len = network.prefix_len() - IPV4_MAPPED_PREFIX_LEN;
            let ipv4 = mapped.and_then(|address| Ipv4Net::new(address, prefix_len).ok());
            Ok(ipv4.map_or(IpNet::V6(network), IpNet::V4))
        }
        network => Ok(network),
    }
}

/// The length of the prefix of IPv6 addresses that stand for IPv4 addresses, in bits (RFC 4291,
/// section 2.5.5.2).
const IPV4_MAPPED_PREFIX_LEN: u8 = 96;

/// Parses the flags, the environment and `.env`. `--help` ends the process; a bad value does too,
/// with one line that names the setting.
#[must_use]
pub fn parse_args<T: CommandFactory + FromArgMatches>(adjust: fn(Command) -> Command) -> T {
    match dotenvy::from_path(".env") {
        Err(error) if !error.not_found() => exit_with_error(&format!(".env: {error}")),
        _ => {}
    }
    // Databases and keys that the process creates are for its user alone.
    umask(Mode::RWXG | Mode::RWXO);
    let command = ignore_empty_variables(adjust(T::command()));
    let matches = command.try_get_matches().and_then(|matches| T::from_arg_matches(&matches));
    matches.unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => exit_with_error(&one_line(&error.to_string())),
    })
}

/// Makes empty variables count as unset: compose files pass on variables that are not set as empty
/// ones. Except for the database, for which the default would be another one.
fn ignore_empty_variables(command: Command) -> Command {
    let ignoring = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) && arg.get_id() != "database_url" {
            arg.env(None::<&str>)
        } else {
            arg
        }
    });
    ignoring.mut_subcommands(ignore_empty_variables)
}

/// Ends the process with one line on standard error.
pub fn exit_with_error(problem: &str) -> ! {
    output::print_error(format_args!("error: {problem}"));
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
    fn durations_are_bounded() {
        assert_eq!(parse_duration("10m"), Ok(Duration::from_mins(10)));
        for bad in ["", "0s", "5", "-1s", "10ms", "1000y", "soon"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn single_address_is_a_network() {
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("2001:db8::/32").unwrap().prefix_len(), 32);
        for bad in ["", "10.0.0.1/33", "10.0.0", "localhost", "10.0.0.1:80"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn timeouts_are_short() {
        assert_eq!(parse_timeout("400ms"), Ok(Duration::from_millis(400)));
        for bad in ["", "0s", "5", "999us", "61s", "soon"] {
            assert!(parse_timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mapped_network_is_that_of_ipv4() {
        assert_eq!(network("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
    }

    #[test]
    fn origin_is_that_which_browsers_send() {
        for (text, origin) in [
            ("https://example.org:8443", "https://example.org:8443"),
            (" HTTPS://App2.Example ", "https://app2.example"),
            ("https://app3.example:443", "https://app3.example"),
            ("http://app3.example:80", "http://app3.example"),
            ("http://app3.example:443", "http://app3.example:443"),
            ("http://[::1]:8001", "http://[::1]:8001"),
            ("*", "*"),
        ] {
            assert_eq!(text.parse(), Ok(Origin(origin.to_owned())), "{text}");
        }
        for bad in [
            "",
            "null",
            "example.org",
            "https://",
            "https:example.org",
            "https://example.org/",
            "https://example.org?",
            "https://user@example.org",
            "https://example.org:99999",
            "ftp://x",
            "httpx://x",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
