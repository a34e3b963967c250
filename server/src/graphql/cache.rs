//! Documents that were seen before, so that they are not parsed again and can be named by their
//! hash (Apollo's automatic persisted queries).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use schema::{Error, ErrorCode};
use sha2::{Digest, Sha256};

use super::{answer::Refusal, document::Document, params::Params};

type Hash = [u8; 32];
type Entries = HashMap<Hash, Arc<Document>>;

/// Keeps what was used last, within a number of bytes.
pub(super) struct Cache {
    halves: Mutex<Halves>,
    most: usize,
}

/// What was used since the last turn, and what was used in the turn before. What nobody asks for
/// during a whole turn is forgotten.
#[derive(Default)]
struct Halves {
    new: Entries,
    old: Entries,
    /// Of the new half.
    bytes: usize,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { halves: Mutex::default(), most }
    }

    /// The document that a request names by text, by hash or by both.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND` for an unknown hash, `BAD_REQUEST` for one of another text, and
    /// why a text cannot be read.
    pub(super) fn find(
        &self,
        params: &Params,
        read: impl FnOnce(&str) -> Result<Document, Refusal>,
    ) -> Result<Arc<Document>, Refusal> {
        let asked = params.hash()?;
        let Some(text) = &params.query else {
            // Clients look for this very text.
            let unknown =
                || Error::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound");
            return Ok(asked.and_then(|hash| self.get(&hash)).ok_or_else(unknown)?);
        };
        let hash = Sha256::digest(text).into();
        if asked.is_some_and(|asked| asked != hash) {
            return Err(
                Error::new(ErrorCode::BadRequest, "sha256Hash is not the hash of query.").into()
            );
        }
        if let Some(document) = self.get(&hash) {
            return Ok(document);
        }
        let document = Arc::new(read(text)?);
        self.put(hash, Arc::clone(&document));
        Ok(document)
    }

    fn get(&self, hash: &Hash) -> Option<Arc<Document>> {
        let mut halves = self.lock();
        if let Some(document) = halves.new.get(hash) {
            return Some(Arc::clone(document));
        }
        let document = halves.old.remove(hash)?;
        self.insert(&mut halves, *hash, Arc::clone(&document));
        Some(document)
    }

    fn put(&self, hash: Hash, document: Arc<Document>) {
        self.insert(&mut self.lock(), hash, document);
    }

    fn insert(&self, halves: &mut Halves, hash: Hash, document: Arc<Document>) {
        if halves.bytes + document.bytes > self.most / 2 {
            halves.old = std::mem::take(&mut halves.new);
            halves.bytes = 0;
        }
        let bytes = document.bytes;
        if bytes <= self.most / 2 && halves.new.insert(hash, document).is_none() {
            halves.bytes += bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        // Every state in between is a good one: at worst a document is parsed again.
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::Limits;

    fn find(cache: &Cache, query: &str) -> bool {
        let params = Params::from_json(format!(r#"{{"query":"{query}"}}"#).as_bytes()).unwrap();
        let mut known = true;
        let read = |text: &str| {
            known = false;
            Document::read(text, &Limits::default(), &[])
        };
        cache.find(&params, read).unwrap();
        known
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let size = Document::read("{ a0 }", &Limits::default(), &[]).unwrap().bytes;
        let cache = Cache::new(8 * size);
        assert!(!find(&cache, "{ a0 }"));
        for round in 1..100 {
            assert!(!find(&cache, &format!("{{ a{round} }}")));
            assert!(find(&cache, "{ a0 }"), "{round}");
            let halves = cache.lock();
            assert!(halves.new.len() + halves.old.len() <= 8);
        }
        assert!(!find(&cache, "{ a1 }"));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Cache::new(1);
        assert!(!find(&cache, "{ a }"));
        assert!(!find(&cache, "{ a }"));
        assert!(cache.lock().new.is_empty());
    }
}
