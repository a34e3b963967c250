//! Tokens: claims, verification and lifetime.

mod attacks;
mod claims;
mod keys;
mod rotation;
mod sessions;
