//! Sources of one's own: checked as an address or a file is, and never asked more often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign::reload::{
    BundleFuture, BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind, BundledPolicy, HintFuture,
    PolicyBundle, PulledBundle, ShadowPolicy,
};
use tokio::sync::Notify;

use crate::world::World;

/// What the source does when it is asked.
type Answer = Box<dyn Fn(&BundleRequest) -> Result<PulledBundle, BundleSourceError> + Send>;

struct Place {
    answer: Mutex<Answer>,
    pulls: AtomicUsize,
    hint: Notify,
    panics: bool,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

impl Place {
    fn of(answer: impl Fn(&BundleRequest) -> Result<PulledBundle, BundleSourceError> + Send + 'static) -> Arc<Self> {
        Self::with(answer, false)
    }

    fn with(
        answer: impl Fn(&BundleRequest) -> Result<PulledBundle, BundleSourceError> + Send + 'static,
        panics: bool,
    ) -> Arc<Self> {
        let answer: Mutex<Answer> = Mutex::new(Box::new(answer));
        Arc::new(Place { answer, pulls: AtomicUsize::new(0), hint: Notify::new(), panics })
    }

    fn answer(&self, answer: impl Fn(&BundleRequest) -> Result<PulledBundle, BundleSourceError> + Send + 'static) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answer);
    }

    fn pulls(&self) -> usize {
        self.pulls.load(Ordering::SeqCst)
    }
}

impl BundleSource for Place {
    fn name(&self) -> String {
        "a place\nlevel=ERROR".to_owned()
    }

    fn pull<'a>(&'a self, request: &'a BundleRequest) -> BundleFuture<'a> {
        self.pulls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { (*self.answer.lock().unwrap_or_else(PoisonError::into_inner))(request) })
    }

    fn changed(&self) -> HintFuture<'_> {
        assert!(!self.panics, "it cannot say that");
        Box::pin(self.hint.notified())
    }
}

fn document(bytes: impl Into<Vec<u8>>, validator: Option<&str>) -> Result<PulledBundle, BundleSourceError> {
    Ok(PulledBundle::Document { bytes: bytes.into(), validator: validator.map(|text| text.as_bytes().to_vec()) })
}

async fn service(world: &World, place: &Arc<Place>) -> BundledPolicy {
    world.service(PolicyBundle::from_source(Arc::clone(place), world.pins())).build().await.expect("a bundle")
}

#[tokio::test]
async fn s14_01_s14_02_what_a_source_hands_out_is_checked_and_the_last_good_bundle_stays() {
    let world = World::new("source");
    let first = world.bundle(2, "orders");
    let place = Place::of({
        let first = first.clone();
        move |request| match request.validator.as_deref() {
            Some(b"two") => Ok(PulledBundle::Unchanged),
            _ => document(first.clone(), Some("two")),
        }
    });
    let service = service(&world, &place).await;
    assert_eq!((service.pull().await, service.revision(), place.pulls()), (Ok(false), 2, 2));
    assert_eq!(service.report().source, "a place\\nlevel=ERROR");

    let (older, other) = (world.bundle(1, "orders"), world.bundle(2, "billing"));
    let too_long = vec![b'a'; 1024 * 1024 + 1];
    let away = |kind, text: &'static str| move |_: &BundleRequest| Err(BundleSourceError::new(kind, text));
    place.answer(move |_| document(older.clone(), None));
    assert!(service.pull().await.expect_err("older").to_string().contains("bundle_older_revision"));
    place.answer(move |_| document(other.clone(), None));
    assert!(service.pull().await.expect_err("other").to_string().contains("bundle_same_revision"));
    place.answer(move |_| document(too_long.clone(), None));
    assert!(service.pull().await.expect_err("long").to_string().contains("longer than 1048576 bytes"));
    place.answer(|_| document([0xff, 0xfe], None));
    assert!(service.pull().await.expect_err("bytes").to_string().contains("not text"));
    place.answer(|_| document("{}", Some("three")));
    assert!(service.pull().await.expect_err("unsigned").to_string().contains("bundle_malformed"));
    place.answer(|request| {
        assert_eq!(request.validator.as_deref(), Some(&b"two"[..]), "that of a refused document is not kept");
        Err(BundleSourceError::new(BundleSourceErrorKind::Missing, "gone\r\nx"))
    });
    let error = service.pull().await.expect_err("missing").to_string();
    assert!(error.contains("gone\\r\\nx"), "{error}");
    place.answer(away(BundleSourceErrorKind::Unavailable, "away"));
    assert!(service.pull().await.is_err());
    assert_eq!((service.revision(), service.verifier().policy_error().is_some()), (2, true));
    let next = world.bundle(3, "billing");
    place.answer(move |_| document(next.clone(), None));
    assert_eq!((service.pull().await, service.verifier().policy_error()), (Ok(true), None));

    let nothing = Place::of(|_| Ok(PulledBundle::Unchanged));
    let unbuilt = world.service(PolicyBundle::from_source(nothing, world.pins())).build().await;
    assert!(unbuilt.expect_err("no document").to_string().contains("nothing is known"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_02_hints_of_a_source_cause_at_most_one_pull_a_second() {
    let world = World::new("source-hints");
    let first = world.bundle(1, "orders");
    let place = Place::of(move |_| document(first.clone(), None));
    let service = service(&world, &place).await;
    let next = world.bundle(2, "billing");
    place.answer(move |_| document(next.clone(), None));
    let (start, more) = (Instant::now(), countersign_tests::repeats(1, 3));
    while place.pulls() < 1 + more {
        place.hint.notify_one();
        tokio::task::yield_now().await;
        assert!(start.elapsed() < Duration::from_secs(60), "no pull after hints");
    }
    let least = Duration::from_millis(950 * more as u64);
    assert!(start.elapsed() > least, "{more} pulls after the first within {:?}", start.elapsed());
    while service.revision() != 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A source with a fault of its own stops nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_02_a_source_that_panics_is_asked_again() {
    let world = World::new("source-panic");
    let first = world.bundle(1, "orders");
    let place = Place::with(move |_| document(first.clone(), None), true);
    let source = PolicyBundle::from_source(Arc::clone(&place), world.pins());
    let service = world.service(source).interval(Duration::from_millis(20)).build().await.expect("a bundle");
    place.answer(|_| panic!("a fault of the source"));
    while service.verifier().policy_error().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let next = world.bundle(2, "billing");
    place.answer(move |_| document(next.clone(), None));
    while service.revision() != 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn s14_07_a_shadow_comes_from_a_source_too() {
    let world = World::new("source-shadow");
    let first = world.bundle(1, "orders");
    let shadow = world.draft(2, World::policy("billing", "")).sign_shadow(&world.signer).expect("signed");
    let (place, next) =
        (Place::of(move |_| document(first.clone(), None)), Place::of(move |_| document(shadow.clone(), None)));
    let source = PolicyBundle::from_source(place, world.pins()).shadow(ShadowPolicy::from_source(Arc::clone(&next)));
    let service = world.service(source).build().await.expect("a bundle");
    assert_eq!(service.shadow().expect("compared").revision, Some(2));
    next.answer(|_| Err(BundleSourceError::new(BundleSourceErrorKind::Missing, "none")));
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!(service.shadow().expect("a report").fingerprint, None);
}
