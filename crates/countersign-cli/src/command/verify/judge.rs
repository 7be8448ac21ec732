//! Asking the library's verifier, with keys from wherever they are.

use std::collections::HashMap;
use std::sync::Arc;

use countersign::clock::Clock;
use countersign::key::{KeySource, StaticKeys};
use countersign::keys::RemoteKeys;
use countersign::policy::{NeedsAudience, Profile, TrustedIssuer, danger};
use countersign::token::Unverified;
use countersign::verify::{Report, Verdict, Verifier};
use tokio::runtime::Runtime;

use super::AskedClock;
use super::policy::{KeyPlace, Question, TypeRule};
use crate::exit::Failure;
use crate::{keyfile, output};

/// The most names under which a pinned PEM key is kept ready.
const MAX_PINNED_NAMES: usize = 64;

/// A question and the verifier that answers it.
pub(crate) struct Judge {
    question: Question,
    clock: Arc<AskedClock>,
    runtime: Runtime,
    answering: Answering,
}

enum Answering {
    /// One verifier for all tokens.
    One(Verifier),
    /// The user pinned one key: it answers to whatever `kid` a token names.
    Pinned { pem: String, nameless: Verifier, by_key_id: HashMap<String, Verifier> },
}

impl Judge {
    /// Makes the verifier; every fault of the question shows here.
    pub(crate) fn new(question: Question) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::question(format!("no runtime: {error}")))?;
        let clock = Arc::new(AskedClock(question.now));
        let answering = match &question.keys {
            KeyPlace::Set { text, .. } => {
                let loaded = keyfile::from_jwks(text, &question.algorithms)?;
                if loaded.keys.is_empty() {
                    output::complain(&format!("no usable key: {}", loaded.skipped.join("; ")));
                }
                Answering::One(verifier(&question, &clock, Arc::new(StaticKeys::new(loaded.keys)))?)
            }
            KeyPlace::Pem { text, .. } => {
                let nameless = pinned(&question, &clock, text, None)?;
                Answering::Pinned { pem: text.clone(), nameless, by_key_id: HashMap::new() }
            }
            KeyPlace::Address(url) => {
                let keys = RemoteKeys::at(url).clock(Arc::clone(&clock) as Arc<dyn Clock>);
                Answering::One(verifier(&question, &clock, Arc::new(keys))?)
            }
            KeyPlace::Discovery => {
                let keys = RemoteKeys::by_discovery(&question.issuer).clock(Arc::clone(&clock) as Arc<dyn Clock>);
                Answering::One(verifier(&question, &clock, Arc::new(keys))?)
            }
        };
        Ok(Judge { question, clock, runtime, answering })
    }

    /// The time by which is judged, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_secs()).unwrap_or(i64::MAX)
    }

    /// Judges `token`; waits for keys where it must.
    pub(crate) fn report(&mut self, token: &str) -> Report {
        let verifier = self.verifier_for(token);
        self.runtime.block_on(verifier.explain(token))
    }

    /// The verifier for `token`, to be asked from other threads.
    pub(crate) fn verifier_for(&mut self, token: &str) -> Verifier {
        match &mut self.answering {
            Answering::One(verifier) => verifier.clone(),
            Answering::Pinned { pem, nameless, by_key_id } => {
                let key_id = Unverified::parse(token).ok().and_then(|token| token.key_id().map(str::to_owned));
                let Some(key_id) = key_id else { return nameless.clone() };
                if let Some(ready) = by_key_id.get(&key_id) {
                    return ready.clone();
                }
                if by_key_id.len() >= MAX_PINNED_NAMES {
                    by_key_id.clear();
                }
                match pinned(&self.question, &self.clock, pem, Some(&key_id)) {
                    Ok(verifier) => by_key_id.entry(key_id).or_insert(verifier).clone(),
                    Err(_) => nameless.clone(), // refuses every kid
                }
            }
        }
    }

    /// Where the keys came from, in words.
    pub(crate) fn origin(&self) -> String {
        self.question.keys.origin(&self.question.issuer)
    }

    /// Whether all tokens meet the same verifier.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self.answering, Answering::One(_))
    }
}

/// A report without waiting; `None` where keys must be fetched first.
pub(crate) fn report_at_once(verifier: &Verifier, token: &str) -> Option<Report> {
    let report = verifier.explain_held(token);
    let is_decided = !matches!(report.verdict, Verdict::Undecided { .. });
    is_decided.then_some(report)
}

fn pinned(question: &Question, clock: &Arc<AskedClock>, pem: &str, key_id: Option<&str>) -> Result<Verifier, Failure> {
    let keys = keyfile::from_pem(pem, &question.algorithms, key_id)?;
    verifier(question, clock, Arc::new(StaticKeys::new(keys)))
}

fn verifier(question: &Question, clock: &Arc<AskedClock>, keys: Arc<dyn KeySource>) -> Result<Verifier, Failure> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ok(Verifier::builder().trust(trusted(question, keys)?).clock(clock).build()?)
}

fn trusted(question: &Question, keys: Arc<dyn KeySource>) -> Result<TrustedIssuer, Failure> {
    let (first, others) =
        question.audiences.split_first().ok_or_else(|| Failure::question("audience is empty; add --audience AUD"))?;
    let issuer = NeedsAudience::new(&question.issuer, keys).audience(first);
    let issuer = others.iter().fold(issuer, TrustedIssuer::or_audience);
    let issuer = match &question.types {
        TypeRule::Compatible => issuer,
        TypeRule::AccessToken => issuer.profile(Profile::AccessToken),
        TypeRule::Only(name) => issuer.profile(Profile::Named).token_type(name),
        TypeRule::Any => danger::any_type(issuer),
    };
    Ok(issuer.algorithms(question.algorithms.iter().copied()).leeway(question.leeway))
}
