//! A task that sends requests of every kind, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::SteppedClock;
use crate::counts::{Counts, Kind};
use crate::tokens::{Tokens, forged, with_invented_key};

/// Invented keys are a small share, as in a slow attack; each kind of bad token costs one of these many requests.
const PERIOD: u64 = 100;

pub(crate) struct Sender {
    url: String,
    http: reqwest::Client,
    tokens: Arc<Tokens>,
    clock: SteppedClock,
    counts: Arc<Counts>,
}

impl Sender {
    pub(crate) fn new(url: &str, tokens: &Arc<Tokens>, clock: &SteppedClock, counts: &Arc<Counts>) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().expect("a client");
        Sender {
            url: url.to_owned(),
            http,
            tokens: Arc::clone(tokens),
            clock: clock.clone(),
            counts: Arc::clone(counts),
        }
    }

    pub(crate) async fn run(self, ends_at: Instant) {
        for number in 0_u64.. {
            if Instant::now() >= ends_at {
                return;
            }
            let kind = match number % PERIOD {
                1 | 21 | 41 | 61 | 81 => Kind::InventedKey,
                11 | 51 => Kind::Forged,
                31 | 71 => Kind::Revoked,
                91 => Kind::Malformed,
                95 => Kind::Anonymous,
                other if other % 10 == 0 => Kind::Newest,
                _ => Kind::Good,
            };
            let Some(credential) = self.credential(kind, number) else {
                tokio::time::sleep(Duration::from_millis(50)).await; // the provider has not answered yet
                continue;
            };
            self.send(kind, credential).await;
        }
    }

    /// The header to send, or `None` for no header; nothing if no token of this kind exists yet.
    fn credential(&self, kind: Kind, number: u64) -> Option<Option<String>> {
        let index = usize::try_from(number).unwrap_or_default();
        let token = match kind {
            Kind::Good => self.tokens.good(index)?.to_string(),
            Kind::Newest => self.tokens.good(0)?.to_string(),
            Kind::Forged => forged(&*self.tokens.good(index)?),
            Kind::InventedKey => with_invented_key(&*self.tokens.good(index)?, number)?,
            Kind::Revoked => self.tokens.revoked(index)?.to_string(),
            Kind::Malformed => "e30.e30.".repeat(40),
            Kind::Anonymous => return Some(None),
        };
        Some(Some(format!("Bearer {token}")))
    }

    async fn send(&self, kind: Kind, credential: Option<String>) {
        let before = self.clock.steps();
        let start = Instant::now();
        let request = self.http.get(&self.url);
        let request = match credential {
            Some(credential) => request.header("authorization", credential),
            None => request,
        };
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let _ = response.bytes().await;
                let is_timely = before % 2 == 0 && self.clock.steps() == before;
                self.counts.record(kind, status, start.elapsed(), is_timely);
            }
            Err(error) => self.counts.fault(format!("{kind:?}: no answer: {}", error.without_url())),
        }
    }
}
