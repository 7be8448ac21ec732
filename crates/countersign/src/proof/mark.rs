//! The mark on a request whose proof was recorded.

use std::sync::Arc;

use countersign_core::key::Thumbprint;
use countersign_core::proof::DpopProof;

use super::check::ProofChecker;
use super::replay::ReplayStore;

/// The proof of a request as this service recorded it: a request that passes a layer twice has used its proof once.
#[derive(Clone)]
pub(crate) struct CheckedProof {
    store: Arc<dyn ReplayStore>,
    /// Of the layers before. Hardly a request has any, so they cost no allocation.
    stores_before: Vec<Arc<dyn ReplayStore>>,
    name: (Thumbprint, Box<str>),
}

impl CheckedProof {
    /// The mark of a request whose proof was recorded here, and before by the layers of the mark `before`.
    pub(crate) fn new(before: Option<CheckedProof>, checker: &ProofChecker, proof: &DpopProof) -> Self {
        let store = Arc::clone(checker.replays());
        match before.filter(|before| before.has_name(proof)) {
            None => CheckedProof { store, stores_before: Vec::new(), name: (proof.thumbprint(), proof.id().into()) },
            Some(CheckedProof { store: last, mut stores_before, name }) => {
                stores_before.push(last);
                CheckedProof { store, stores_before, name }
            }
        }
    }

    /// Returns whether this proof was recorded in this store for this request.
    pub(crate) fn is_of(&self, checker: &ProofChecker, proof: &DpopProof) -> bool {
        let mut stores = self.stores_before.iter().chain([&self.store]);
        self.has_name(proof) && stores.any(|store| Arc::ptr_eq(store, checker.replays()))
    }

    fn has_name(&self, proof: &DpopProof) -> bool {
        self.name.0 == proof.thumbprint() && *self.name.1 == *proof.id()
    }
}
