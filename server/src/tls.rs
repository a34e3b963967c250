//! TLS from PEM files that are reloaded when they change.

use std::{
    fmt::Display, io, path::Path, path::PathBuf, sync::Arc, time::Duration, time::SystemTime,
};

use axum_server::tls_rustls::RustlsConfig;
use clap::Args;
use rustls::{
    ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
};

/// Interval of checks for changed files.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The files of the server certificate.
#[derive(Clone, Debug, Args)]
pub struct CertificateFiles {
    /// PEM certificate chain for HTTPS, reloaded when it changes
    #[arg(long, env, default_value = "certs/server.pem", value_name = "FILE")]
    pub tls_cert: PathBuf,
    /// PEM private key for HTTPS
    #[arg(long, env, default_value = "certs/server.key", value_name = "FILE")]
    pub tls_key: PathBuf,
}

impl CertificateFiles {
    /// Loads the configuration for TLS 1.2 and 1.3, and reloads it in a task when a file changes.
    ///
    /// # Errors
    /// Names the file and describes the problem with it.
    pub fn load_and_watch(self) -> io::Result<RustlsConfig> {
        let config = RustlsConfig::from_config(self.load()?);
        let watched = config.clone();
        tokio::spawn(async move {
            let mut seen = self.mtimes();
            loop {
                tokio::time::sleep(POLL_INTERVAL).await;
                let now = self.mtimes();
                if now == seen {
                    continue;
                }
                match self.load() {
                    Ok(config) => {
                        watched.reload_from_config(config);
                        seen = now;
                        tracing::info!("certificate reloaded");
                    }
                    // The files may be half written: keep the old certificate until they fit together.
                    Err(error) => tracing::warn!(%error, "failed to reload certificate"),
                }
            }
        });
        Ok(config)
    }

    /// Checks that a client of this host accepts the certificate.
    ///
    /// # Errors
    /// Names the file and the host.
    pub fn check_host(&self, host: &str) -> io::Result<()> {
        let error = |error: &dyn Display| file_error("TLS_CERT", &self.tls_cert, error);
        let certificate = CertificateDer::from_pem_file(&self.tls_cert).map_err(|e| error(&e))?;
        let certificate = ParsedCertificate::try_from(&certificate).map_err(|e| error(&e))?;
        let name = ServerName::try_from(host.trim_matches(['[', ']'])).map_err(|e| error(&e))?;
        verify_server_name(&certificate, &name).map_err(|e| error(&e))
    }

    fn mtimes(&self) -> [Option<SystemTime>; 2] {
        [&self.tls_cert, &self.tls_key]
            .map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok())
    }

    fn load(&self) -> io::Result<Arc<ServerConfig>> {
        let cert_error = |error: &dyn Display| file_error("TLS_CERT", &self.tls_cert, error);
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.tls_cert)
            .and_then(Iterator::collect)
            .map_err(|error| cert_error(&error))?;
        let key = PrivateKeyDer::from_pem_file(&self.tls_key)
            .map_err(|error| file_error("TLS_KEY", &self.tls_key, &error))?;
        let mut config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| cert_error(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Returns the cryptography provider of all TLS here.
fn crypto_provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn file_error(setting: &str, file: &Path, error: &dyn Display) -> io::Error {
    io::Error::other(format!("{setting}={}: {error}", file.display()))
}
