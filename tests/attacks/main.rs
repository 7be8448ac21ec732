//! Every attack of the test kit, against the verifier and over HTTP, for every kind of key; those on bound and opaque tokens.

mod http;
mod library;
mod opaque;
mod proofs;
