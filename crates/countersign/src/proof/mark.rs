//! The mark on a request whose proof was recorded.

use std::sync::Arc;

use countersign_core::proof::DpopProof;

use super::check::ProofChecker;
use super::replay::ReplayStore;

/// The proof of a request as this service recorded it: a request that passes a layer twice has used its proof once.
#[derive(Clone)]
pub(crate) struct CheckedProof {
    store: Arc<dyn ReplayStore>,
    name: (countersign_core::key::Thumbprint, Box<str>),
}

impl CheckedProof {
    pub(crate) fn new(checker: &ProofChecker, proof: &DpopProof) -> Self {
        CheckedProof { store: Arc::clone(checker.replays()), name: (proof.thumbprint(), proof.id().into()) }
    }

    /// Returns whether it is the mark of this proof in this store.
    pub(crate) fn is_of(&self, checker: &ProofChecker, proof: &DpopProof) -> bool {
        Arc::ptr_eq(&self.store, checker.replays()) && self.name.0 == proof.thumbprint() && *self.name.1 == *proof.id()
    }
}
