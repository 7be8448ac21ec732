//! Servers of providers that nobody here wrote, set up by the words of their guides.

mod guide;
mod keycloak;
mod load;
mod script;
mod service;
