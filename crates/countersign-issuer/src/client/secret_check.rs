//! Checks of presented secrets. Neither the result nor its time reveals which clients exist, and memory is bounded.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::integration::{OccupancyBudget, Standing};
use countersign_core::secret::Secret;
use tokio::sync::Semaphore;

use super::error::Busy;
use super::secret::{Checked, DUMMY, KEYED_PREFIX, SecretHash, bcrypt_dummy, check_slowly};
use super::turns::Turns;
use super::upgrades::Upgrades;
use super::verified_secrets::{History, VerifiedSecrets};
use super::{AuthenticationError, Client, Registry};
use crate::store::AsyncStore;
use crate::throttle::Throttle;

/// The most requests with secrets that were right before that may wait for a check, beyond the running ones.
const MAX_WAITING: usize = 256;

/// The longest wait of a request for its check.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The time of an Argon2id check, and of a bcrypt check of cost 10, on a slow machine.
const SLOW_CHECKS: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(100));

/// Checks secrets.
///
/// The kind of check depends only on the presented secret, never on the client. A secret with the prefix of keyed secrets
/// costs one HMAC. Any other secret costs one Argon2id hash, and one bcrypt hash while any client has such a hash. Without
/// a hash of the client, a dummy is compared.
///
/// Only the slow checks are limited. A secret that was right before goes first: no failure of others delays it, and a part
/// of the running checks and all of its places to wait are out of reach of secrets that were never right. Those take turns.
pub(crate) struct SecretCheck {
    pepper: Option<hmac::Key>,
    /// Failures by client and address.
    throttle: Throttle,
    /// Failures by client, address and secret.
    wrong_secrets: Throttle,
    /// The places of secrets that were right before, by client.
    places: OccupancyBudget,
    /// The checks that secrets which were never right may run.
    turns: Turns,
    running: Arc<Semaphore>,
    verified: VerifiedSecrets,
    upgrades: Upgrades,
    bcrypt_dummy: Option<Arc<str>>,
}

/// A secret as a request presents it, with the client id that it names.
pub(crate) struct PresentedSecret<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) secret: Secret<String>,
    pub(crate) elapsed: Duration,
}

/// The client id and address that ask for a slow check.
struct Party<'a> {
    client_id: &'a str,
    peer: Option<IpAddr>,
    elapsed: Duration,
    cache_key: [u8; 32],
    /// True if the secret was right before.
    is_proven: bool,
}

/// The end of a request for a slow check.
enum Answer {
    Checked(Checked),
    /// Another request proved the same secret while this one waited.
    Proven,
}

impl SecretCheck {
    /// Runs at most `concurrent` Argon2id checks, 19 MiB each. A `cache_lifetime` of zero makes each request a check.
    pub(crate) fn new(
        pepper: Option<hmac::Key>,
        concurrent: usize,
        cache_lifetime: Duration,
        clock: Arc<dyn Clock>,
        clients: &Registry,
        store: AsyncStore,
    ) -> Result<Self, ConfigError> {
        let upgrades = Upgrades::load(clients, store)?;
        let costs = clients.iter().filter_map(|client| upgrades.slow_hash_of(client)?.bcrypt_cost());
        let bcrypt_cost = costs.max();
        let places = u32::try_from(concurrent.saturating_add(MAX_WAITING)).unwrap_or(u32::MAX);
        let unproven = concurrent.saturating_sub(1).max(1);
        Ok(SecretCheck {
            pepper,
            throttle: Throttle::new(),
            wrong_secrets: Throttle::new(),
            places: OccupancyBudget::new(places),
            turns: Turns::new(unproven, unproven_share(unproven, bcrypt_cost)),
            running: Arc::new(Semaphore::new(concurrent)),
            verified: VerifiedSecrets::new(cache_lifetime, clock)?,
            upgrades,
            bcrypt_dummy: bcrypt_cost.map(|cost| bcrypt_dummy(cost).into()),
        })
    }

    /// Returns whether `presented` is a secret of `client`. `None` is an unknown client.
    pub(crate) async fn is_right(
        &self,
        client: Option<&Client>,
        presented: PresentedSecret<'_>,
    ) -> Result<bool, AuthenticationError> {
        let PresentedSecret { client_id, peer, secret, elapsed } = presented;
        let peer = peer.map(network);
        if let (Some(pepper), true) = (&self.pepper, secret.expose().starts_with(KEYED_PREFIX)) {
            return Ok(is_keyed_secret_of(pepper, client, &secret));
        }
        let hash = client.and_then(|client| self.upgrades.slow_hash_of(client));
        let stored = hash.as_ref().and_then(SecretHash::slow).unwrap_or(DUMMY).to_owned();
        let cache_key = self.verified.cache_key(client_id, &stored, &secret);
        let history = self.verified.history(&cache_key); // only right secrets have one
        let (pair, same_secret) = ((client_id, peer), (client_id, peer, cache_key));
        match history {
            History::Right => return Ok(true),
            History::RightBefore => {}
            History::Unknown => {
                let wait = self.wrong_secrets.wait(&same_secret, elapsed);
                if let Some(retry_after) = wait {
                    return Err(AuthenticationError::Throttled { retry_after });
                }
                // A repeated wrong secret costs no check, and no attempt of the client.
                if self.wrong_secrets.has_failed(&same_secret, elapsed) {
                    self.wrong_secrets.failed(&same_secret, elapsed);
                    return Ok(false);
                }
                if let Some(retry_after) = self.throttle.wait(&pair, elapsed) {
                    return Err(AuthenticationError::Throttled { retry_after });
                }
            }
        }
        let (secret, is_proven) = (Arc::new(secret), history != History::Unknown);
        let party = Party { client_id, peer, elapsed, cache_key, is_proven };
        // A client that disconnects meanwhile has made its attempt.
        let mut attempt = Attempt { throttle: &self.throttle, pair, elapsed, is_over: is_proven };
        let answer = self.check_slowly(&party, stored, Arc::clone(&secret)).await;
        attempt.is_over = true;
        let Answer::Checked(Checked { is_right, upgraded }) = answer? else { return Ok(true) };
        let Some(client) = client.filter(|_| is_right && hash.is_some()) else {
            self.throttle.failed(&pair, elapsed);
            self.wrong_secrets.failed(&same_secret, elapsed);
            return Ok(false);
        };
        self.verified.insert(cache_key);
        if let Some(upgraded) = upgraded {
            // Later requests compare with the new hash.
            let by_new_hash = upgraded.slow().map(|stored| self.verified.cache_key(client_id, stored, &secret));
            by_new_hash.into_iter().for_each(|cache_key| self.verified.insert(cache_key));
            self.upgrades.apply(client, upgraded).await;
        }
        Ok(true)
    }

    /// Checks on the blocking pool. The permits move with the work, so that a disconnect does not free them early. Of the
    /// requests that wait with one secret, the first that is checked answers for all.
    async fn check_slowly(
        &self,
        party: &Party<'_>,
        stored: String,
        secret: Arc<Secret<String>>,
    ) -> Result<Answer, Busy> {
        let turn = async {
            let (place, turn) = match party.is_proven {
                true => (Some(self.places.acquire(party.client_id, Standing::Known).map_err(|_| Busy)?), None),
                false => (None, Some(self.turns.turn(party.peer, party.client_id, party.elapsed).await?)),
            };
            let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?;
            Ok::<_, Busy>((place, turn, running))
        };
        let permits = tokio::time::timeout(MAX_WAIT, turn).await.map_err(|_| Busy)??;
        if self.verified.history(&party.cache_key) == History::Right {
            return Ok(Answer::Proven);
        }
        let bcrypt_dummy = self.bcrypt_dummy.clone();
        let check = tokio::task::spawn_blocking(move || {
            let checked = check_slowly(&stored, bcrypt_dummy.as_deref(), &secret);
            drop(permits);
            checked
        });
        check.await.map(Answer::Checked).map_err(|_| Busy)
    }
}

/// The places of one address for secrets that were never right: as many as are checked within half of the longest wait, so
/// that invented clients of one address leave time for those of another, whatever a check costs.
fn unproven_share(running: usize, bcrypt_cost: Option<u32>) -> usize {
    let (argon2id, bcrypt) = SLOW_CHECKS;
    let doublings = bcrypt_cost.map(|cost| 1_u32.checked_shl(cost.saturating_sub(10)).unwrap_or(u32::MAX));
    let check = argon2id.saturating_add(doublings.map_or(Duration::ZERO, |times| bcrypt.saturating_mul(times)));
    let in_turn = (MAX_WAIT / 2).as_millis().checked_div(check.as_millis()).unwrap_or_default().max(1);
    usize::try_from(in_turn).unwrap_or(usize::MAX).saturating_mul(running)
}

/// The network that counts as one address: an IPv4 address, or the /64 of an IPv6 address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// An attempt that counts as failed if it is dropped before it is over.
struct Attempt<'a> {
    throttle: &'a Throttle,
    pair: (&'a str, Option<IpAddr>),
    elapsed: Duration,
    is_over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.throttle.failed(&self.pair, self.elapsed);
        }
    }
}

impl fmt::Debug for SecretCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCheck").finish_non_exhaustive()
    }
}

/// Compares in constant time with each keyed secret, and with a digest that no secret has.
fn is_keyed_secret_of(pepper: &hmac::Key, client: Option<&Client>, presented: &Secret<String>) -> bool {
    let hashes = client.map(|client| client.hashes.as_slice()).unwrap_or_default();
    let dummy = [0; 32];
    let mut digests = hashes.iter().filter_map(SecretHash::keyed).chain(std::iter::once(&dummy));
    digests.any(|digest| hmac::verify(pepper, presented.expose().as_bytes(), digest).is_ok())
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use countersign_core::clock::UnixTime;
    use countersign_test::ManualClock;

    use super::*;
    use crate::store::MemoryStore;

    const SECRET: &str = "quaint-heron-lifts-49";
    const LIFETIME: Duration = Duration::from_secs(300);

    type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool, AuthenticationError>> + 'a>>;

    struct Setup {
        clock: ManualClock,
        client: Client,
        check: SecretCheck,
    }

    /// Two checks run at the same time, one of them of a secret that was never right.
    fn setup() -> Setup {
        setup_of(Client::new("orders").secret(Secret::from(SECRET)))
    }

    fn setup_of(mut client: Client) -> Setup {
        let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
        assert_eq!(client.hash_secrets(), []);
        let clients = [client.clone()].into_iter().collect();
        let shared = Arc::new(clock.clone());
        let store = AsyncStore::new(Arc::new(MemoryStore::new()), shared.clone());
        let check = SecretCheck::new(None, 2, LIFETIME, shared, &clients, store).expect("randomness");
        Setup { clock, client, check }
    }

    impl Setup {
        fn ask(&self, secret: &str) -> Asked<'_> {
            let (secret, elapsed) = (Secret::from(secret), self.clock.elapsed());
            let presented = PresentedSecret { client_id: "orders", peer: None, secret, elapsed };
            Box::pin(self.check.is_right(Some(&self.client), presented))
        }

        /// A request that waits for its check.
        fn begin(&self, secret: &str) -> Asked<'_> {
            let mut asked = self.ask(secret);
            assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "{secret}");
            asked
        }
    }

    #[tokio::test]
    async fn s8_27_an_attempt_counts_although_its_caller_has_gone() {
        let setup = setup();
        for n in 0..10 {
            drop(setup.begin(&format!("a-wrong-secret-{n}")));
        }
        let answer = setup.ask("another-wrong-secret").await;
        assert!(matches!(answer, Err(AuthenticationError::Throttled { .. })), "{answer:?}");
    }

    #[tokio::test]
    async fn s15_03_a_right_secret_is_checked_once_in_its_lifetime() {
        let setup = setup();
        assert!(matches!(setup.ask(SECRET).await, Ok(true)));
        setup.clock.advance(LIFETIME - Duration::from_millis(1));
        let answer = setup.ask(SECRET).as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answer, std::task::Poll::Ready(Ok(true))), "{answer:?}");
        setup.clock.advance(Duration::from_millis(1));
        drop(setup.begin(SECRET));
    }

    #[tokio::test]
    async fn s15_03_a_caller_with_a_right_secret_that_goes_makes_no_failed_attempt() {
        let setup = setup();
        assert!(matches!(setup.ask(SECRET).await, Ok(true)));
        setup.clock.advance(LIFETIME);
        for _ in 0..10 {
            drop(setup.begin(SECRET));
        }
        let answer = setup.ask("a-new-secret-of-theirs").await;
        assert!(matches!(answer, Ok(false)), "{answer:?}");
    }

    #[test]
    fn s15_03_one_check_is_out_of_reach_of_secrets_that_were_never_right() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let setup = setup();
            assert!(matches!(setup.ask(SECRET).await, Ok(true)));
            setup.clock.advance(LIFETIME);
            let (release, held) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || held.recv()); // no check begins, so none ends
            let free = || setup.check.running.available_permits();
            let wrong = [setup.begin("a-wrong-secret"), setup.begin("another-wrong-secret")];
            assert_eq!(free(), 1, "one takes the turn, the other one waits");
            let right = setup.begin(SECRET);
            assert_eq!(free(), 0, "it needs no turn");
            drop((wrong, right, release));
        });
    }

    // The longest wait is measured by tokio's clock, which stands still while a thread works.
    #[test]
    fn s15_01_a_secret_whose_check_ended_is_hashed_once_for_all_that_wait() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let stored = SecretHash::parse(&bcrypt::hash(SECRET, 10).expect("hashed")).expect("a hash");
            let setup = setup_of(Client::new("orders").secret(stored));
            assert!(matches!(setup.ask(SECRET).await, Ok(true)));
            let upgraded = setup.check.upgrades.slow_hash_of(&setup.client).expect("a hash");
            assert_eq!(upgraded.bcrypt_cost(), None);
            let cache_key =
                setup.check.verified.cache_key("orders", upgraded.slow().expect("slow"), &Secret::from(SECRET));
            let history = || setup.check.verified.history(&cache_key);
            assert_eq!(history(), History::Right, "it counts with the new hash too");

            setup.clock.advance(LIFETIME);
            assert_eq!(history(), History::RightBefore);
            let checked = [setup.begin(SECRET), setup.begin(SECRET)];
            let waiting = [(); 100].map(|()| setup.begin(SECRET));
            for asked in checked {
                assert!(matches!(asked.await, Ok(true)));
            }
            let (release, held) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || held.recv_timeout(Duration::from_secs(60))); // no other check begins
            let start = std::time::Instant::now();
            for asked in waiting {
                assert!(matches!(asked.await, Ok(true)));
            }
            assert!(start.elapsed() < Duration::from_secs(30), "they need no check");
            drop(release);
        });
    }

    #[test]
    fn s15_01_one_address_queues_no_more_than_half_of_the_longest_wait() {
        assert_eq!(unproven_share(3, None), 48);
        assert_eq!(unproven_share(3, Some(10)), 18);
        assert_eq!(unproven_share(3, Some(14)), 3);
        assert_eq!(unproven_share(1, Some(200)), 1);
    }

    #[test]
    fn s15_01_an_ipv6_network_is_one_address() {
        let network = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
