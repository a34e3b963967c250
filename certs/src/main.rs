//! `certs`: a local CA and a server certificate into a folder.
#![allow(clippy::print_stderr, reason = "a command line tool")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Makes a local CA, unless the folder holds one, and a server certificate that it signs
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder for ca.pem, ca.key, server.pem and server.key
    #[arg(default_value = "certs")]
    folder: PathBuf,
    /// Another name or address that the certificate is good for; can be given again
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    let Arguments { folder, names } = Arguments::parse();
    let names: Vec<_> = certs::LOCAL.map(String::from).into_iter().chain(names).collect();
    match certs::make(&folder, &names) {
        Ok(()) => {
            println!("{} for {}", folder.join(certs::CERT).display(), names.join(", "));
            println!("trust {}", folder.join(certs::CA).display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
