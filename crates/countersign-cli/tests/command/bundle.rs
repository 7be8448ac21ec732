//! `countersign bundle`, run as a binary.

use crate::run::{assert_form, countersign, file, new_path};
use serde_json::Value;

const POLICY: &str = "[[issuers]]\nissuer = \"https://id.example.com\"\naudience = \"orders\"\n";
const WIDER: &str =
    "[[issuers]]\nissuer = \"https://id.example.com\"\naudience = [\"orders\", \"billing\"]\nleeway_seconds = 5\n";
const FLEET: &str = "shop-production";

#[test]
fn s14_01_a_policy_is_signed_verified_shown_and_compared() {
    let (key, policy, wider) = (new_path("bundle-key"), file("policy", POLICY), file("policy", WIDER));
    let pins = countersign(&["bundle", "keygen", "--out", key.path()], "");
    assert_form("jwks", &pins.json());
    assert!(pins.json()["keys"][0].get("d").is_none(), "public only");
    let pins = file("pins", &pins.stdout);
    let again = countersign(&["bundle", "keygen", "--out", key.path()], "");
    assert_eq!(again.code, 2, "a key is never overwritten");

    let sign = |policy: &str, more: &[&str]| {
        let mut arguments = vec!["bundle", "sign", policy, "--key", key.path(), "--fleet", FLEET];
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let first = new_path("bundle");
    let signed = sign(policy.path(), &["--revision", "7", "--out", first.path()]);
    assert_eq!(signed.code, 0, "{}", signed.stderr);
    assert!(signed.stdout.starts_with("signed: revision 7 for shop-production\n"), "{}", signed.stdout);
    let next = sign(wider.path(), &["--after", first.path(), "--expires-in", "7d", "--json"]).json();
    assert_form("bundle_sign", &next);
    assert_eq!(next["revision"], 8);
    assert_eq!(
        next["expires_at"].as_u64().zip(next["created_at"].as_u64()).map(|(end, start)| end - start),
        Some(7 * 86_400)
    );
    let second = file("bundle", next["bundle"].as_str().expect("printed"));

    let verify = |bundle: &str, fleet: &str, more: &[&str]| {
        let mut arguments = vec!["bundle", "verify", bundle, "--keys", pins.path(), "--fleet", fleet];
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let accepted = verify(second.path(), FLEET, &["--after", first.path(), "--json"]);
    assert_form("bundle_verify", &accepted.json());
    assert_eq!((accepted.code, &accepted.json()["fingerprint"]), (0, &next["fingerprint"]));
    assert!(verify(first.path(), FLEET, &[]).stdout.starts_with("accepted: revision 7 for shop-production\n"));
    let expired = (next["expires_at"].as_u64().expect("a time")).to_string();
    let unsigned = file("policy", POLICY);
    for (code, output) in [
        ("bundle_wrong_fleet", verify(first.path(), "shop-test", &["--json"])),
        ("bundle_older_revision", verify(first.path(), FLEET, &["--after", second.path(), "--json"])),
        ("bundle_expired", verify(second.path(), FLEET, &["--now", &expired, "--json"])),
        ("bundle_not_yet_created", verify(second.path(), FLEET, &["--now", "1000000000", "--json"])),
        ("bundle_malformed", verify(unsigned.path(), FLEET, &["--json"])),
    ] {
        assert_form("bundle_verify", &output.json());
        assert_eq!((output.code, &output.json()["code"]), (1, &Value::from(code)), "{}", output.stdout);
    }

    // S14.07
    let shadow = new_path("bundle");
    let as_shadow = sign(wider.path(), &["--after", first.path(), "--shadow", "--out", shadow.path()]);
    assert!(
        as_shadow.stdout.starts_with("signed as a shadow: revision 8 for shop-production\n"),
        "{}",
        as_shadow.stdout
    );
    let accepted = verify(shadow.path(), FLEET, &["--shadow", "--json"]);
    assert_form("bundle_verify", &accepted.json());
    assert_eq!((accepted.code, &accepted.json()["revision"]), (0, &Value::from(8)));
    for (bundle, more) in [(shadow.path(), &["--json"][..]), (second.path(), &["--json", "--shadow"][..])] {
        let refused = verify(bundle, FLEET, more);
        assert_eq!((refused.code, &refused.json()["code"]), (1, &Value::from("bundle_wrong_type")));
    }

    let shown = countersign(&["bundle", "show", second.path()], "");
    assert!(shown.stdout.starts_with("NOT VERIFIED") && shown.stdout.contains("audience = ["), "{}", shown.stdout);
    assert_form("bundle_show", &countersign(&["bundle", "show", second.path(), "--json"], "").json());
    let changed = countersign(&["bundle", "diff", first.path(), second.path()], "");
    assert_eq!(changed.code, 1);
    assert_eq!(
        changed.stdout,
        "~ issuers / https://id.example.com / audience: \"orders\" -> [\"orders\",\"billing\"]\n\
         + issuers / https://id.example.com / leeway_seconds: 5\n"
    );
    let json = countersign(&["bundle", "diff", first.path(), second.path(), "--json"], "").json();
    assert_form("bundle_diff", &json);
    let equal = countersign(&["bundle", "diff", first.path(), policy.path()], "");
    assert_eq!((equal.code, equal.stdout.as_str()), (0, "the policies are equal\n"));
}

#[test]
fn s14_01_what_no_service_would_take_is_not_signed() {
    let key = new_path("bundle-key");
    assert_eq!(countersign(&["bundle", "keygen", "--out", key.path(), "--alg", "HS256"], "").code, 2);
    countersign(&["bundle", "keygen", "--out", key.path(), "--alg", "Ed25519"], "");
    let sign = |policy: &str, more: &[&str]| {
        let mut arguments = vec!["bundle", "sign", "-", "--key", key.path(), "--fleet", FLEET];
        arguments.extend_from_slice(more);
        countersign(&arguments, policy)
    };
    let good = sign(POLICY, &["--revision", "1"]);
    assert_eq!((good.code, good.stdout.matches('.').count()), (0, 2), "{}", good.stderr);
    let no_audience =
        sign("issuers = [{ issuer = \"https://id.example.com\", audience = \"\" }]", &["--revision", "1"]);
    assert_eq!((no_audience.code, no_audience.stdout.as_str()), (1, ""));
    assert!(no_audience.stderr.contains("audience"), "{}", no_audience.stderr);
    let weak = sign(&format!("{POLICY}danger_any_type = true\n"), &["--revision", "1"]);
    assert!(
        weak.code == 0 && weak.stderr.contains("weakened: https://id.example.com: danger_any_type"),
        "{}",
        weak.stderr
    );
    for more in [&["--revision", "0"][..], &[], &["--revision", "1", "--expires-in", "367d"], &["--after", "/nowhere"]]
    {
        assert_eq!((sign(POLICY, more).code, sign(POLICY, more).stdout), (2, String::new()), "{more:?}");
    }
    let foreign = new_path("bundle-key");
    countersign(&["bundle", "keygen", "--out", foreign.path()], "");
    let theirs = file(
        "bundle",
        &countersign(&["bundle", "sign", "-", "--key", foreign.path(), "--fleet", FLEET, "--revision", "9"], POLICY)
            .stdout,
    );
    let after = sign(POLICY, &["--after", theirs.path()]);
    assert!(after.code == 2 && after.stderr.contains("bundle_unknown_key"), "{}", after.stderr);
    for not_one in ["", "a.b.c", "e30.e30", POLICY] {
        assert_eq!(countersign(&["bundle", "show", "-"], not_one).code, 2, "{not_one}");
    }
}
