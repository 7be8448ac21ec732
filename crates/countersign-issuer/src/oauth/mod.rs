//! The wire forms of OAuth 2.0: form bodies, the credentials of a client, and error responses.

mod client_authentication;
mod error;
mod form;
mod jwt_type;
mod token_type;

pub(crate) use client_authentication::{
    ClientCredential, ClientIdentification, PresentedCertificate, refuse_credential,
};
pub(crate) use error::{OAuthError, json_response};
pub(crate) use form::Form;
pub(crate) use jwt_type::jwt_type;
pub(crate) use token_type::{NOT_APPLICABLE, token_type};
