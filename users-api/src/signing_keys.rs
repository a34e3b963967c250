//! The key pairs that tokens are signed with: PEM files in a folder that all instances share.
//!
//! The time of a file tells from when on its key signs. Of those whose time has come the newest
//! signs; all verify and are published, those to come too. So a new key is known to everybody who
//! verifies before the first token is signed with it, and an old one until its tokens are dead.
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

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// One key pair.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) private: EncodingKey,
    pub(crate) public: DecodingKey,
    published: Jwk,
    /// From when on it signs.
    from: SystemTime,
}

/// The key pairs in a folder, as they are at the moment.
pub(crate) struct Keys {
    folder: PathBuf,
    ring: RwLock<Arc<Ring>>,
}

/// The key pairs in a folder, as they were at one moment.
pub(crate) struct Ring {
    files: Vec<(SystemTime, PathBuf)>,
    /// The oldest first, and never none.
    keys: Vec<Key>,
}

impl Keys {
    /// Reads the private keys in a folder; makes one where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let _lock = lock(folder)?;
        if files(folder)?.is_empty() {
            make(folder, SystemTime::now())?;
        }
        let ring = RwLock::new(Arc::new(Ring::read(files(folder)?)?));
        Ok(Self { folder: folder.to_owned(), ring })
    }

    /// The keys of this moment.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up what changes in the folder, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.look() {
                Ok(false) => (),
                Ok(true) => tracing::info!("keys read again"),
                // Half written: the ones that are known serve on.
                Err(error) => tracing::warn!(%error, "keys not read again"),
            }
        }
    }

    fn look(&self) -> io::Result<bool> {
        let files = files(&self.folder)?;
        if files == self.ring().files {
            return Ok(false);
        }
        let ring = Arc::new(Ring::read(files)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(true)
    }
}

impl Ring {
    fn read(files: Vec<(SystemTime, PathBuf)>) -> io::Result<Self> {
        let read = |(from, file): &(SystemTime, PathBuf)| {
            Key::read(file, *from)
                .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
        };
        let keys: Vec<_> = files.iter().map(read).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(io::Error::other("there is no key"));
        }
        Ok(Self { files, keys })
    }

    /// The key of this name.
    pub(crate) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The key that signs: the newest whose time has come.
    pub(crate) fn newest(&self) -> Option<&Key> {
        let now = SystemTime::now();
        self.keys.iter().rfind(|key| key.from <= now).or(self.keys.first())
    }

    /// The public keys (RFC 7517, section 5).
    pub(crate) fn published(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.published.clone()).collect() }
    }
}

impl Key {
    fn read(file: &Path, from: SystemTime) -> Result<Self, Box<dyn std::error::Error>> {
        let pem = fs::read(file)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)?;
        // Whether it holds its public key too (RFC 5958) or not: jsonwebtoken reads those without.
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der())?;
        let private = EncodingKey::from_ed_der(pair.to_pkcs8v1()?.as_ref());
        let mut published = Jwk::from_encoding_key(&private, ALGORITHM)?;
        // RFC 7638: the same key has the same id wherever it is read.
        let id = published.thumbprint(ThumbprintHash::SHA256)?;
        published.common.key_id = Some(id.clone());
        published.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&published)?;
        Ok(Self { id, private, public, published, from })
    }
}

/// What a rotation came to.
#[derive(Debug)]
pub struct Rotated {
    /// The file of the new key.
    pub made: PathBuf,
    /// From when on it signs.
    pub from: DateTime<Utc>,
    /// The files of keys that are no longer needed, which are gone.
    pub removed: Vec<PathBuf>,
}

/// Makes a key that signs after `lead`, and removes those whose last token, good for `lifetime`,
/// has expired.
///
/// # Errors
/// Where a key is waiting already for its time, or the folder cannot be written.
pub(crate) fn rotate(folder: &Path, lead: Duration, lifetime: Duration) -> io::Result<Rotated> {
    let _lock = lock(folder)?;
    let now = SystemTime::now();
    let files = files(folder)?;
    if let Some((from, file)) = files.last().filter(|(from, _)| *from > now) {
        let from = DateTime::<Utc>::from(*from).format("%FT%TZ");
        return Err(io::Error::other(format!("{} will sign from {from} on", file.display())));
    }
    // An instance that has not looked yet still signs with the key before.
    let dead = |next: &SystemTime| *next + lifetime + 2 * LOOK < now;
    let mut removed = Vec::new();
    for ((_, file), (next, _)) in files.iter().zip(files.iter().skip(1)) {
        if dead(next) {
            fs::remove_file(file)?;
            removed.push(file.clone());
        }
    }
    let made = make(folder, now + lead)?;
    Ok(Rotated { made, from: (now + lead).into(), removed })
}

/// Two instances that start at once on an empty folder must agree on one key.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// The files of keys, the oldest first.
fn files(folder: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
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

/// Makes a key pair that only the owner of the process can read.
fn make(folder: &Path, from: SystemTime) -> io::Result<PathBuf> {
    let pair = Ed25519KeyPair::generate().map_err(io::Error::other)?;
    let der = pair.to_pkcs8v1().map_err(io::Error::other)?;
    let pem = pem(der.as_ref());
    let name = DateTime::<Utc>::from(from).format("%Y-%m-%dT%H-%M-%S%.6fZ.pem").to_string();
    let (file, half) = (folder.join(&name), folder.join(name + ".new"));
    let mut writer =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    writer.write_all(pem.as_bytes())?;
    writer.set_modified(from)?;
    writer.sync_all()?;
    // Whole or not at all.
    fs::rename(half, &file)?;
    Ok(file)
}

/// PKCS #8 as text (RFC 7468, section 10); the 48 bytes of a key of ours are one line.
fn pem(der: &[u8]) -> String {
    let line = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_hours(1);

    fn age(file: &Path, age: Duration) {
        let file = OpenOptions::new().append(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn newest(keys: &Keys) -> String {
        keys.ring().newest().unwrap().id.clone()
    }

    #[test]
    fn a_new_key_is_published_before_it_signs() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let old = newest(&keys);
        let rotated = rotate(folder.path(), Duration::from_mins(1), LIFETIME).unwrap();
        assert!(keys.look().unwrap());
        assert_eq!(keys.ring().published().keys.len(), 2);
        assert_eq!(newest(&keys), old);
        assert!(rotate(folder.path(), LIFETIME, LIFETIME).is_err(), "one is waiting");
        age(&rotated.made, Duration::ZERO);
        assert!(keys.look().unwrap());
        assert_ne!(newest(&keys), old);
        assert!(!keys.look().unwrap());
    }

    #[test]
    fn an_old_key_is_kept_until_its_tokens_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path()).unwrap();
        let first = files(folder.path()).unwrap().remove(0).1;
        age(&first, 3 * LIFETIME);
        let lead = Duration::from_secs(1);
        let second = rotate(folder.path(), lead, LIFETIME).unwrap();
        age(&second.made, Duration::from_mins(59));
        let third = rotate(folder.path(), lead, LIFETIME).unwrap();
        assert!(third.removed.is_empty(), "{third:?}");
        age(&second.made, Duration::from_mins(61));
        age(&third.made, Duration::from_mins(1));
        let fourth = rotate(folder.path(), lead, LIFETIME).unwrap();
        assert_eq!(fourth.removed, [first]);
        assert!(second.made.exists() && third.made.exists());
    }

    #[test]
    fn what_is_half_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let before = newest(&keys);
        fs::write(folder.path().join("half.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        assert!(keys.look().is_err());
        assert_eq!(newest(&keys), before);
    }

    #[test]
    fn a_key_is_the_same_with_its_public_key_and_without() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let id = |der: &[u8]| {
            let file = folder.path().join("one.pem");
            fs::write(&file, pem(der)).unwrap();
            Key::read(&file, SystemTime::now()).map(|key| key.id).unwrap()
        };
        let (short, long) = (pair.to_pkcs8v1().unwrap(), pair.to_pkcs8().unwrap());
        assert!(short.as_ref().len() < long.as_ref().len());
        assert_eq!(id(short.as_ref()), id(long.as_ref()));
    }

    #[test]
    fn no_private_part_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let published = Keys::open(folder.path()).unwrap().ring().published();
        let text = serde_json::to_value(published).unwrap();
        let key = &text["keys"][0];
        assert!(key["d"].is_null() && key["kid"].is_string() && key["use"] == "sig", "{key}");
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    }
}
