//! A cache of parsed documents, which also serves Apollo's automatic persisted queries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    Limits,
    document::ParsedDocument,
    error::{EndpointErrorCode, RequestError},
    params::RequestParams,
};

pub(crate) type Sha256Hash = [u8; 32];
type Entries = HashMap<Sha256Hash, Arc<ParsedDocument>>;

/// The most recently used documents, within a number of bytes.
pub(crate) struct DocumentCache {
    generations: Mutex<Generations>,
    max_bytes: usize,
    max_text_bytes: usize,
}

/// The document of a request.
pub(crate) struct FoundDocument {
    pub(crate) document: Arc<ParsedDocument>,
    /// The key to keep it by once it has passed validation; `None` if it is kept already, or too long.
    pub(crate) new_key: Option<Sha256Hash>,
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
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            generations: Mutex::default(),
            max_bytes: limits.max_cache_bytes,
            max_text_bytes: limits.max_cached_text_bytes,
        }
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
    ) -> Result<FoundDocument, RequestError> {
        let expected = params.persisted_query_hash()?;
        let Some(text) = &params.query else {
            // Apollo's clients compare the message with this text.
            let not_found = || {
                let code = EndpointErrorCode::PersistedQueryNotFound;
                RequestError::new(code, "PersistedQueryNotFound")
            };
            let document = expected.and_then(|hash| self.get(&hash)).ok_or_else(not_found)?;
            return Ok(FoundDocument { document, new_key: None });
        };
        let hash = Sha256::digest(text).into();
        if expected.is_some_and(|expected| expected != hash) {
            let message = "sha256Hash is not the hash of query.";
            return Err(RequestError::new(EndpointErrorCode::BadRequest, message));
        }
        if let Some(document) = self.get(&hash) {
            return Ok(FoundDocument { document, new_key: None });
        }
        let document = Arc::new(parse(text)?);
        Ok(FoundDocument { document, new_key: (text.len() <= self.max_text_bytes).then_some(hash) })
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

    /// Keeps a document that has passed validation.
    pub(crate) fn put(&self, hash: Sha256Hash, document: Arc<ParsedDocument>) {
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

    fn cache(max_cache_bytes: usize) -> DocumentCache {
        DocumentCache::new(&Limits { max_cache_bytes, ..Limits::default() })
    }

    /// Asks for a valid document; returns true if it was in the cache.
    fn is_cached(cache: &DocumentCache, query: &str) -> bool {
        let body = serde_json::json!({ "query": query }).to_string();
        let params = RequestParams::from_json(body.as_bytes(), 10).unwrap();
        let mut cached = true;
        let parse = |text: &str| {
            cached = false;
            ParsedDocument::from_text(text, &Limits::default(), &[])
        };
        let found = cache.get_or_parse(&params, parse).unwrap();
        if let Some(key) = found.new_key {
            cache.put(key, found.document);
        }
        cached
    }

    #[test]
    fn memory_is_bounded_and_used_documents_stay() {
        let size = ParsedDocument::from_text("{ a00 }", &Limits::default(), &[]).unwrap().bytes;
        let cache = cache(8 * size);
        assert!(!is_cached(&cache, "{ a00 }"));
        for round in 10..100 {
            assert!(!is_cached(&cache, &format!("{{ a{round} }}")));
            assert!(is_cached(&cache, "{ a00 }"), "{round}");
            let generations = cache.lock_generations();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
        assert!(!is_cached(&cache, "{ a10 }"));
    }

    #[test]
    fn document_larger_than_the_cache_is_not_kept() {
        let cache = cache(1);
        assert!(!is_cached(&cache, "{ a }"));
        assert!(!is_cached(&cache, "{ a }"));
        assert!(cache.lock_generations().young.is_empty());
    }

    /// A string is one token, whatever its length.
    #[test]
    fn long_strings_count_and_long_texts_are_not_kept() {
        let query = |len: usize| format!("{{ a(b: \"{}\") }}", "x".repeat(len));
        let parsed = ParsedDocument::from_text(&query(15_000), &Limits::default(), &[]).unwrap();
        assert!(parsed.bytes > 30_000, "{}", parsed.bytes);
        let cache = cache(1024 * 1024);
        assert!(!is_cached(&cache, &query(15_000)) && is_cached(&cache, &query(15_000)));
        assert!(!is_cached(&cache, &query(17_000)) && !is_cached(&cache, &query(17_000)));
    }

    #[test]
    fn document_is_not_kept_before_it_is_put() {
        let cache = cache(1024 * 1024);
        let params = RequestParams::from_json(br#"{"query":"{ a }"}"#, 10).unwrap();
        let parse = |text: &str| ParsedDocument::from_text(text, &Limits::default(), &[]);
        for _ in 0..2 {
            assert!(cache.get_or_parse(&params, parse).unwrap().new_key.is_some());
        }
    }
}
