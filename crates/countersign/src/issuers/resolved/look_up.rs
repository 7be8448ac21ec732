//! One question to the resolver, and what its answer is taken for.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use countersign_core::policy::{ResolvedIssuer, TrustedIssuer};

use super::directory::Directory;
use crate::refresh::{Fetch, FetchFuture, Fresh};

/// What a resolver answers: the issuer's rules, that it knows no such issuer, or that it cannot tell.
pub(super) type Resolution = Result<Option<TrustedIssuer>, Box<dyn Error + Send + Sync>>;

/// The user's resolver.
pub(super) type Resolver = dyn Fn(String) -> Pin<Box<dyn Future<Output = Resolution> + Send>> + Send + Sync;

/// Why there is no issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotResolved {
    /// The resolver does not know it, or what it said of it cannot be trusted.
    Refused,
    /// The resolver failed, or did not answer in time.
    Failed,
}

/// Asks about one name, for whoever waits.
pub(super) struct LookUp {
    pub(super) directory: Weak<Directory>,
    pub(super) name: Box<str>,
}

impl Fetch<ResolvedIssuer> for LookUp {
    type Error = NotResolved;

    fn fetch(&self, held: Option<Arc<ResolvedIssuer>>, _: bool) -> FetchFuture<ResolvedIssuer, NotResolved> {
        let Some(directory) = self.directory.upgrade() else {
            return Box::pin(std::future::ready(Err(NotResolved::Failed)));
        };
        let mut question = Question { directory, name: self.name.clone(), is_answered: false };
        Box::pin(async move {
            let outcome = question.directory.ask(&question.name, held).await;
            question.is_answered = true;
            question.directory.conclude(&question.name, outcome.as_ref().err().copied());
            outcome.map(|value| Fresh { value, life: None })
        })
    }

    fn timed_out(&self) -> NotResolved {
        NotResolved::Failed
    }
}

/// A question under way. However it ends, also unasked or cut off, the directory hears of it.
struct Question {
    directory: Arc<Directory>,
    name: Box<str>,
    is_answered: bool,
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.is_answered {
            self.directory.tell(&self.name, "the resolver gave no answer in time");
            self.directory.conclude(&self.name, Some(NotResolved::Failed));
        }
    }
}
