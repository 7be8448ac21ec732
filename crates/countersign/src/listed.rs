//! The check of the status lists that a policy names.

use std::sync::Arc;

use countersign_core::integration::may_have_status_lists;
use countersign_core::verify::Verifier;

use crate::revocation::{Revocation, RevocationCheck};
#[cfg(feature = "status-list")]
use crate::status::{ListsOfPolicy, StatusLists};

/// The status lists of a layer that added the check by itself.
#[cfg(feature = "status-list")]
pub(crate) type AddedLists = Option<Arc<StatusLists>>;
/// Without the feature there are none.
#[cfg(not(feature = "status-list"))]
pub(crate) type AddedLists = ();

/// Adds the check of status lists, if the policy of the verifier may name some and `revocation` is not about them.
pub(crate) fn with_lists_of_policy(
    revocation: Option<Revocation>,
    verifier: &Verifier,
) -> (Option<Revocation>, AddedLists) {
    let is_checked = revocation.as_ref().is_some_and(Revocation::checks_status_lists);
    if is_checked || !may_have_status_lists(verifier) {
        return (revocation, AddedLists::default());
    }
    let (check, added) = check_of_policy(verifier);
    (Some(Revocation::with_first(check, revocation)), added)
}

#[cfg(feature = "status-list")]
fn check_of_policy(verifier: &Verifier) -> (Arc<impl RevocationCheck>, AddedLists) {
    let lists = Arc::new(StatusLists::new(verifier));
    (Arc::new(ListsOfPolicy(Arc::clone(&lists))), Some(lists))
}

/// Tokens of issuers with status lists have an unknown status, because nothing here can check it.
#[cfg(not(feature = "status-list"))]
fn check_of_policy(_: &Verifier) -> (Arc<impl RevocationCheck>, AddedLists) {
    (Arc::new(unchecked::Unchecked), ())
}

#[cfg(not(feature = "status-list"))]
mod unchecked {
    use std::sync::Arc;

    use countersign_core::verify::Verified;

    use crate::revocation::{RevocationCheck, RevocationQuery, RevocationStatus};

    /// The check of a build without the feature `status-list`.
    #[derive(Debug)]
    pub(super) struct Unchecked;

    impl RevocationCheck for Unchecked {
        fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
            RevocationQuery::Known(match token.status_list_rules() {
                None => RevocationStatus::Valid,
                Some(_) => RevocationStatus::Unknown,
            })
        }

        fn checks_status_lists(&self) -> bool {
            true
        }
    }
}
