//! The last good bundle, with which a service starts while the source is down.

use std::time::Duration;

use countersign::health::Health;
use countersign::reload::PolicyBundle;

use crate::world::{Answer, Host, World, code};

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn s14_03_a_start_without_the_source_serves_the_last_good_bundle_and_then_follows_again() {
    let world = World::new("restart");
    let kept = world.file("last.jws");
    let host = Host::start(Answer::of(world.bundle(4, "orders"))).await;
    let settings = |url: String| world.service(PolicyBundle::from_url(url, world.pins())).last_good(&kept);
    let url = host.url();
    let service = settings(url.clone()).build().await.expect("a bundle");
    host.answer(Answer::of(world.bundle(5, "billing")));
    assert_eq!(service.pull().await, Ok(true));
    #[cfg(unix)]
    assert_eq!(mode(&kept), 0o600);
    assert_eq!(service.report().last_good_error, None);
    drop(service);
    let address = host.stop().await;

    let service = settings(url).build().await.expect("the last good bundle");
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "accepted");
    let error = Health::new(service.verifier()).policy_error().expect("the source is down").to_string();
    assert!(error.contains("policy_bundle"), "{error}");
    assert_eq!((service.revision(), service.report().pulled_at), (5, None));
    // The source is back: it is pulled after the back-off, not after the interval of an hour.
    let host = Host::start_at(address, Answer::of(world.bundle(6, "orders"))).await;
    while service.revision() != 6 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(host.counts().0 >= 1);
    assert_eq!(service.pull().await, Ok(false), "after the pull that put it in force, and its write");
    assert_eq!(service.verifier().policy_error(), None);
    assert_eq!(
        world.pins().verify_at_any_time(&std::fs::read_to_string(&kept).expect("kept")).expect("sound").revision(),
        6
    );
}

#[tokio::test]
async fn s14_03_a_file_that_was_tampered_with_is_not_taken() {
    let world = World::new("tampered");
    let good = world.bundle(4, "orders");
    let (head, tail) = good.split_at(good.len() / 2);
    let flipped = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    let down =
        || world.service(PolicyBundle::from_file(world.file("none"), world.pins())).last_good(world.file("last"));
    world.write("last", &good);
    assert!(down().build().await.is_ok(), "the counterpart is taken");
    for text in [flipped.as_str(), &World::policy("orders", "").to_json(), head, "", &"x".repeat(10 << 20)] {
        world.write("last", text);
        let error = down().build().await.expect_err("not taken");
        let fields: Vec<&str> = error.faults().iter().map(|fault| &*fault.field).collect();
        assert_eq!(fields, ["policy_bundle", "last_good"], "{error}");
    }
    // With a source, it is replaced.
    world.write("bundle", &world.bundle(5, "billing"));
    let up = world.service(PolicyBundle::from_file(world.file("bundle"), world.pins())).last_good(world.file("last"));
    let service = up.build().await.expect("a bundle");
    assert_eq!(service.revision(), 5);
    assert_eq!(std::fs::read_to_string(world.file("last")).expect("kept"), world.bundle_text("bundle"));
    // One whose time is over is not taken either.
    world.issuer.clock().advance(Duration::from_secs(31 * 86_400));
    let error = down().build().await.expect_err("expired").to_string();
    assert!(error.contains("bundle_expired"), "{error}");
}

#[tokio::test]
async fn s14_01_s14_03_a_restart_does_not_accept_an_older_revision() {
    let world = World::new("rollback");
    world.write("last", &world.bundle(5, "billing"));
    world.write("bundle", &world.bundle(4, "orders"));
    let settings =
        || world.service(PolicyBundle::from_file(world.file("bundle"), world.pins())).last_good(world.file("last"));
    let service = settings().build().await.expect("the last good one");
    assert_eq!(service.revision(), 5);
    let error = service.verifier().policy_error().expect("reported").to_string();
    assert!(error.contains("bundle_older_revision"), "{error}");
    // Also when the time of the newer one is over, there is no way back.
    world.issuer.clock().advance(Duration::from_secs(30 * 86_400));
    world.write("bundle", &world.bundle(4, "orders"));
    let error = settings().build().await.expect_err("neither").to_string();
    assert!(error.contains("bundle_older_revision") && error.contains("bundle_expired"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn s14_03_a_last_good_file_that_cannot_be_written_is_reported_and_does_not_stop_the_service() {
    let world = World::new("unwritable");
    world.write("bundle", &world.bundle(1, "orders"));
    let bundle = PolicyBundle::from_file(world.file("bundle"), world.pins());
    let settings = world.service(bundle).last_good(world.file("no/such/folder"));
    let service = settings.build().await.expect("a bundle");
    let problem = service.report().last_good_error.expect("reported");
    assert!(problem.contains("not writable"), "{problem}");
    world.write("bundle", &world.bundle(2, "orders"));
    assert_eq!(service.pull().await, Ok(true));
    std::fs::create_dir_all(world.file("no/such")).expect("a folder");
    assert_eq!(service.pull().await, Ok(false));
    assert_eq!(service.report().last_good_error, None, "the next pull tries again");
    assert_eq!(world.bundle_text("no/such/folder"), world.bundle_text("bundle"));
    // A link where the new file would be written is replaced, and not followed.
    std::os::unix::fs::symlink(world.file("victim"), world.file("last.new")).expect("a link");
    let bundle = PolicyBundle::from_file(world.file("bundle"), world.pins());
    world.service(bundle).last_good(world.file("last")).build().await.expect("a bundle");
    assert!(!world.file("victim").exists() && world.file("last").exists() && !world.file("last.new").exists());
}
