//! The HTTP endpoints of an issuer.

mod about_token;
mod discovery;
mod introspection;
mod jwks;
mod peer;
mod refusal;
mod revocation;
mod router;
mod status_list;
mod token;
