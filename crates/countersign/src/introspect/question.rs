//! One question about a token, for all requests that wait for its answer, and the order of the questions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign_core::error::VerifyError;
use countersign_core::integration::{KeyedDigest, OccupancyBudget, Permit, RankedQueue, Standing};
use countersign_core::secret::Secret;
use countersign_core::verify::Verified;
use tokio::sync::watch;

/// The most tokens that wait to be asked about.
const MAX_WAITING: usize = 1_024;

/// The longest pause after failures for tokens that were good before: the endpoint may be well, and only slow for invented tokens.
const KNOWN_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after failures for all others.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The caller of an opaque token, or why it is refused or cannot be checked.
pub(crate) type Answered = Result<Arc<Verified>, VerifyError>;

/// A question. Dropping it without an answer lets its waiters go.
pub(super) struct Question {
    pub(super) digest: KeyedDigest,
    pub(super) token: Secret<String>,
    answer: watch::Sender<Option<Answered>>,
    is_running: AtomicBool,
}

/// Waits for the answer.
pub(super) struct Waiter(watch::Receiver<Option<Answered>>);

/// A question that may be asked now.
pub(super) struct Granted {
    pub(super) question: Arc<Question>,
    pub(super) permit: Permit,
}

/// The questions of one endpoint that are running or waiting.
pub(super) struct Questions {
    /// Held by the queue or by the task that runs them.
    known: HashMap<KeyedDigest, Weak<Question>>,
    queue: RankedQueue<Arc<Question>>,
    budget: OccupancyBudget,
    /// The ends of the pauses, for tokens never good before and for those that were.
    paused_until: (Duration, Duration),
}

/// The party on whose account a token is asked about.
pub(super) struct Account {
    pub(super) group: Arc<str>,
    pub(super) standing: Standing,
}

impl Question {
    pub(super) fn publish(&self, outcome: Answered) {
        self.answer.send_replace(Some(outcome));
    }
}

impl Waiter {
    /// The answer; `None` if nobody asks any more.
    pub(super) async fn answer(mut self) -> Option<Answered> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl Questions {
    pub(super) fn new(max_concurrent: u32, remember_for: Duration) -> Self {
        Questions {
            known: HashMap::new(),
            queue: RankedQueue::new(MAX_WAITING, remember_for),
            budget: OccupancyBudget::new(max_concurrent),
            paused_until: (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Joins the question about this token, or puts one into the queue.
    ///
    /// # Errors
    /// The rest of a pause.
    pub(super) fn join(
        &mut self,
        digest: KeyedDigest,
        token: &Secret<String>,
        account: &Account,
        elapsed: Duration,
    ) -> Result<Waiter, Duration> {
        let running = self.known.get(&digest).and_then(Weak::upgrade);
        let question = match running {
            Some(question) => question,
            None => {
                let until = match account.standing {
                    Standing::New => self.paused_until.0,
                    Standing::Known => self.paused_until.1,
                };
                if elapsed < until {
                    return Err(until - elapsed);
                }
                self.insert(digest, token.clone())
            }
        };
        if !question.is_running.load(Ordering::Relaxed) {
            // Each request raises its rank.
            self.queue.request(&account.group, &digest.to_name(), account.standing, elapsed, Arc::clone(&question));
        }
        Ok(Waiter(question.answer.subscribe()))
    }

    fn insert(&mut self, digest: KeyedDigest, token: Secret<String>) -> Arc<Question> {
        if self.known.len() >= 2 * MAX_WAITING {
            self.known.retain(|_, question| question.strong_count() > 0);
        }
        let (answer, is_running) = (watch::Sender::new(None), AtomicBool::new(false));
        let question = Arc::new(Question { digest, token, answer, is_running });
        self.known.insert(digest, Arc::downgrade(&question));
        question
    }

    /// The next question that may be asked.
    pub(super) fn next(&mut self, elapsed: Duration) -> Option<Granted> {
        let (_, question, permit) = self.queue.grant_permit(&self.budget, elapsed)?;
        question.is_running.store(true, Ordering::Relaxed);
        Some(Granted { question, permit })
    }

    /// Ends a question: the next request about the token asks again, unless the answer is cached.
    pub(super) fn end(&mut self, question: &Arc<Question>) {
        let is_same = |known: &Weak<Question>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(question));
        if self.known.get(&question.digest).is_some_and(is_same) {
            self.known.remove(&question.digest);
        }
    }

    /// Pauses after a failure.
    pub(super) fn pause(&mut self, elapsed: Duration, pause: Duration) {
        let (new, known) = self.paused_until;
        self.paused_until = (new.max(elapsed + pause.min(MAX_PAUSE)), known.max(elapsed + pause.min(KNOWN_PAUSE)));
    }

    /// Ends the pause: there was an answer.
    pub(super) fn resume(&mut self) {
        self.paused_until = (Duration::ZERO, Duration::ZERO);
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }
}
