//! Hashes and verifies one password at a time, in a buffer that the caller lends.
//!
//! Source: OWASP password storage cheat sheet (argon2id, m = 19 MiB, t = 2, p = 1).

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        phc::{self, Output, ParamsString, Salt},
        try_generate_salt,
    },
};
use entity::PasswordHash;
use schema::{Error, Result};

/// Largest parameters of a stored hash (KiB of memory, passes, lanes); with larger ones it is
/// rejected, not computed.
const MAX_PARAMS: (u32, u32, u32) = (64 * 1024, 8, 4);

/// The result of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    Mismatch,
    Match,
    /// The password matches, and the stored hash is weaker than a new one would be.
    MatchNeedsRehash,
}

/// The 19 MiB that a hash fills, reused: freed memory would stay with the allocator, once for each
/// thread that ever hashed, and zeroing it again is a part of the time of a hash.
#[derive(Default)]
pub(super) struct HashBuffer(Vec<Block>);

impl HashBuffer {
    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &Salt,
        size: usize,
    ) -> Result<Output> {
        let blocks = argon2.params().block_count();
        if self.0.len() < blocks {
            self.0 = vec![Block::default(); blocks];
        }
        let mut buffer = [0; Output::MAX_LENGTH];
        let size = size.min(Output::MAX_LENGTH);
        let out = &mut buffer[..size];
        argon2
            .hash_password_into_with_memory(password, salt, out, &mut self.0[..blocks])
            .map_err(Error::internal)?;
        Output::new(out).map_err(Error::internal)
    }

    /// Frees a buffer that is larger than a new hash needs.
    pub(super) fn shrink(&mut self) {
        if self.0.len() > Params::DEFAULT.block_count() {
            self.0 = Vec::new();
        }
    }
}

/// Hashes a new password.
pub(super) fn hash_password(password: &str, buffer: &mut HashBuffer) -> Result<PasswordHash> {
    let salt = Salt::new(&random()?).map_err(Error::internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let output = buffer.compute(&argon2, password.as_bytes(), &salt, Params::DEFAULT_OUTPUT_LEN)?;
    to_phc(salt, output)
}

/// Returns a hash that no known password matches, for users that do not exist. Its bytes are random
/// and not computed, so that start-up does not allocate 19 MiB.
pub(super) fn dummy_hash() -> Result<PasswordHash> {
    let salt = Salt::new(&random()?).map_err(Error::internal)?;
    let output = [random()?, random()?].concat();
    to_phc(salt, Output::new(&output).map_err(Error::internal)?)
}

fn random() -> Result<[u8; 16]> {
    try_generate_salt().map_err(Error::internal)
}

fn to_phc(salt: Salt, output: Output) -> Result<PasswordHash> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::DEFAULT).map_err(Error::internal)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(PasswordHash(hash.to_string()))
}

/// Verifies a password against a stored hash.
pub(super) fn verify_password(
    password: &str,
    stored: &PasswordHash,
    buffer: &mut HashBuffer,
) -> Verification {
    let Ok(parsed) = phc::PasswordHash::new(&stored.0) else {
        tracing::error!("a stored hash is not a PHC string");
        return Verification::Mismatch;
    };
    let Some((argon2, strength)) = parameters(&parsed) else {
        tracing::error!("the parameters of a stored hash are too large");
        return Verification::Mismatch;
    };
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Verification::Mismatch;
    };
    // Outputs are compared in constant time.
    let equal = buffer
        .compute(&argon2, password.as_bytes(), salt, expected.len())
        .is_ok_and(|it| it == *expected);
    match strength {
        _ if !equal => Verification::Mismatch,
        Strength::Weak => Verification::MatchNeedsRehash,
        Strength::Good => Verification::Match,
    }
}

enum Strength {
    Weak,
    Good,
}

/// Returns the algorithm and the strength of a stored hash, `None` if its parameters are invalid or
/// larger than [`MAX_PARAMS`].
fn parameters(hash: &phc::PasswordHash) -> Option<(Argon2<'static>, Strength)> {
    let params = Params::try_from(hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    if m > MAX_PARAMS.0 || t > MAX_PARAMS.1 || p > MAX_PARAMS.2 {
        return None;
    }
    let current = algorithm == Algorithm::Argon2id
        && m >= Params::DEFAULT_M_COST
        && t >= Params::DEFAULT_T_COST;
    let strength = if current { Strength::Good } else { Strength::Weak };
    Some((Argon2::new(algorithm, version, params), strength))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    use super::*;

    fn argon2(m: u32, t: u32) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(m, t, 1, None).unwrap())
    }

    fn stored(m: u32, t: u32) -> PasswordHash {
        PasswordHash(argon2(m, t).hash_password(b"secret").unwrap().to_string())
    }

    #[test]
    fn new_hash_has_owasp_parameters_and_its_own_salt() {
        let buffer = &mut HashBuffer::default();
        let (one, other) =
            (hash_password("secret", buffer).unwrap(), hash_password("secret", buffer).unwrap());
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, other);
        assert_eq!(verify_password("secret", &one, buffer), Verification::Match);
        assert_eq!(verify_password("Secret", &one, buffer), Verification::Mismatch);
        assert_eq!(verify_password("", &one, buffer), Verification::Mismatch);
    }

    #[test]
    fn reused_buffer_does_not_change_hashes() {
        let buffer = &mut HashBuffer::default();
        assert_eq!(verify_password("secret", &stored(32 * 1024, 2), buffer), Verification::Match);
        let made = hash_password("secret", buffer).unwrap();
        let parsed = phc::PasswordHash::new(&made.0).unwrap();
        assert!(argon2(19 * 1024, 2).verify_password(b"secret", &parsed).is_ok());
        assert_eq!(verify_password("secret", &stored(19 * 1024, 2), buffer), Verification::Match);
        buffer.shrink();
        assert!(buffer.0.is_empty(), "larger than a new hash needs");
        hash_password("secret", buffer).unwrap();
        buffer.shrink();
        assert_eq!(buffer.0.len(), 19 * 1024);
    }

    #[test]
    fn weak_hashes_need_a_rehash_and_oversized_ones_are_rejected() {
        let mut buffer = HashBuffer::default();
        let mut verify = |stored: &PasswordHash| verify_password("secret", stored, &mut buffer);
        assert_eq!(verify(&stored(8 * 1024, 1)), Verification::MatchNeedsRehash);
        assert_eq!(verify(&stored(65 * 1024, 1)), Verification::Mismatch);
        assert_eq!(verify(&PasswordHash("plain".into())), Verification::Mismatch);
        assert_eq!(verify(&PasswordHash("$argon2id$v=19".into())), Verification::Mismatch);
    }
}
