//! Every attack of the test kit, against the verifier and over HTTP, for every kind of key.

mod http;
mod library;
