//! A cache of parsed documents, which also serves Apollo's automatic persisted queries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    document::ParsedDocument,
    error::{EndpointErrorCode, RequestError},
    params::RequestParams,
};

type Sha256Hash = [u8; 32];
type Entries = HashMap<Sha256Hash, Arc<ParsedDocument>>;

/// The most recently used documents, within a number of bytes.
pub(crate) struct DocumentCache {
    generations: Mutex<Generations>,
    max_bytes: usize,
}

/// The documents used since the last rotation, and those used in the interval before. A rotation
/// drops the documents that were not used for a whole interval.
#[derive(Default)]
struct Generations {
    young: Entries,
    old: Entries,
    young_bytes: usize,
}

impl DocumentCache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { generations: Mutex::default(), max_bytes }
    }

    /// Returns the document that a request identifies by text, by hash or by both; `parse` reads a
    /// text that is not in the cache.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND` for an unknown hash, `BAD_REQUEST` for the hash of another text,
    /// and those of `parse`.
    pub(crate) fn get_or_parse(
        &self,
        params: &RequestParams,
        parse: impl FnOnce(&str) -> Result<ParsedDocument, RequestError>,
    ) -> Result<Arc<ParsedDocument>, RequestError> {
        let expected = params.persisted_query_hash()?;
        let Some(text) = &params.query else {
            // Apollo's clients compare the message with this text.
            let not_found = || {
                let code = EndpointErrorCode::PersistedQueryNotFound;
                RequestError::new(code, "PersistedQueryNotFound")
            };
            return expected.and_then(|hash| self.get(&hash)).ok_or_else(not_found);
        };
        let hash = Sha256::digest(text).into();
        if expected.is_some_and(|expected| expected != hash) {
            let message = "sha256Hash is not the hash of query.";
            return Err(RequestError::new(EndpointErrorCode::BadRequest, message));
        }
        if let Some(document) = self.get(&hash) {
            return Ok(document);
        }
        let document = Arc::new(parse(text)?);
        self.put(hash, Arc::clone(&document));
        Ok(document)
    }

    fn get(&self, hash: &Sha256Hash) -> Option<Arc<ParsedDocument>> {
        let mut generations = self.lock_generations();
        if let Some(document) = generations.young.get(hash) {
            return Some(Arc::clone(document));
        }
        let document = generations.old.remove(hash)?;
        self.insert(&mut generations, *hash, Arc::clone(&document));
        Some(document)
    }

    fn put(&self, hash: Sha256Hash, document: Arc<ParsedDocument>) {
        self.insert(&mut self.lock_generations(), hash, document);
    }

    fn insert(
        &self,
        generations: &mut Generations,
        hash: Sha256Hash,
        document: Arc<ParsedDocument>,
    ) {
        if generations.young_bytes + document.bytes > self.max_bytes / 2 {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        let bytes = document.bytes;
        if bytes <= self.max_bytes / 2 && generations.young.insert(hash, document).is_none() {
            generations.young_bytes += bytes;
        }
    }

    fn lock_generations(&self) -> MutexGuard<'_, Generations> {
        // Every intermediate state is valid: at worst a document is parsed again.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn is_cached(cache: &DocumentCache, query: &str) -> bool {
        let params =
            RequestParams::from_json(format!(r#"{{"query":"{query}"}}"#).as_bytes()).unwrap();
        let mut cached = true;
        let parse = |text: &str| {
            cached = false;
            ParsedDocument::from_text(text, &Limits::default(), &[])
        };
        cache.get_or_parse(&params, parse).unwrap();
        cached
    }

    #[test]
    fn memory_is_bounded_and_used_documents_stay() {
        let size = ParsedDocument::from_text("{ a0 }", &Limits::default(), &[]).unwrap().bytes;
        let cache = DocumentCache::new(8 * size);
        assert!(!is_cached(&cache, "{ a0 }"));
        for round in 1..100 {
            assert!(!is_cached(&cache, &format!("{{ a{round} }}")));
            assert!(is_cached(&cache, "{ a0 }"), "{round}");
            let generations = cache.lock_generations();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
        assert!(!is_cached(&cache, "{ a1 }"));
    }

    #[test]
    fn document_larger_than_the_cache_is_not_kept() {
        let cache = DocumentCache::new(1);
        assert!(!is_cached(&cache, "{ a }"));
        assert!(!is_cached(&cache, "{ a }"));
        assert!(cache.lock_generations().young.is_empty());
    }
}
