//! Building an issuer from its settings.

mod build;
mod issuer_builder;
mod name;

pub use issuer_builder::IssuerBuilder;
