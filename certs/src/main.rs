//! `certs`: generates a local CA and a server certificate in a folder.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

/// Generate a local CA, unless the folder has one, and a server certificate signed by it
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Folder for ca.pem, ca.key, server.pem and server.key
    #[arg(default_value = "certs")]
    folder: PathBuf,
    /// Another host name or address for the certificate; can be repeated
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    let Cli { folder, names } = Cli::parse();
    let names: Vec<_> = certs::LOCAL_NAMES.map(String::from).into_iter().chain(names).collect();
    match certs::generate(&folder, &names) {
        Ok(()) => {
            let (certificate, ca) = (folder.join(certs::CERT), folder.join(certs::CA));
            let (certificate, ca) = (certificate.display(), ca.display());
            // The files are there, also if nothing reads about them.
            let _ = writeln!(io::stdout(), "{certificate} for {}\ntrust {ca}", names.join(", "));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
