//! HTTPS from PEM files.

use std::{
    fmt::Display, io, path::Path, path::PathBuf, sync::Arc, time::Duration, time::SystemTime,
};

use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Where the certificate chain and its key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// PEM chain, the server's own certificate first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

impl Files {
    /// TLS 1.2 and 1.3 with these files, which are read again whenever they change.
    ///
    /// # Errors
    /// Names the file and says what is wrong with it.
    pub fn watch(self) -> io::Result<RustlsConfig> {
        let config = RustlsConfig::from_config(self.load()?);
        let watched = config.clone();
        tokio::spawn(async move {
            let mut seen = self.changed();
            loop {
                tokio::time::sleep(LOOK).await;
                let now = self.changed();
                if now == seen {
                    continue;
                }
                match self.load() {
                    Ok(config) => {
                        watched.reload_from_config(config);
                        seen = now;
                        tracing::info!("certificate renewed");
                    }
                    // Half written: the old one serves until the files fit together.
                    Err(error) => tracing::warn!(%error, "certificate not renewed"),
                }
            }
        });
        Ok(config)
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.cert, &self.key].map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok())
    }

    fn load(&self) -> io::Result<Arc<ServerConfig>> {
        let bad_cert = |error: &dyn Display| bad("TLS_CERT", &self.cert, error);
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect)
            .map_err(|error| bad_cert(&error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| bad("TLS_KEY", &self.key, &error))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| bad_cert(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The one cryptography of this project.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn bad(setting: &str, file: &Path, error: &dyn Display) -> io::Error {
    io::Error::other(format!("{setting}={}: {error}", file.display()))
}
