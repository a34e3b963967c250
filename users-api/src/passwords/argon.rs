//! One password hashed or verified, in memory that is given.
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

use super::BYTES;

/// The most that stored parameters may ask for: past that a hash is refused, not computed.
const CLAMP: (u32, u32, u32) = (64 * 1024, 8, 4);

/// What verifying a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and the stored hash is weaker than a new one would be.
    Outdated,
}

/// The 19 MiB that a hash fills, to be used again: what is freed stays with the allocator, once
/// for each thread that ever hashed, and clearing it anew is a part of the time of a hash.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    fn fill(
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

    /// Forgets what only a hash of other parameters has needed.
    pub(super) fn settle(&mut self) {
        if self.0.len() > Params::DEFAULT.block_count() {
            self.0 = Vec::new();
        }
    }
}

/// Hashes a new password.
pub(super) fn hash(password: &str, memory: &mut Memory) -> Result<PasswordHash> {
    let salt = Salt::new(&random()?).map_err(Error::internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let output = memory.fill(&argon2, password.as_bytes(), &salt, Params::DEFAULT_OUTPUT_LEN)?;
    written(salt, output)
}

/// The hash of no password that anyone knows: made up, since computing one would leave a service
/// that rests with memory that it has no use for.
pub(super) fn nobody() -> Result<PasswordHash> {
    let salt = Salt::new(&random()?).map_err(Error::internal)?;
    let output = [random()?, random()?].concat();
    written(salt, Output::new(&output).map_err(Error::internal)?)
}

fn random() -> Result<[u8; 16]> {
    try_generate_salt().map_err(Error::internal)
}

fn written(salt: Salt, output: Output) -> Result<PasswordHash> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::DEFAULT).map_err(Error::internal)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(PasswordHash(hash.to_string()))
}

/// Verifies a password.
pub(super) fn verify(password: &str, stored: &PasswordHash, memory: &mut Memory) -> Verdict {
    let Ok(parsed) = phc::PasswordHash::new(&stored.0) else {
        tracing::error!("a stored hash is no PHC string");
        return Verdict::Wrong;
    };
    let Some((argon2, strength)) = parameters(&parsed) else {
        tracing::error!("a stored hash has parameters that are refused");
        return Verdict::Wrong;
    };
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else { return Verdict::Wrong };
    // No stored password is longer, and the work must not grow with what a client sends.
    let (bytes, fits) = match password.as_bytes().get(..BYTES) {
        Some(start) => (start, password.len() == BYTES),
        None => (password.as_bytes(), true),
    };
    // Outputs are compared in a time that does not tell where they differ.
    let right = memory.fill(&argon2, bytes, salt, expected.len()).is_ok_and(|it| it == *expected);
    match strength {
        _ if !right || !fits => Verdict::Wrong,
        Strength::Weak => Verdict::Outdated,
        Strength::Good => Verdict::Right,
    }
}

enum Strength {
    Weak,
    Good,
}

/// What a hash was made with; nothing where that is absurd.
fn parameters(hash: &phc::PasswordHash) -> Option<(Argon2<'static>, Strength)> {
    let params = Params::try_from(hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    if m > CLAMP.0 || t > CLAMP.1 || p > CLAMP.2 {
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
    fn a_new_hash_has_the_parameters_promised_and_its_own_salt() {
        let memory = &mut Memory::default();
        let (one, other) = (hash("secret", memory).unwrap(), hash("secret", memory).unwrap());
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, other);
        assert_eq!(verify("secret", &one, memory), Verdict::Right);
        assert_eq!(verify("Secret", &one, memory), Verdict::Wrong);
        assert_eq!(verify("", &one, memory), Verdict::Wrong);
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let memory = &mut Memory::default();
        assert_eq!(verify("secret", &stored(32 * 1024, 2), memory), Verdict::Right);
        let made = hash("secret", memory).unwrap();
        let parsed = phc::PasswordHash::new(&made.0).unwrap();
        assert!(argon2(19 * 1024, 2).verify_password(b"secret", &parsed).is_ok());
        assert_eq!(verify("secret", &stored(19 * 1024, 2), memory), Verdict::Right);
        memory.settle();
        assert!(memory.0.is_empty(), "larger than a hash of ours");
        hash("secret", memory).unwrap();
        memory.settle();
        assert_eq!(memory.0.len(), 19 * 1024);
    }

    #[test]
    fn weak_hashes_are_outdated_and_absurd_ones_refused() {
        let memory = &mut Memory::default();
        assert_eq!(verify("secret", &stored(8 * 1024, 1), memory), Verdict::Outdated);
        assert_eq!(verify("secret", &stored(65 * 1024, 1), memory), Verdict::Wrong);
        assert_eq!(verify("secret", &PasswordHash("plain".into()), memory), Verdict::Wrong);
        assert_eq!(
            verify("secret", &PasswordHash("$argon2id$v=19".into()), memory),
            Verdict::Wrong
        );
    }

    #[test]
    fn a_password_that_is_too_long_is_wrong_though_its_start_is_right() {
        let memory = &mut Memory::default();
        let long = "a".repeat(BYTES);
        let stored = hash(&long, memory).unwrap();
        assert_eq!(verify(&long, &stored, memory), Verdict::Right);
        assert_eq!(verify(&(long + "a"), &stored, memory), Verdict::Wrong);
    }
}
