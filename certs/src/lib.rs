//! A local certificate authority and the server certificate that it signs, for HTTPS without a
//! public authority: a client that trusts `ca.pem` trusts the services.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// File name of the certificate of the authority.
pub const CA: &str = "ca.pem";
/// File name of the private key of the authority.
pub const CA_KEY: &str = "ca.key";
/// File name of the server certificate.
pub const CERT: &str = "server.pem";
/// File name of the private key of the server.
pub const KEY: &str = "server.key";

/// The names of this machine.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Lifetime of the authority, in days.
const CA_DAYS: i64 = 3650;
/// Lifetime of a server certificate, in days: Mozilla's intermediate profile requires less than 366,
/// and browsers reject more than 398.
const CERT_DAYS: i64 = 365;

/// Generates a server certificate for these names in a folder. An existing authority signs it, so
/// that its clients need no new one; otherwise an authority is generated too.
///
/// # Errors
/// Names the file and describes the problem with it, or names the invalid host name.
pub fn generate(folder: &Path, names: &[String]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let issuer = load_or_generate_authority(folder)?;
    let mut params = CertificateParams::new(names).map_err(other)?;
    params.distinguished_name.push(DnType::CommonName, "Classifieds");
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = params.not_before + Duration::days(CERT_DAYS);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(other)?;
    let certificate = params.signed_by(&key, &issuer).map_err(other)?;
    write_atomically(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write_atomically(&folder.join(CERT), &certificate.pem(), 0o644)
}

/// Generates a certificate for this machine if there is none. Returns true if it generated one.
///
/// # Errors
/// As [`generate`].
pub fn generate_if_missing(folder: &Path) -> io::Result<bool> {
    let exists = folder.join(CERT).exists() && folder.join(KEY).exists();
    if !exists {
        generate(folder, &LOCAL_NAMES.map(String::from))?;
    }
    Ok(!exists)
}

/// Loads the authority of the folder, or generates one.
fn load_or_generate_authority(folder: &Path) -> io::Result<Issuer<'static, KeyPair>> {
    let (cert_file, key_file) = (folder.join(CA), folder.join(CA_KEY));
    if cert_file.exists() && key_file.exists() {
        let pem = fs::read_to_string(&key_file)?;
        let key = KeyPair::from_pem(&pem)
            .map_err(|error| io::Error::other(format!("{}: {error}", key_file.display())))?;
        return Ok(Issuer::new(authority_params(), key));
    }
    let key = KeyPair::generate().map_err(other)?;
    let params = authority_params();
    let certificate = params.self_signed(&key).map_err(other)?;
    write_atomically(&key_file, &key.serialize_pem(), 0o600)?;
    write_atomically(&cert_file, &certificate.pem(), 0o644)?;
    Ok(Issuer::new(params, key))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Classifieds local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = params.not_before + Duration::days(CA_DAYS);
    params
}

/// Replaces the file atomically, so that a server that watches it never reads a part of it.
fn write_atomically(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let temporary = file.with_extension("new");
    let mut writer =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    writer.write_all(text.as_bytes())?;
    writer.sync_all()?;
    fs::rename(temporary, file)
}

fn other(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_keeps_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(generate_if_missing(folder.path()).unwrap());
        assert!(!generate_if_missing(folder.path()).unwrap());
        let (ca, cert) = (read(CA), read(CERT));
        generate(folder.path(), &["example.test".to_owned()]).unwrap();
        assert_eq!(read(CA), ca);
        assert_ne!(read(CERT), cert);
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        generate_if_missing(folder.path()).unwrap();
        for name in [CA_KEY, KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
