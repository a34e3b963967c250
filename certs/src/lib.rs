//! A local certificate authority and the server certificate that it signs, for HTTPS without a
//! public authority: trust `ca.pem` and the services are trusted.

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

/// The certificate of the authority.
pub const CA: &str = "ca.pem";
/// The private key of the authority.
pub const CA_KEY: &str = "ca.key";
/// The certificate of the servers.
pub const CERT: &str = "server.pem";
/// The private key of the servers.
pub const KEY: &str = "server.key";

/// The names that the server certificate is always good for.
pub const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// For how long the authority is good.
const CA_DAYS: i64 = 3650;
/// For how long a server certificate is good: Mozilla's intermediate profile asks for less than
/// 366 days, and browsers take none of more than 398.
const CERT_DAYS: i64 = 365;

/// Makes a server certificate for these names in a folder. An authority that is there signs it,
/// so that whoever trusts it goes on to; else one is made.
///
/// # Errors
/// Names the file and says what is wrong with it, or which name is none.
pub fn make(folder: &Path, names: &[String]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let issuer = authority(folder)?;
    let mut params = CertificateParams::new(names).map_err(other)?;
    params.distinguished_name.push(DnType::CommonName, "Classifieds");
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = params.not_before + Duration::days(CERT_DAYS);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(other)?;
    let certificate = params.signed_by(&key, &issuer).map_err(other)?;
    write(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERT), &certificate.pem(), 0o644)
}

/// Makes a certificate for this machine unless there is one. Tells whether it made one.
///
/// # Errors
/// As [`make`].
pub fn make_if_none(folder: &Path) -> io::Result<bool> {
    let there = folder.join(CERT).exists() && folder.join(KEY).exists();
    if !there {
        make(folder, &LOCAL.map(String::from))?;
    }
    Ok(!there)
}

fn authority(folder: &Path) -> io::Result<Issuer<'static, KeyPair>> {
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
    write(&key_file, &key.serialize_pem(), 0o600)?;
    write(&cert_file, &certificate.pem(), 0o644)?;
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

/// Replaces the file whole: a server that watches it never reads half of it.
fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let half = file.with_extension("new");
    let mut writer =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&half)?;
    writer.write_all(text.as_bytes())?;
    writer.sync_all()?;
    fs::rename(half, file)
}

fn other(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_stays_and_the_certificate_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(make_if_none(folder.path()).unwrap());
        assert!(!make_if_none(folder.path()).unwrap());
        let (ca, cert) = (read(CA), read(CERT));
        make(folder.path(), &["example.test".to_owned()]).unwrap();
        assert_eq!(read(CA), ca);
        assert_ne!(read(CERT), cert);
    }

    #[test]
    fn only_the_owner_reads_the_keys() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        make_if_none(folder.path()).unwrap();
        for name in [CA_KEY, KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
