//! `countersign apikey`, run as a binary beside a service that takes the keys.

use std::path::PathBuf;
use std::time::Duration;

use crate::run::{assert_form, countersign, countersign_with};
use axum::Router;
use axum::routing::get;
use countersign::prelude::*;
use countersign_apikey::{ApiKeys, FileKeyStore, Pepper};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("apikey-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[tokio::test]
async fn s13_09_s13_10_keys_made_by_the_command_are_taken_by_a_running_service_until_it_revokes_them() {
    let folder = folder("service");
    let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let (file, pepper) = (path("keys.json"), path("pepper"));
    assert_eq!(countersign(&["apikey", "pepper", "--out", &pepper], "").code, 0);
    let place = ["--file", &file];
    let made = ["--pepper-file", &pepper, "--prefix", "shop"];
    let of = ["--client", "reports", "--audience", "orders", "--scope", "orders:read", "--note", "nightly\texport"];
    let create = |more: &[&str]| countersign(&[&["apikey", "create"], &place[..], &made, &of, more].concat(), "");

    let printed = create(&[]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let first = printed.stdout.trim_end().to_owned();
    assert!(first.starts_with("shop_") && printed.stderr.contains("of reports for orders, scopes orders:read"));
    assert!(!printed.stderr.contains(&first));
    let second = create(&["--json", "--expires-in", "7d"]).json();
    assert_form("apikey_created", &second);
    let out = path("third");
    let third = create(&["--out", &out, "--json"]);
    assert!(third.json().get("key").is_none() && !third.stdout.contains("shop_"));
    let third = std::fs::read_to_string(&out).expect("written");
    // No key is made whose text nobody gets.
    let again = create(&["--out", &out]);
    assert!(again.code == 2 && again.stderr.contains("third"), "{}", again.stderr);
    let second_id = second["id"].as_str().expect("an id");
    let rotate = [&["apikey", "rotate", second_id, "--out", &out], &place[..], &made].concat();
    assert_eq!(countersign(&rotate, "").code, 2);
    let unknown = path("unknown");
    let rotate = [&["apikey", "rotate", "0123456789abcdef", "--out", &unknown], &place[..], &made].concat();
    assert_eq!((countersign(&rotate, "").code, std::path::Path::new(&unknown).exists()), (1, false));

    let issuer = TestIssuer::with_system_clock();
    let pepper_of_file = Pepper::from_file(&pepper).expect("a pepper");
    let keys = ApiKeys::builder("https://shop.test/api-keys", FileKeyStore::new(&file), pepper_of_file).prefix("shop");
    let keys = keys.build().expect("keys");
    let verifier = Verifier::builder().trust(keys.issuer("orders")).clock(issuer.clock().clone()).build();
    let layer = AuthenticateLayer::builder(verifier.expect("a verifier")).api_keys(keys).build().expect("a layer");
    let orders = get(|claims: Claims| async move { claims.subject().to_owned() }).layer(require(scope("orders:read")));
    let service = Service::start(Router::new().route("/orders", orders).layer(layer)).await;
    let second_text = second["key"].as_str().expect("a key");
    for key in [first.as_str(), second_text, third.as_str()] {
        let answer = service.get("/orders", key).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "reports"));
    }

    let id = first.split('_').nth(1).expect("an id");
    let revoked = countersign(&["apikey", "revoke", "--file", &file, id], "");
    assert!(revoked.code == 0 && revoked.stdout.contains("revoked"), "{} {}", revoked.stdout, revoked.stderr);
    let rotate = ["apikey", "rotate", "--file", &file, "--overlap", "1h", second["id"].as_str().expect("an id")];
    let next = countersign(&[&rotate[..], &made].concat(), "").stdout;
    issuer.clock().advance(Duration::from_secs(6));
    assert_eq!(service.get("/orders", &first).await.status, 401);
    for key in [second_text, next.trim_end()] {
        assert_eq!(service.get("/orders", key).await.status, 200);
    }

    let listed = countersign(&["apikey", "list", "--file", &file, "--json"], "");
    assert_form("apikey_list", &listed.json());
    assert_eq!(listed.json()["keys"].as_array().expect("a list").len(), 4);
    let lines = countersign(&["apikey", "list", "--file", &file, "--client", "reports"], "").stdout;
    assert_eq!(lines.lines().count(), 4);
    assert!(lines.contains("note 'nightly") && !lines.contains('\t'), "{lines}");
    let stored = std::fs::read_to_string(&file).expect("a file");
    for text in [&first, second_text, &third, next.trim_end()] {
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!lines.contains(secret) && !listed.stdout.contains(secret) && !stored.contains(secret));
    }
    assert_eq!(countersign(&["apikey", "remove", "--file", &file, id], "").code, 0);
    let expired =
        countersign(&["apikey", "expire", "--file", &file, "--in", "1s", next.split('_').nth(1).expect("an id")], "");
    assert_eq!(expired.code, 0, "{}", expired.stderr);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_cannot_be_done_is_told_by_the_exit_code() {
    let folder = folder("faults");
    let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let (file, pepper) = (path("keys.json"), path("pepper"));
    let run = |arguments: &[&str]| countersign(&[&["apikey"], arguments].concat(), "");
    assert_eq!(run(&["list", "--file", &file]).code, 3, "there is no file");
    assert_eq!(run(&["list"]).code, 2, "no place");
    std::fs::write(&pepper, "short").expect("written");
    let create = ["create", "--file", &file, "--client", "a", "--audience", "orders", "--pepper-file", &pepper];
    let short = run(&create);
    assert!(short.code == 2 && short.stderr.contains("shorter than 32 bytes"), "{}", short.stderr);
    std::fs::write(&pepper, "p".repeat(32)).expect("written");
    let faulty = run(&[&create[..], &["--scope", "a b"]].concat());
    assert!(faulty.code == 2 && faulty.stderr.contains("scopes:"), "{}", faulty.stderr);
    assert_eq!(run(&create).code, 0);
    let unknown = run(&["revoke", "--file", &file, "nobody"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("not_found"), "{}", unknown.stderr);
    let unset = countersign_with(&["apikey", "list", "--postgres-env", "UNSET_KEYS"], "", &[]);
    assert!(unset.code == 2 && unset.stderr.contains("UNSET_KEYS"), "{}", unset.stderr);
    std::fs::remove_dir_all(folder).expect("removed");
}
