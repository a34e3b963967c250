//! The key pairs that tokens are signed with: PEM files in a folder that all instances share.
//!
//! The modification time of a file is the time from which its key signs. The newest key whose time
//! has come signs; all keys verify and are published, future ones included. So each verifier knows a
//! new key before the first token is signed with it, and an old key until its tokens have expired.
//!
//! Source: NIST SP 800-57 part 1, section 5.3 (originator and recipient usage periods).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use server::token::ALGORITHM;

/// Time between two checks of the folder for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A key pair.
pub(crate) struct SigningKey {
    pub(crate) id: String,
    pub(crate) private: EncodingKey,
    pub(crate) public: DecodingKey,
    jwk: Jwk,
    /// The time from which it signs.
    active_from: SystemTime,
}

/// The key pairs in a folder, reloaded when the folder changes.
pub(crate) struct KeyStore {
    folder: PathBuf,
    keys: RwLock<Arc<KeySet>>,
}

/// An immutable snapshot of the key pairs in a folder.
pub(crate) struct KeySet {
    files: Vec<(SystemTime, PathBuf)>,
    /// The oldest first, at least one.
    keys: Vec<SigningKey>,
}

impl KeyStore {
    /// Reads the private keys in a folder, and generates one if there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let _lock = lock_folder(folder)?;
        if key_files(folder)?.is_empty() {
            generate(folder, SystemTime::now())?;
        }
        let keys = RwLock::new(Arc::new(KeySet::from_files(key_files(folder)?)?));
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// Returns the current keys.
    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reloads the keys when the folder changes; never returns.
    pub(crate) async fn poll_folder(&self) {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            match self.reload_if_changed() {
                Ok(false) => (),
                Ok(true) => tracing::info!("signing keys reloaded"),
                // For example a file that is not complete yet: the keys loaded before stay in use.
                Err(error) => tracing::warn!(%error, "failed to reload signing keys"),
            }
        }
    }

    fn reload_if_changed(&self) -> io::Result<bool> {
        let files = key_files(&self.folder)?;
        if files == self.current().files {
            return Ok(false);
        }
        let keys = Arc::new(KeySet::from_files(files)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(true)
    }
}

impl KeySet {
    fn from_files(files: Vec<(SystemTime, PathBuf)>) -> io::Result<Self> {
        let read = |(active_from, file): &(SystemTime, PathBuf)| {
            SigningKey::from_file(file, *active_from)
                .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
        };
        let keys: Vec<_> = files.iter().map(read).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(io::Error::other("there is no key"));
        }
        Ok(Self { files, keys })
    }

    /// Returns the key with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Returns the key that signs: the newest whose time has come.
    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        let now = SystemTime::now();
        self.keys.iter().rfind(|key| key.active_from <= now).or(self.keys.first())
    }

    /// Returns the public keys (RFC 7517, section 5).
    pub(crate) fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.jwk.clone()).collect() }
    }
}

impl SigningKey {
    fn from_file(file: &Path, active_from: SystemTime) -> Result<Self, Box<dyn std::error::Error>> {
        let pem = fs::read(file)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)?;
        // The file may hold the public key too (RFC 5958); jsonwebtoken reads only those without.
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der())?;
        let private = EncodingKey::from_ed_der(pair.to_pkcs8v1()?.as_ref());
        let mut jwk = Jwk::from_encoding_key(&private, ALGORITHM)?;
        // RFC 7638: the same key has the same id for every reader.
        let id = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk)?;
        Ok(Self { id, private, public, jwk, active_from })
    }
}

/// The result of a rotation.
#[derive(Debug)]
pub struct RotationReport {
    /// The file of the new key.
    pub created: PathBuf,
    /// The time from which the new key signs.
    pub signs_from: DateTime<Utc>,
    /// The files of expired keys, which were deleted.
    pub removed: Vec<PathBuf>,
}

/// Generates a key that signs after `activation_delay`, and removes those whose last token, valid for
/// `token_ttl`, has expired.
///
/// # Errors
/// If another key is still waiting for its time, or the folder is not writable.
pub(crate) fn rotate(
    folder: &Path,
    activation_delay: Duration,
    token_ttl: Duration,
) -> io::Result<RotationReport> {
    let _lock = lock_folder(folder)?;
    let now = SystemTime::now();
    let files = key_files(folder)?;
    if let Some((active_from, file)) = files.last().filter(|(active_from, _)| *active_from > now) {
        let from = DateTime::<Utc>::from(*active_from).format("%FT%TZ");
        return Err(io::Error::other(format!("{} will sign from {from} on", file.display())));
    }
    // An instance that has not reloaded yet still signs with the key before.
    let expired = |next: &SystemTime| *next + token_ttl + 2 * POLL_INTERVAL < now;
    let mut removed = Vec::new();
    for ((_, file), (next, _)) in files.iter().zip(files.iter().skip(1)) {
        if expired(next) {
            fs::remove_file(file)?;
            removed.push(file.clone());
        }
    }
    let signs_from = now + activation_delay;
    let created = generate(folder, signs_from)?;
    Ok(RotationReport { created, signs_from: signs_from.into(), removed })
}

/// Locks the folder: two instances that start at once on an empty one must agree on one key.
fn lock_folder(folder: &Path) -> io::Result<File> {
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Lists the files of keys with the time from which each signs, the oldest first.
fn key_files(folder: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "pem") {
            files.push((fs::metadata(&file)?.modified()?, file));
        }
    }
    files.sort();
    Ok(files)
}

/// Generates a key pair in a file that only the user of the process can read.
fn generate(folder: &Path, active_from: SystemTime) -> io::Result<PathBuf> {
    let pair = Ed25519KeyPair::generate().map_err(io::Error::other)?;
    let der = pair.to_pkcs8v1().map_err(io::Error::other)?;
    let pem = to_pem(der.as_ref());
    let name = DateTime::<Utc>::from(active_from).format("%Y-%m-%dT%H-%M-%S%.6fZ.pem").to_string();
    let (file, temporary) = (folder.join(&name), folder.join(name + ".new"));
    let mut writer =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    writer.write_all(pem.as_bytes())?;
    writer.set_modified(active_from)?;
    writer.sync_all()?;
    // Renamed once complete: readers see the whole file or none.
    fs::rename(temporary, &file)?;
    Ok(file)
}

/// Encodes a PKCS #8 key as text (RFC 7468, section 10); the 48 bytes of an Ed25519 key fit in one
/// line.
fn to_pem(der: &[u8]) -> String {
    let line = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_TTL: Duration = Duration::from_hours(1);

    fn set_age(file: &Path, age: Duration) {
        let file = OpenOptions::new().append(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn signing_key_id(keys: &KeyStore) -> String {
        keys.current().signing_key().unwrap().id.clone()
    }

    #[test]
    fn new_key_is_published_before_it_signs() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap();
        let old = signing_key_id(&keys);
        let rotated = rotate(folder.path(), Duration::from_mins(1), TOKEN_TTL).unwrap();
        assert!(keys.reload_if_changed().unwrap());
        assert_eq!(keys.current().jwks().keys.len(), 2);
        assert_eq!(signing_key_id(&keys), old);
        assert!(
            rotate(folder.path(), TOKEN_TTL, TOKEN_TTL).is_err(),
            "one is waiting for its time"
        );
        set_age(&rotated.created, Duration::ZERO);
        assert!(keys.reload_if_changed().unwrap());
        assert_ne!(signing_key_id(&keys), old);
        assert!(!keys.reload_if_changed().unwrap());
    }

    #[test]
    fn old_key_is_kept_until_its_tokens_expire() {
        let folder = tempfile::tempdir().unwrap();
        KeyStore::open(folder.path()).unwrap();
        let first = key_files(folder.path()).unwrap().remove(0).1;
        set_age(&first, 3 * TOKEN_TTL);
        let delay = Duration::from_secs(1);
        let second = rotate(folder.path(), delay, TOKEN_TTL).unwrap();
        set_age(&second.created, Duration::from_mins(59));
        let third = rotate(folder.path(), delay, TOKEN_TTL).unwrap();
        assert!(third.removed.is_empty(), "{third:?}");
        set_age(&second.created, Duration::from_mins(61));
        set_age(&third.created, Duration::from_mins(1));
        let fourth = rotate(folder.path(), delay, TOKEN_TTL).unwrap();
        assert_eq!(fourth.removed, [first]);
        assert!(second.created.exists() && third.created.exists());
    }

    #[test]
    fn partial_key_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap();
        let before = signing_key_id(&keys);
        fs::write(folder.path().join("partial.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        assert!(keys.reload_if_changed().is_err());
        assert_eq!(signing_key_id(&keys), before);
    }

    #[test]
    fn key_id_does_not_depend_on_the_file_format() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let id = |der: &[u8]| {
            let file = folder.path().join("one.pem");
            fs::write(&file, to_pem(der)).unwrap();
            SigningKey::from_file(&file, SystemTime::now()).map(|key| key.id).unwrap()
        };
        let (short, long) = (pair.to_pkcs8v1().unwrap(), pair.to_pkcs8().unwrap());
        assert!(short.as_ref().len() < long.as_ref().len());
        assert_eq!(id(short.as_ref()), id(long.as_ref()));
    }

    #[test]
    fn jwks_has_no_private_part() {
        let folder = tempfile::tempdir().unwrap();
        let published = KeyStore::open(folder.path()).unwrap().current().jwks();
        let text = serde_json::to_value(published).unwrap();
        let key = &text["keys"][0];
        assert!(key["d"].is_null() && key["kid"].is_string() && key["use"] == "sig", "{key}");
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    }
}
