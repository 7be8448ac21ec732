//! PostgreSQL on another machine, and instances that hear of each other's changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::secret::Secret;
use countersign_issuer::PostgresStore;
use countersign_tests::authority::{authority, certificate};
use countersign_tests::peers::{Postgres, PostgresTls};
use countersign_tests::ports::free_port;

use crate::fresh::{clock, verifier};
use crate::store::{is_active, issuer, mint};

/// Long enough for a notification on a busy machine; the clock of the issuers stands still meanwhile.
const SOON: Duration = Duration::from_secs(20);

/// S15.10: the second instance is told, and does not wait for its next read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s15_10_a_key_revoked_in_the_database_is_refused_at_once_by_an_instance_that_hears_of_it() {
    let mut database = Postgres::start();
    let settings = Secret::from(database.settings());
    let clock = clock();
    let instance = || {
        let store = Arc::new(PostgresStore::connect(&settings).expect("a store"));
        issuer(store, |builder| builder.clock(Arc::new(clock.clone())))
    };
    let ((one, _), (other, credentials)) = (instance(), instance());
    let verifier = verifier(&other, &clock);
    for restarts in [false, true] {
        if restarts {
            database.kill();
            database.start_again();
            clock.advance(Duration::from_secs(6)); // the connection is opened again by a read that is due
            assert!(is_active(&other, &credentials, mint(&other).as_str()).await);
        }
        let leaked = mint(&one);
        assert!(verifier.verify(leaked.as_str()).await.is_ok());
        assert_eq!(one.revoke_key(leaked.key_id()), Ok(true));
        let began = Instant::now();
        while verifier.verify(leaked.as_str()).await.is_ok() {
            assert!(began.elapsed() < SOON, "accepted although the key was revoked; restarted: {restarts}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!is_active(&other, &credentials, leaked.as_str()).await);
        assert!(verifier.verify(mint(&one).as_str()).await.is_ok(), "the next key is known");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn a_database_is_reached_by_tls_only_if_its_certificate_has_its_name() {
    let (ours, strangers) = (authority("authority of tests"), authority("authority of tests"));
    let (server, client) = (certificate(&ours, "localhost"), certificate(&ours, "issuer"));
    let folder = std::env::temp_dir().join(format!("countersign-postgres-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let roots = file("ca.pem", &ours.pem());
    let other_roots = file("other.pem", &strangers.pem());
    let (chain, key) = (file("client.pem", &client.0), file("client.key", &client.1));
    let port = free_port();
    let tls =
        PostgresTls { certificate: &server.0, key: &server.1, clients: &ours.pem(), password: "pass word-of-tests" };
    let _database = Postgres::start_with_tls(port, &tls);
    let connect = |host: &str, roots: &str, rest: &str| {
        let text = format!("host={host} port={port} user=issuer dbname=postgres sslrootcert='{roots}' {rest}");
        PostgresStore::connect(&Secret::from(text)).map(drop).map_err(|error| error.to_string())
    };
    let password = "password='pass word-of-tests'";
    let own = format!("sslcert={chain} sslkey={key} {password}");
    assert_eq!(connect("localhost", &roots, &format!("{own} channel_binding=require")), Ok(()));
    let url = format!(
        "postgresql://issuer:pass%20word-of-tests@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={roots}&sslcert={chain}&sslkey={key}"
    );
    assert!(PostgresStore::connect(&Secret::from(url)).is_ok());
    for (host, roots, rest, reason) in [
        ("127.0.0.1", &roots, own.clone(), "TLS failed: invalid peer certificate: certificate not valid for name"),
        ("localhost", &other_roots, own.clone(), "TLS failed: invalid peer certificate: BadSignature"),
        ("localhost", &roots, password.to_owned(), "28000"), // no certificate
        ("localhost", &roots, format!("sslcert={chain} sslkey={key} password=hidden-value"), "28P01"),
        ("localhost", &roots, format!("sslcert={chain} sslkey={roots} {password}"), "sslkey cannot be read as PEM"),
    ] {
        let fault = connect(host, roots, &rest).expect_err(reason);
        assert!(fault.contains(reason) && !fault.contains("hidden-value"), "{reason}: {fault}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
