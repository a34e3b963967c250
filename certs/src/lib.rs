//! A local certificate authority and the server certificate that it signs, for HTTPS without a
//! public authority: a client that trusts `ca.pem` trusts the services.

use std::{
    fmt::Display,
    fs::{self, File, Permissions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
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

/// Lifetime of the authority and of a server certificate, in days: Mozilla's intermediate profile
/// requires less than 366, and browsers reject more than 398.
const LIFETIME_DAYS: i64 = 365;
/// Length of a DNS name, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
/// Length of a part of a DNS name, in bytes.
const MAX_LABEL_BYTES: usize = 63;

/// Generates a server certificate for these names in a folder. An existing authority signs it, so
/// that its clients need no new one; otherwise an authority is generated too, for these names alone.
///
/// # Errors
/// Names the file and describes the problem with it, or names the invalid host name. The authority
/// cannot sign for the names, or the files of the folder do not belong together.
pub fn generate(folder: &Path, names: &[String]) -> io::Result<()> {
    let _lock = lock_folder(folder)?;
    generate_locked(folder, names)
}

/// Generates a certificate for this machine if there is none. Returns true if it generated one.
///
/// # Errors
/// As [`generate`].
pub fn generate_if_missing(folder: &Path) -> io::Result<bool> {
    let _lock = lock_folder(folder)?;
    let exists = folder.join(CERT).exists() && folder.join(KEY).exists();
    if !exists {
        generate_locked(folder, &LOCAL_NAMES.map(String::from))?;
    }
    Ok(!exists)
}

/// Locks the folder, which is created if it is missing, until the file is dropped: two runs at once
/// must not mix their files.
fn lock_folder(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let lock = File::open(folder)?;
    lock.lock()?;
    Ok(lock)
}

fn generate_locked(folder: &Path, names: &[String]) -> io::Result<()> {
    if let Some(name) = names.iter().find(|name| !is_host(name)) {
        let problem = format!("--name {name:?} must be a host name or an address");
        return Err(io::Error::other(problem));
    }
    let issuer = load_or_generate_authority(folder, names)?;
    let mut params = CertificateParams::new(names).map_err(other)?;
    params.distinguished_name.push(DnType::CommonName, "Classifieds");
    set_lifetime(&mut params);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(other)?;
    let certificate = params.signed_by(&key, &issuer).map_err(other)?;
    verify_certificate(folder, &certificate, names)?;
    write_atomically(&folder.join(KEY), &key.serialize_pem(), 0o600)?;
    write_atomically(&folder.join(CERT), &certificate.pem(), 0o644)
}

/// Returns true for an address and for a DNS name, which may begin with a wildcard.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.parse::<IpAddr>().is_ok()
        || name.len() <= MAX_NAME_BYTES
            && name.strip_prefix("*.").unwrap_or(name).split('.').all(is_label)
}

/// Verifies a certificate as a client does that trusts the authority of the folder: it may be one that
/// was not generated here, or for other names.
fn verify_certificate(
    folder: &Path,
    certificate: &Certificate,
    names: &[String],
) -> io::Result<()> {
    let file = folder.join(CA);
    let error = |error: &dyn Display| {
        let advice = format!("move {CA} and {CA_KEY} away for an authority of these names");
        io::Error::other(format!("{} cannot sign: {error}; {advice}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(&file).map_err(|problem| error(&problem))?;
    roots.add(authority).map_err(|problem| error(&problem))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().map_err(|problem| error(&problem))?;
    for name in names {
        let host = name.replacen('*', "any", 1);
        let host = ServerName::try_from(host).map_err(|problem| error(&problem))?;
        verifier
            .verify_server_cert(certificate.der(), &[], &host, &[], UnixTime::now())
            .map_err(|problem| error(&format_args!("{name}: {problem}")))?;
    }
    Ok(())
}

/// Loads the authority of the folder, or generates one. Without its certificate it gets a new one for
/// its key.
fn load_or_generate_authority(
    folder: &Path,
    names: &[String],
) -> io::Result<Issuer<'static, KeyPair>> {
    let (cert_file, key_file) = (folder.join(CA), folder.join(CA_KEY));
    let key = if key_file.exists() {
        let pem = fs::read_to_string(&key_file)?;
        KeyPair::from_pem(&pem)
            .map_err(|error| io::Error::other(format!("{}: {error}", key_file.display())))?
    } else if cert_file.exists() {
        let problem = format!("{} is missing, and {CA} would be replaced", key_file.display());
        return Err(io::Error::other(problem));
    } else {
        let key = KeyPair::generate().map_err(other)?;
        write_atomically(&key_file, &key.serialize_pem(), 0o600)?;
        key
    };
    let params = authority_params(names);
    if !cert_file.exists() {
        let certificate = params.self_signed(&key).map_err(other)?;
        write_atomically(&cert_file, &certificate.pem(), 0o644)?;
    }
    Ok(Issuer::new(params, key))
}

/// Returns the parameters of an authority that clients may trust without risk: it can sign for these
/// names alone (RFC 5280, section 4.2.1.10).
fn authority_params(names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Classifieds local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted_subtrees = names.iter().map(|name| match name.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        }
        Err(_) => GeneralSubtree::DnsName(name.trim_start_matches("*.").to_owned()),
    });
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted_subtrees.collect(),
        excluded_subtrees: Vec::new(),
    });
    set_lifetime(&mut params);
    params
}

fn set_lifetime(params: &mut CertificateParams) {
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = params.not_before + Duration::days(LIFETIME_DAYS);
}

/// Replaces the file atomically, so that a server that watches it never reads a part of it.
fn write_atomically(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(file.parent().unwrap_or(Path::new(".")))?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map(drop).map_err(io::Error::from)
}

fn other(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData;

    use super::*;

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn renewal_keeps_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(generate_if_missing(folder).unwrap());
        assert!(!generate_if_missing(folder).unwrap());
        let (ca, cert) = (read(folder, CA), read(folder, CERT));
        generate(folder, &["localhost".to_owned()]).unwrap();
        assert_eq!(read(folder, CA), ca);
        assert_ne!(read(folder, CERT), cert);
    }

    #[test]
    fn authority_signs_for_its_names_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let names = ["*.example.test", "example.test", "10.1.2.3", "2001:db8::1", "localhost"];
        generate(folder, &names.map(String::from)).unwrap();
        let cert = read(folder, CERT);
        generate(folder, &["www.example.test".to_owned()]).unwrap();
        assert_ne!(read(folder, CERT), cert);
        let cert = read(folder, CERT);
        for other in ["other.test", "10.1.2.4"] {
            let error = generate(folder, &[other.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(CA) && error.contains(other), "{error}");
            assert_eq!(read(folder, CERT), cert);
        }
    }

    #[test]
    fn foreign_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Mine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mine = params.self_signed(&key).unwrap().pem();
        fs::write(folder.join(CA), &mine).unwrap();
        let generate_local = || generate(folder, &LOCAL_NAMES.map(String::from));
        let error = generate_local().unwrap_err().to_string();
        assert!(error.contains(CA_KEY) && error.contains("missing"), "{error}");
        fs::write(folder.join(CA_KEY), key.serialize_pem()).unwrap();
        let error = generate_local().unwrap_err().to_string();
        assert!(error.contains(CA), "{error}");
        assert_eq!(read(folder, CA), mine);
        assert!(!folder.join(CERT).exists());
    }

    #[test]
    fn name_must_be_a_host() {
        for good in ["localhost", "a-b.example", "*.example.org", "10.0.0.1", "::1", "users_api"] {
            assert!(is_host(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", " ", "a b", "http://x", "x:80", "a..b", ".a", "a.*", "ä.example", &long] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn concurrent_runs_do_not_mix_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| generate(path, &["localhost".to_owned()]).unwrap());
            }
        });
        let key = KeyPair::from_pem(&read(path, KEY)).unwrap();
        let certificate = CertificateDer::from_pem_file(path.join(CERT)).unwrap();
        let public = key.subject_public_key_info();
        assert!(certificate.windows(public.len()).any(|part| part == public));
        let mut files: Vec<_> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
        files.sort_unstable();
        assert_eq!(files, [CA_KEY, CA, KEY, CERT]);
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        generate_if_missing(folder.path()).unwrap();
        for name in [CA_KEY, KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
