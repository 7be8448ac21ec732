//! Small tools that commands and the inspector page share.

pub(crate) mod hash;
pub(crate) mod jwk;
pub(crate) mod keyring;
pub(crate) mod layout;
pub(crate) mod secret;
pub(crate) mod shell;
pub(crate) mod uuids;
