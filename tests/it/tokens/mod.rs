//! Tokens: what they say, who takes them, and how long.

mod attacks;
mod claims;
mod keys;
mod rotation;
mod sessions;
