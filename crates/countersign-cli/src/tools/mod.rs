//! Small tools shared by the commands and the inspector page.

pub(crate) mod attacks;
pub(crate) mod hash;
pub(crate) mod json_layout;
pub(crate) mod jwk;
pub(crate) mod keyring;
pub(crate) mod proof_attacks;
pub(crate) mod secret;
pub(crate) mod shell;
pub(crate) mod unique_names;
pub(crate) mod uuids;
