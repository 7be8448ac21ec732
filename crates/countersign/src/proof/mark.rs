//! The mark on a request whose proof was recorded.

use std::sync::Arc;

use countersign_core::proof::DpopProof;

use super::check::ProofChecker;
use super::replay::ReplayStore;

/// The proof of a request as this service recorded it: a request that passes a layer twice has used its proof once.
#[derive(Clone)]
pub(crate) struct CheckedProof {
    stores: Vec<Arc<dyn ReplayStore>>,
    name: (countersign_core::key::Thumbprint, Box<str>),
}

impl CheckedProof {
    /// The mark of a request whose proof was recorded here, and before by the layers of the mark `before`.
    pub(crate) fn new(before: Option<CheckedProof>, checker: &ProofChecker, proof: &DpopProof) -> Self {
        let mut mark = before
            .filter(|before| before.has_name(proof))
            .unwrap_or_else(|| CheckedProof { stores: Vec::new(), name: (proof.thumbprint(), proof.id().into()) });
        mark.stores.push(Arc::clone(checker.replays()));
        mark
    }

    /// Returns whether this proof was recorded in this store for this request.
    pub(crate) fn is_of(&self, checker: &ProofChecker, proof: &DpopProof) -> bool {
        self.has_name(proof) && self.stores.iter().any(|store| Arc::ptr_eq(store, checker.replays()))
    }

    fn has_name(&self, proof: &DpopProof) -> bool {
        self.name.0 == proof.thumbprint() && *self.name.1 == *proof.id()
    }
}
