//! Policies that are replaced while requests run: from a file, and by hand.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::role;
use countersign::clock::Clock;
use countersign::error::ConfigError;
use countersign::guard::require;
use countersign::health::Health;
use countersign::key::{KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason, StaticKeys};
use countersign::lifetime::TokenEnd;
use countersign::policy::{NeedsAudience, TrustedIssuerConfig};
use countersign::queue::QueueVerifier;
use countersign::reload::{PolicyFile, WatchedPolicy};
use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};
use tokio::sync::Notify;
use tower::ServiceExt;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-reload-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a writable folder");
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// Replaces the file by a rename, as editors and tools do.
    fn write(&self, text: &str) {
        let new = self.0.join("new");
        std::fs::write(&new, text).expect("writable");
        std::fs::rename(&new, self.file()).expect("renamed");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn policy(audience: &str, rest: &str) -> String {
    format!("[[issuers]]\nissuer = \"https://issuer.test\"\naudience = \"{audience}\"\n{rest}")
}

const ROLES: &str = "authorities.roles_at = [\"/roles\"]";

/// Watches with the keys of `issuer`, far less often than a test takes.
fn watch(issuer: &TestIssuer, file: &Path) -> Result<WatchedPolicy, ConfigError> {
    let keys = issuer.key_source();
    let file = PolicyFile::new(file).interval(Duration::from_secs(3600)).clock(issuer.clock().clone());
    file.keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>)).build()
}

async fn code(verifier: &Verifier, draft: &TokenDraft) -> &'static str {
    verifier.verify(&draft.clone().sign()).await.err().map_or("accepted", |error| error.code())
}

#[tokio::test]
async fn a_replaced_policy_holds_everywhere_and_for_cached_tokens_at_once() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("everywhere"));
    folder.write(&policy("orders", ROLES));
    let watched = watch(&issuer, &folder.file()).expect("a policy");
    let verifier = watched.verifier().clone();
    let queue = QueueVerifier::new(verifier.clone(), Duration::from_secs(60)).expect("a queue");
    let router = Router::new()
        .route("/", get(|| async { "ok" }).layer(require(role("clerk"))))
        .layer(AuthenticateLayer::new(verifier.clone()));
    let token = issuer.token().audience("orders").client_id("web").role("clerk").sign();
    let status = async || {
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let answer = router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
        answer.status().as_u16()
    };
    assert_eq!((status().await, status().await), (200, 200));
    assert_eq!(verifier.cached_tokens(), 1);
    let before = verifier.fingerprint();
    for (text, expected) in [
        (policy("orders", "authorities.roles_at = [\"/groups\"]"), 403),
        (policy("orders", ROLES), 200),
        (policy("billing", ROLES), 401),
        (policy("orders", &format!("{ROLES}\nallowed_clients = [\"app\"]")), 401),
        (policy("orders", &format!("{ROLES}\nallowed_clients = [\"web\"]")), 200),
        (policy("orders", ROLES).replace("issuer.test", "other.test"), 401),
    ] {
        folder.write(&text);
        assert_eq!(watched.reload().await, Ok(true), "{text}");
        assert_eq!((status().await, status().await), (expected, expected), "{text}");
        assert_eq!(queue.verify(&token, issuer.clock().now()).await.is_ok(), expected != 401);
    }
    folder.write(&policy("orders", ROLES));
    assert_eq!((watched.reload().await, watched.reload().await), (Ok(true), Ok(false)));
    assert_eq!(verifier.fingerprint(), before, "the fingerprint is that of the policy in force");
    folder.write(&format!("# a comment\n{}", policy("orders", ROLES)));
    assert_eq!(status().await, 200);
    assert_eq!(watched.reload().await, Ok(false), "the same policy, written in another way");
    assert_eq!(verifier.cached_tokens(), 1, "and cached tokens stay");
    assert!(verifier.stats().from_cache > 0 && verifier.stats().refused > 0, "the counts go on");
    assert_eq!(watched.policy().issuers[0].audience.names(), ["orders"]);
}

/// The layout of a mounted ConfigMap: the file is a link into a folder that is itself a link, which is replaced.
#[cfg(unix)]
#[tokio::test]
async fn a_mounted_configmap_is_followed_in_the_background() {
    use std::os::unix::fs::symlink;
    let (issuer, folder) = (TestIssuer::new(), Folder::new("configmap"));
    let publish = |version: &str, text: &str| {
        std::fs::create_dir(folder.0.join(version)).expect("a folder");
        std::fs::write(folder.0.join(version).join("policy.toml"), text).expect("writable");
        symlink(version, folder.0.join("..tmp")).expect("a link");
        std::fs::rename(folder.0.join("..tmp"), folder.0.join("..data")).expect("renamed");
    };
    publish("..1", &policy("orders", ""));
    symlink("..data/policy.toml", folder.file()).expect("a link");
    let keys = issuer.key_source();
    let file = PolicyFile::new(folder.file()).interval(Duration::from_millis(5)).clock(issuer.clock().clone());
    let watched = file.keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>)).build().expect("a policy");
    let verifier = watched.verifier().clone();
    drop(watched); // the verifier alone is enough
    assert_eq!(code(&verifier, &issuer.token().audience("billing")).await, "wrong_audience");
    publish("..2", &policy("billing", ""));
    while code(&verifier, &issuer.token().audience("billing")).await != "accepted" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(code(&verifier, &issuer.token().audience("orders")).await, "wrong_audience");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn count(&self, text: &str) -> usize {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&lines).lines().filter(|line| line.contains(text)).count()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn deny_danger_and_broken_files_leave_the_last_good_policy_in_force() {
    countersign_tests::events::enable_events_on_every_thread();
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(log);

    let (issuer, folder) = (TestIssuer::new(), Folder::new("broken"));
    let good = format!("deny_danger = true\n{}", policy("orders", ""));
    folder.write(&good);
    let watched = watch(&issuer, &folder.file()).expect("a policy");
    let (verifier, health) = (watched.verifier().clone(), Health::new(watched.verifier()));
    let token = issuer.token().audience("orders"); // a test key, which deny_danger refuses
    let fingerprint = verifier.fingerprint();
    let remove = || std::fs::remove_file(folder.file()).expect("there");
    let write = |text: &str| folder.write(text);
    type Break<'b> = (&'static str, Box<dyn Fn() + 'b>);
    let breaks: Vec<Break<'_>> = vec![
        ("policy", Box::new(|| write("[[issuers]]\nissuer = "))),
        ("policy", Box::new(|| write(""))),
        ("audience", Box::new(|| write(&policy("", "")))),
        ("danger", Box::new(|| write(&format!("deny_danger = true\n{}", policy("orders", "danger_any_type = true"))))),
        ("danger", Box::new(|| write(&policy("orders", "danger_any_audience = true")))),
        ("policy_file", Box::new(|| write(&format!("{good}\n#{}", "x".repeat(1 << 20))))),
        ("policy_file", Box::new(remove)),
        ("policy_file", Box::new(|| std::fs::create_dir(folder.file()).expect("a folder"))),
    ];
    for (number, (field, spoil)) in breaks.into_iter().enumerate() {
        spoil();
        for _ in 0..3 {
            let error = watched.reload().await.expect_err("refused");
            assert_eq!(error.faults()[0].field, field, "{error}");
        }
        assert_eq!(lines.count("policy refused"), number + 1, "logged once per change: {field}");
        assert_eq!(health.policy_error().expect("reported").faults()[0].field, field);
        assert!(health.is_ready() && verifier.fingerprint() == fingerprint && verifier.denies_danger());
        assert_eq!(code(&verifier, &token).await, "unknown_key", "the policy in force refuses keys for tests");
    }
    std::fs::remove_dir(folder.file()).expect("there");
    folder.write(&good);
    assert_eq!(watched.reload().await, Ok(false));
    assert!(health.policy_error().is_none() && lines.count("has the policy in force again") == 1);
    // Without the line, the denial stays in force.
    folder.write(&policy("billing", ""));
    assert_eq!(watched.reload().await, Ok(true));
    assert!(verifier.denies_danger() && lines.count("policy replaced") == 1);
}

#[tokio::test]
async fn deny_danger_is_not_turned_on_behind_layers_that_were_built_without_it() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("deny"));
    folder.write(&policy("orders", ""));
    let watched = watch(&issuer, &folder.file()).expect("a policy");
    folder.write(&format!("deny_danger = true\n{}", policy("orders", "")));
    assert_eq!(watched.reload().await.expect_err("restart").faults()[0].field, "deny_danger");
    assert_eq!(code(watched.verifier(), &issuer.token().audience("orders")).await, "accepted");
}

#[tokio::test]
async fn a_first_policy_that_is_faulty_is_an_error_at_start() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("start"));
    assert_eq!(watch(&issuer, &folder.file()).expect_err("no file").faults()[0].field, "policy_file");
    folder.write("nonsense");
    assert_eq!(watch(&issuer, &folder.file()).expect_err("no policy").faults()[0].field, "policy");
    folder.write(&policy("orders", ""));
    let zero = PolicyFile::new(folder.file()).interval(Duration::ZERO).build();
    assert_eq!(zero.expect_err("no interval").faults()[0].field, "interval");
    folder.write(&policy("orders", "danger_any_audience = true"));
    let denied = PolicyFile::new(folder.file()).deny_danger().build();
    assert_eq!(denied.expect_err("a danger").faults()[0].field, "danger");
    let outside = std::thread::spawn({
        let file = folder.file();
        move || PolicyFile::new(file).build().map(|_| ())
    });
    let outside = outside.join().expect("no panic");
    assert_eq!(outside.expect_err("no runtime").faults()[0].field, "runtime");
}

#[tokio::test]
async fn issuers_that_did_not_change_keep_their_keys() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("keys"));
    folder.write(&policy("orders", ROLES));
    let (made, keys) = (Arc::new(AtomicUsize::new(0)), issuer.key_source());
    let count = Arc::clone(&made);
    let file = PolicyFile::new(folder.file()).clock(issuer.clock().clone()).keys(move |_: &TrustedIssuerConfig| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::clone(&keys) as Arc<dyn KeySource>)
    });
    let watched = file.build().expect("a policy");
    let other = "\n[[issuers]]\nissuer = \"https://two.test\"\naudience = \"orders\"\n";
    for (text, expected) in [
        (policy("billing", "authorities.roles_at = [\"/r\"]\nallowed_clients = [\"a\"]\nleeway_seconds = 5"), 1),
        (policy("billing", other), 2),
        (policy("orders", other), 2),
        (policy("orders", "keys = { file = \"/nowhere\" }"), 3),
        (policy("orders", ROLES), 4),
    ] {
        folder.write(&text);
        assert_eq!(watched.reload().await, Ok(true));
        assert_eq!(made.load(Ordering::SeqCst), expected, "{text}");
    }
}

/// The audience and the location of roles change together: no token is read by one of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_token_is_verified_under_one_policy() {
    let issuer = TestIssuer::new();
    let trusted = |audience: &str| {
        let policy: countersign::policy::Policy = countersign::policy::Policy::from_toml(&policy(
            audience,
            &format!("authorities.roles_at = [\"/roles_of_{audience}\"]"),
        ))
        .expect("a policy");
        Verifier::builder().policy(&policy, |_| Ok(issuer.key_source()))
    };
    let clock = Arc::new(issuer.clock().clone());
    let (verifier, replacer) = trusted("a").clock(clock).build_replaceable().expect("a policy");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..2 {
        let (verifier, issuer, stop) = (verifier.clone(), issuer.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let (mut of_a, mut of_b, mut number) = (0, 0, 0);
            while !stop.load(Ordering::Relaxed) || of_a == 0 || of_b == 0 {
                number += 1;
                // Some tokens are new, and some cached.
                let draft = issuer.token().claim("aud", ["a", "b"]).claim("jti", format!("{task}-{}", number / 3));
                let draft = draft.claim("roles_of_a", ["a"]).claim("roles_of_b", ["b"]);
                let verified = verifier.verify(&draft.sign()).await.expect("both accept it");
                let roles: Vec<String> = verified.grants().roles.iter().map(ToString::to_string).collect();
                match roles.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["a"] => of_a += 1,
                    ["b"] => of_b += 1,
                    _ => panic!("{roles:?}"),
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    for round in 0..200 {
        replacer.replace(trusted(if round % 2 == 0 { "b" } else { "a" })).expect("a policy");
        tokio::time::sleep(Duration::from_millis(1)).await;
        // What is verified after a replacement is verified under the new policy.
        let now = if round % 2 == 0 { "b" } else { "a" };
        let draft = issuer.token().audience(now).claim(format!("roles_of_{now}"), ["x"]);
        assert!(verifier.verify(&draft.sign()).await.expect("its audience").grants().roles.contains("x"));
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// Keys that lack that of the test issuer.
fn other_keys() -> Arc<dyn KeySource> {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"other","x":"{x}"}}]}}"#);
    Arc::new(StaticKeys::from_set(KeySet::from_jwks(jwks.as_bytes()).expect("a key")))
}

/// A source whose refresh waits until the test lets it go on.
#[derive(Debug, Default)]
struct Slow {
    cell: KeyCell,
    asked: Notify,
    go_on: Notify,
}

impl KeySource for Slow {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            self.asked.notify_one();
            self.go_on.notified().await;
            RefreshOutcome::Refreshed
        })
    }
}

#[tokio::test]
async fn a_token_that_waits_for_keys_is_verified_under_the_policy_in_force_after_it() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("orders").sign();
    let slow = Arc::new(Slow::default());
    let trusted = |keys: Arc<dyn KeySource>, audience: &str| {
        Verifier::builder().trust(NeedsAudience::new(issuer.name(), keys).audience(audience))
    };
    let start = || {
        let builder = trusted(Arc::clone(&slow) as Arc<dyn KeySource>, "orders");
        builder.clock(Arc::new(issuer.clock().clone())).build_replaceable().expect("a policy")
    };
    for (keys, audience, expected) in [
        (issuer.key_source() as Arc<dyn KeySource>, "orders", "accepted"),
        (issuer.key_source() as Arc<dyn KeySource>, "billing", "wrong_audience"),
        // Another source was asked: it is not known whether this one has the key.
        (other_keys(), "orders", "keys_unavailable"),
        (Arc::new(StaticKeys::new([])) as Arc<dyn KeySource>, "orders", "keys_unavailable"),
    ] {
        let (verifier, replacer) = start();
        let verify = async { verifier.verify(&token).await.err().map_or("accepted", |error| error.code()) };
        let replace = async {
            slow.asked.notified().await;
            replacer.replace(trusted(keys, audience)).expect("a policy");
            slow.go_on.notify_one();
        };
        let (found, ()) = tokio::join!(verify, replace);
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_within_a_minute_of_a_policy_that_refuses_its_token() {
    let issuer = TestIssuer::new();
    let trusted = |audience: &str, roles: &str| {
        let roles = format!("authorities.roles_at = [\"{roles}\"]");
        let policy = countersign::policy::Policy::from_toml(&policy(audience, &roles)).expect("a policy");
        Verifier::builder().policy(&policy, |_| Ok(issuer.key_source()))
    };
    for (audience, roles, expected) in [("orders", "/roles", 290), ("billing", "/roles", 60), ("orders", "/groups", 60)]
    {
        let clock = Arc::new(issuer.clock().clone());
        let (verifier, replacer) = trusted("orders", "/roles").clock(clock).build_replaceable().expect("a policy");
        let (send, mut receive) = tokio::sync::mpsc::channel(1);
        let handler = move |end: TokenEnd| async move { send.send(end).await.expect("received") };
        let router = Router::new().route("/", get(handler)).layer(AuthenticateLayer::new(verifier));
        let token = issuer.token().audience("orders").role("clerk").sign();
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty());
        assert_eq!(router.oneshot(request.expect("a request")).await.expect("answered").status(), 200);
        let (end, start) = (receive.recv().await.expect("sent"), tokio::time::Instant::now());
        replacer.replace(trusted(audience, roles)).expect("a policy");
        let _ = tokio::time::timeout(Duration::from_secs(290), end.reached()).await;
        assert_eq!(start.elapsed().as_secs(), expected, "{audience} {roles}");
    }
}

/// A source that hangs, of an issuer that is new, stops neither the policy nor later reloads.
#[tokio::test(start_paused = true)]
async fn s15_10_a_key_source_that_hangs_does_not_stop_later_reloads() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("hangs"));
    folder.write(&policy("orders", ""));
    let keys = issuer.key_source();
    let file = PolicyFile::new(folder.file()).interval(Duration::from_secs(86_400)).clock(issuer.clock().clone());
    let watched = file.keys(move |of| match of.issuer.as_str() {
        "https://issuer.test" => Ok(Arc::clone(&keys)),
        _ => Ok(Arc::new(Slow::default()) as Arc<dyn KeySource>),
    });
    let watched = watched.build().expect("a policy");
    let other = "\n[[issuers]]\nissuer = \"https://two.test\"\naudience = \"orders\"\n";
    let limit = Duration::from_secs(60);
    folder.write(&policy("billing", other));
    let reloaded = tokio::time::timeout(limit, watched.reload()).await;
    assert_eq!(reloaded.expect("it ends"), Ok(true));
    folder.write(&policy("shipping", other));
    let reloaded = tokio::time::timeout(limit, watched.reload()).await;
    assert_eq!(reloaded.expect("it ends"), Ok(true));
    assert_eq!(code(watched.verifier(), &issuer.token().audience("shipping")).await, "accepted");
}

async fn until(verifier: &Verifier, is_reached: impl Fn(Option<String>) -> bool) {
    let health = Health::new(verifier);
    let reached = async {
        while !is_reached(health.policy_error().map(|error| error.to_string())) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("reached");
}

/// A function of the service that panics neither ends the watch nor goes unnoticed.
#[tokio::test]
async fn s15_10_a_reload_that_panics_is_reported_and_followed_by_others() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("panics"));
    folder.write(&policy("orders", ""));
    let keys = issuer.key_source();
    let file = PolicyFile::new(folder.file()).interval(Duration::from_millis(20)).clock(issuer.clock().clone());
    let watched = file.keys(move |of| {
        assert_ne!(of.issuer, "https://two.test", "a fault of the service");
        Ok(Arc::clone(&keys))
    });
    let watched = watched.build().expect("a policy");
    folder.write(&policy("billing", "\n[[issuers]]\nissuer = \"https://two.test\"\naudience = \"orders\"\n"));
    until(watched.verifier(), |error| error.is_some_and(|error| error.contains("panicked"))).await;
    folder.write(&policy("billing", ""));
    until(watched.verifier(), |error| error.is_none()).await;
    assert_eq!(code(watched.verifier(), &issuer.token().audience("billing")).await, "accepted");
}

/// The file is not watched any more once the runtime has ended that the policy was built on.
#[tokio::test]
async fn s15_10_a_watch_that_has_ended_is_reported() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("ended"));
    folder.write(&policy("orders", ""));
    let (of_issuer, path) = (issuer.clone(), folder.file());
    let built = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { watch(&of_issuer, &path) })
    });
    let watched = built.join().expect("no panic").expect("a policy");
    let health = Health::new(watched.verifier());
    let error = || health.policy_error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error().contains("not watched any more"), "{}", error());
    folder.write(&policy("billing", ""));
    assert_eq!(watched.reload().await, Ok(true));
    assert!(error().contains("not watched any more"), "by hand only: {}", error());
}
