//! The key pairs of this service, and the tokens signed with them.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{
    DecodingKey, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use schema::{Error, Result};
use service::token::{self, ALGORITHM, AUDIENCE, Claims, ISSUER, Kind};
use uuid::Uuid;

/// One key pair.
struct Key {
    id: String,
    private: EncodingKey,
    public: DecodingKey,
    published: Jwk,
}

/// The key pairs in a folder. The newest signs, all verify and are published.
pub(crate) struct Keys {
    newest: String,
    all: HashMap<String, Key>,
}

/// What a token says beside what it is for: the newest generation of a session.
pub(crate) struct Grant {
    pub(crate) session: Uuid,
    pub(crate) user: i64,
    pub(crate) generation: i64,
    pub(crate) key_id: String,
    pub(crate) issued_at: DateTime<Utc>,
}

impl Keys {
    /// Reads the private keys in a folder; makes one where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // Two instances that start at once on an empty folder must agree on one key.
        let lock = File::create(folder.join(".lock"))?;
        lock.lock()?;
        let mut files = files(folder)?;
        if files.is_empty() {
            files.push((SystemTime::now(), make(folder)?));
        }
        files.sort();
        let mut all = HashMap::new();
        let mut newest = String::new();
        for (_, file) in files {
            let key = Key::read(&file)
                .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
            newest.clone_from(&key.id);
            all.insert(key.id.clone(), key);
        }
        Ok(Self { newest, all })
    }

    /// The key that signs.
    pub(crate) fn newest(&self) -> &str {
        &self.newest
    }

    /// The public keys (RFC 7517, section 5).
    pub(crate) fn published(&self) -> JwkSet {
        let mut keys: Vec<_> = self.all.values().map(|key| key.published.clone()).collect();
        keys.sort_by(|a, b| a.common.key_id.cmp(&b.common.key_id));
        JwkSet { keys }
    }

    /// Signs a token. The same grant gives the same token.
    pub(crate) fn sign(&self, kind: Kind, grant: &Grant, lifetime: Duration) -> Result<String> {
        let Grant { session, user, generation, key_id, issued_at } = grant;
        // A key that was withdrawn signs no more, not even a token that it signed before.
        let key = self.all.get(key_id).or_else(|| self.all.get(&self.newest));
        let key = key.ok_or_else(|| Error::internal("there is no key"))?;
        let header = Header {
            typ: Some(kind.typ().to_owned()),
            kid: Some(key.id.clone()),
            ..Header::new(ALGORITHM)
        };
        let prefix = match kind {
            Kind::Access => "a",
            Kind::Refresh => "r",
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            sid: *session,
            generation: *generation,
            iat: issued_at.timestamp(),
            exp: (*issued_at + lifetime).timestamp(),
            jti: format!("{prefix}-{session}-{generation}"),
        };
        jsonwebtoken::encode(&header, &claims, &key.private).map_err(Error::internal)
    }

    /// Verifies a token of ours.
    pub(crate) fn verify(&self, token: &str, kind: Kind) -> Result<Claims> {
        let key = self.all.get(&token::key_id(token, kind)?).ok_or_else(token::invalid)?;
        token::verify(token, &key.public)
    }
}

impl Key {
    fn read(file: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let pem = fs::read_to_string(file)?;
        let private = EncodingKey::from_ed_pem(pem.as_bytes())?;
        let mut published = Jwk::from_encoding_key(&private, ALGORITHM)?;
        // RFC 7638: the same key has the same id wherever it is read.
        let id = published.thumbprint(ThumbprintHash::SHA256)?;
        published.common.key_id = Some(id.clone());
        published.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&published)?;
        Ok(Self { id, private, public, published })
    }
}

fn files(folder: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "pem") {
            files.push((fs::metadata(&file)?.modified()?, file));
        }
    }
    Ok(files)
}

/// Makes a key pair that only the owner of the process can read.
fn make(folder: &Path) -> io::Result<PathBuf> {
    let pair = Ed25519KeyPair::generate().map_err(io::Error::other)?;
    let der = pair.to_pkcs8v1().map_err(io::Error::other)?;
    // 48 bytes of PKCS #8 are one line of PEM (RFC 7468, section 10).
    let line = BASE64_STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n");
    let name = Utc::now().format("%Y-%m-%dT%H-%M-%SZ.pem").to_string();
    let (file, half) = (folder.join(&name), folder.join(name + ".new"));
    let mut writer =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    writer.write_all(pem.as_bytes())?;
    writer.sync_all()?;
    // Whole or not at all.
    fs::rename(half, &file)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(keys: &Keys) -> Grant {
        let key_id = keys.newest().to_owned();
        Grant { session: Uuid::new_v4(), user: 7, generation: 3, key_id, issued_at: Utc::now() }
    }

    #[test]
    fn the_same_grant_gives_the_same_token_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let grant = grant(&keys);
        let token = keys.sign(Kind::Refresh, &grant, Duration::minutes(1)).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!(again.sign(Kind::Refresh, &grant, Duration::minutes(1)).unwrap(), token);
        let claims = again.verify(&token, Kind::Refresh).unwrap();
        assert_eq!((claims.sub.as_str(), claims.generation, claims.sid), ("7", 3, grant.session));
    }

    #[test]
    fn neither_kind_passes_for_the_other_and_nothing_outlives_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let grant = grant(&keys);
        let access = keys.sign(Kind::Access, &grant, Duration::minutes(1)).unwrap();
        assert!(keys.verify(&access, Kind::Access).is_ok());
        assert!(keys.verify(&access, Kind::Refresh).is_err());
        let late = Grant { issued_at: Utc::now() - Duration::minutes(2), ..grant };
        let expired = keys.sign(Kind::Access, &late, Duration::minutes(1)).unwrap();
        assert!(keys.verify(&expired, Kind::Access).is_err());
    }

    #[test]
    fn no_private_part_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let text = serde_json::to_value(Keys::open(folder.path()).unwrap().published()).unwrap();
        let key = &text["keys"][0];
        assert!(key["d"].is_null() && key["kid"].is_string() && key["use"] == "sig", "{key}");
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
    }
}
