//! S3, whose token it is and for whom: `iss`, `aud`, `typ`, the kinds of token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::SystemClock;
use countersign::key::{
    Algorithm, KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason, SourceContext, StaticKeys,
};
use countersign::policy::{NeedsAudience, Profile, TrustedIssuer, danger};
use countersign::verify::Verifier;
use countersign_core::integration::{IssuerLookup, IssuerSource, ResolvedIssuer};
use serde_json::{Value, json};

use super::fixture::{
    AUDIENCE, ISSUER, OK, T, builder_at, built, code, code_of, faulty_fields, keys, new_key, policy, public, valid,
    verifier, with_signature,
};

/// CVE-2024-53861 (compared by substring), CVE-2024-5037.
#[test]
fn s3_11_the_issuer_is_equal_code_point_by_code_point() {
    for other in [
        "https://issuer.test/",
        "https://issuer.test:443",
        "https://ISSUER.test",
        "HTTPS://issuer.test",
        "http://issuer.test",
        "https://issuer%2Etest",
        "https://issuer.test.evil",
        "https://issuer.test@evil",
        "https://issuer.tes",
        "issuer.test",
        " https://issuer.test",
        "https://issuer.test ",
        "https://issuer.test\u{0}",
        "https://ıssuer.test",
        "https://issuer.test#x",
        "",
    ] {
        assert_eq!(code_of(&valid().claim("iss", other).sign()), "unknown_issuer", "{other:?}");
    }
    assert_eq!(code_of(&valid().without("iss").sign()), "missing_claim");
    assert_eq!(code_of(&valid().sign()), OK);
}

/// CVE-2025-30144, CVE-2026-75509: a list of issuers, one of them ours.
#[test]
fn s3_12_the_issuer_is_one_string() {
    for wrong in [json!([ISSUER, "https://evil"]), json!([ISSUER]), json!({}), json!(1), json!(null), json!(true)] {
        assert_eq!(code_of(&valid().claim("iss", wrong.clone()).sign()), "invalid_claim", "{wrong}");
    }
    assert_eq!(code_of(&valid().claim("iss", ISSUER).sign()), OK);
}

/// CVE-2024-8901, and the caches of CVE-2025-59936 and CVE-2026-49998 that knew keys by `kid` alone.
#[test]
fn s3_13_the_key_belongs_to_the_issuer() {
    const OTHER: &str = "https://other.test";
    let (ours, theirs) = (new_key(Algorithm::ES256, "same"), new_key(Algorithm::ES256, "same"));
    let trusted =
        |issuer: &str, key| NeedsAudience::new(issuer, Arc::new(StaticKeys::new([public(key)]))).audience(AUDIENCE);
    let token = |issuer: &str, key| valid().claim("iss", issuer).by(key);
    for order in [[true, false], [false, true]] {
        let both = builder_at(T).cache_bytes(1 << 20).trust(trusted(ISSUER, &ours)).trust(trusted(OTHER, &theirs));
        let both = built(both);
        for ours_first in order {
            let warm = if ours_first { token(ISSUER, &ours) } else { token(OTHER, &theirs) };
            assert_eq!(code(&both, &warm), OK);
        }
        assert_eq!(code(&both, &token(ISSUER, &theirs)), "bad_signature");
        assert_eq!(code(&both, &token(OTHER, &ours)), "bad_signature");
        assert_eq!(code(&both, &token(ISSUER, &ours)), OK);
    }
}

/// Counts how often it is asked for keys that it does not have.
#[derive(Debug)]
pub struct CountingKeys {
    cell: KeyCell,
    pub asked: AtomicUsize,
}

impl CountingKeys {
    pub fn new(set: KeySet) -> Arc<Self> {
        let keys = CountingKeys { cell: KeyCell::new(), asked: AtomicUsize::new(0) };
        keys.cell.store(Arc::new(set), None);
        Arc::new(keys)
    }

    pub fn trusted(self: &Arc<Self>) -> TrustedIssuer {
        NeedsAudience::new(ISSUER, Arc::clone(self) as Arc<dyn KeySource>).audience(AUDIENCE)
    }
}

impl KeySource for CountingKeys {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(RefreshOutcome::Refreshed))
    }
}

/// As a service judges it: with a look for keys where they are missing.
pub fn code_with_looks(verifier: &Verifier, token: &str) -> &'static str {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(verifier.verify(token)).map_or_else(|refused| refused.code(), |_| OK)
}

#[test]
fn s3_14_an_unknown_issuer_starts_nothing() {
    let k1 = &super::fixture::keys().k1;
    let keys = CountingKeys::new(KeySet::new([public(k1)]));
    let verifier = built(builder_at(T).trust(keys.trusted()));
    for name in ["https://elsewhere.test", "https://issuer.test*", "https://issuer.tes?", ".*", "https://issuer"] {
        let token = valid().claim("iss", name).header("kid", "unknown").sign();
        assert_eq!(code_with_looks(&verifier, &token), "unknown_issuer", "{name}");
        let unsigned = with_signature(&token, &[1; 64]);
        assert_eq!(code_with_looks(&verifier, &unsigned), "unknown_issuer", "{name}");
    }
    assert_eq!(keys.asked.load(Ordering::Relaxed), 0);
    assert_eq!(code_with_looks(&verifier, &valid().sign()), OK);
    assert_eq!(code_with_looks(&verifier, &valid().header("kid", "unknown").sign()), "unknown_key");
    assert_eq!(keys.asked.load(Ordering::Relaxed), 1, "a trusted issuer's unknown key is looked for");
}

/// CVE-2020-26160 (a list taken for an empty match).
#[test]
fn s3_15_the_audience_names_us() {
    for wrong in [
        json!([]),
        json!(""),
        json!([""]),
        json!(null),
        json!({}),
        json!({ AUDIENCE: true }),
        json!(true),
        json!(1),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
        json!([AUDIENCE, null]),
        json!("https://api.test.evil"),
        json!("https://api.test/"),
        json!("HTTPS://API.TEST"),
        json!("https://api.tes"),
        json!(" https://api.test"),
        json!("https://api.test https://other.test"),
        json!(["https://api.test,https://other.test"]),
        json!(["x", "y"]),
    ] {
        assert_eq!(code_of(&valid().claim("aud", wrong.clone()).sign()), "wrong_audience", "{wrong}");
    }
    assert_eq!(code_of(&valid().without("aud").sign()), "wrong_audience");
    for right in [json!(AUDIENCE), json!([AUDIENCE]), json!(["x", AUDIENCE]), json!([AUDIENCE, "x", "y", "z"])] {
        assert_eq!(code_of(&valid().claim("aud", right.clone()).sign()), OK, "{right}");
    }
}

/// Each beside a twin that can serve.
#[test]
fn s3_20_settings_that_can_only_be_mistakes_are_refused_when_built() {
    let named = |issuer: &str| {
        let keys = Arc::new(StaticKeys::new([public(&keys().k1)]));
        faulty_fields(NeedsAudience::new(issuer, keys).audience(AUDIENCE))
    };
    for good in [
        "https://id.test",
        "https://id.test/realms/a",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:1",
        "id",
    ] {
        assert_eq!(named(good), [""; 0], "{good}");
    }
    for bad in [
        "",
        "http://id.test",
        "http://localhost.id.test",
        "https://id.test?a",
        "https://id.test#a",
        "https://a@id.test",
    ] {
        assert_eq!(named(bad), ["issuer"], "{bad}");
    }
    for bad in ["i\nd", "i\"d", "i\\d"] {
        assert_eq!(named(bad), ["issuer"], "{bad}");
    }
    for (field, bad, twin) in [
        ("token_types", policy().token_type(""), policy().token_type("receipt+jwt")),
        ("token_types", policy().token_type("application/jwt"), policy().token_type("jwt")),
        ("token_types", policy().profile(Profile::Named), policy().profile(Profile::Named).token_type("receipt+jwt")),
        ("max_lifetime", policy().max_age(Duration::ZERO), policy().max_age(Duration::from_secs(1))),
        ("required_claim_values", policy().required_claim_value("", "a"), policy().required_claim_value("tid", "a")),
        ("required_claim_values", policy().required_claim_value("tid", ""), policy().required_claim_value("sub", "a")),
        ("required_claim_values", policy().required_claim_value("aud", "a"), policy().required_claim_value("acr", "a")),
        ("allowed_clients", policy().allowed_client(""), policy().allowed_client("web")),
        ("refused_subject_prefixes", policy().refused_subject_prefix(""), policy().refused_subject_prefix("svc:")),
    ] {
        assert_eq!(faulty_fields(bad), [field], "{field}");
        assert_eq!(faulty_fields(twin), [""; 0], "{field}");
    }
}

/// CVE-2025-62610, CVE-2026-50627, CVE-2023-22482, CVE-2026-30223: an audience that nobody compared.
#[test]
fn s3_16_no_verifier_without_an_audience() {
    assert_eq!(faulty_fields(policy()), [""; 0]);
    assert_eq!(faulty_fields(policy().add_audience("")), ["audience"]);
    let nameless = NeedsAudience::new(ISSUER, Arc::new(StaticKeys::new([]))).audience("");
    assert_eq!(faulty_fields(nameless), ["audience"]);
}

fn with_type(profile: Profile, typ: Option<Value>) -> &'static str {
    let token = match typ {
        Some(typ) => valid().header("typ", typ),
        None => valid().without_header("typ"),
    };
    code(&verifier(policy().profile(profile)), &token.sign())
}

/// CVE-2026-41164: another kind of token, replayed as an access token.
#[test]
fn s3_17_rfc_9068_takes_its_own_type_alone() {
    for right in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/At+Jwt"] {
        assert_eq!(with_type(Profile::AccessToken, Some(json!(right))), OK, "{right}");
    }
    for wrong in [
        "JWT",
        "jwt",
        "application/jwt",
        "at+jwt; x=y",
        "application/application/at+jwt",
        "xat+jwt",
        "at+jwtx",
        "at jwt",
        " at+jwt",
        "at+jwt ",
        "",
        "application/",
    ] {
        assert_eq!(with_type(Profile::AccessToken, Some(json!(wrong))), "wrong_type", "{wrong:?}");
    }
    assert_eq!(with_type(Profile::AccessToken, None), "wrong_type");
    for no_string in [json!(1), json!(null), json!(["at+jwt"]), json!({}), json!(true)] {
        assert_eq!(with_type(Profile::AccessToken, Some(no_string.clone())), "malformed", "{no_string}");
    }
}

const OTHER_KINDS: [&str; 12] = [
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "oauth-authz-req+jwt",
    "client-authentication+jwt",
    "token-introspection+jwt",
    "txntoken+jwt",
    "wit+jwt",
    "wpt+jwt",
    "vc+jwt",
    "id_token+jwt",
    "unheard-of",
];

#[test]
fn s3_18_s3_30_the_compatible_profile_takes_no_other_kind_by_name() {
    for kind in OTHER_KINDS {
        for profile in [Profile::Compatible, Profile::AccessToken] {
            assert_eq!(with_type(profile, Some(json!(kind))), "wrong_type", "{profile:?} {kind}");
            let spelled = format!("Application/{}", kind.to_uppercase());
            assert_eq!(with_type(profile, Some(json!(spelled))), "wrong_type", "{profile:?} {spelled}");
        }
    }
    for typ in [None, Some(json!("JWT")), Some(json!("jwt")), Some(json!("at+jwt")), Some(json!("application/jwt"))] {
        assert_eq!(with_type(Profile::Compatible, typ.clone()), OK, "{typ:?}");
    }
}

/// RFC 8725bis §3.12: a service that takes one other kind takes no access tokens by it.
#[test]
fn s3_30_a_named_type_is_taken_alone_or_beside_those_of_the_profile() {
    for kind in OTHER_KINDS.into_iter().filter(|kind| *kind != "txntoken+jwt") {
        let (alone, beside) = (verifier(policy().profile(Profile::Named).token_type(kind)), policy().token_type(kind));
        let (beside, any) = (verifier(beside), verifier(danger::any_type(policy())));
        let signed = |typ: &str| valid().header("typ", json!(typ)).sign();
        let of_kind = signed(&format!("application/{}", kind.to_uppercase()));
        for verifier in [&alone, &beside, &any] {
            assert_eq!(code(verifier, &of_kind), OK, "{kind}");
        }
        assert_eq!((code(&alone, &signed("at+jwt")), code(&beside, &signed("at+jwt"))), ("wrong_type", OK), "{kind}");
        assert_eq!((code(&beside, &signed("else+jwt")), code(&any, &signed("else+jwt"))), ("wrong_type", OK), "{kind}");
        assert_eq!(code(&alone, &valid().without_header("typ").sign()), "wrong_type", "{kind}");
    }
    for faulty in [policy().profile(Profile::Named), policy().token_type(""), policy().token_type("application/x+jwt")]
    {
        assert_eq!(Verifier::new(faulty).expect_err("faulty").faults()[0].field, "token_types");
    }
}

/// A transaction token identifies no caller, so no policy of access tokens can take it.
#[test]
fn s3_30_s9_08_a_transaction_token_is_taken_by_no_policy_of_access_tokens() {
    let any = verifier(danger::any_type(policy()));
    for typ in ["txntoken+jwt", "application/TxnToken+JWT", "txn_token+jwt"] {
        assert_eq!(code(&any, &valid().header("typ", json!(typ)).sign()), "wrong_type", "{typ}");
    }
    for typ in ["txntoken+jwt", "TXNTOKEN+jwt", "txn_token+jwt"] {
        for faulty in [policy().profile(Profile::Named).token_type(typ), policy().token_type(typ)] {
            assert_eq!(Verifier::new(faulty).expect_err("faulty").faults()[0].field, "token_types", "{typ}");
        }
    }
}

#[test]
fn s3_19_an_id_token_is_no_access_token() {
    for profile in [Profile::Compatible, Profile::AccessToken] {
        let verifier = verifier(policy().profile(profile));
        for name in ["nonce", "at_hash", "c_hash"] {
            for value in [json!("n-0S6"), json!(null), json!("")] {
                assert_eq!(code(&verifier, &valid().claim(name, value).sign()), "id_token", "{profile:?} {name}");
            }
        }
        assert_eq!(code(&verifier, &valid().claim("aud", "c1").sign()), "wrong_audience", "for its client alone");
        assert_eq!(code(&verifier, &valid().sign()), OK);
    }
}

/// A source that has one answer, whatever it is asked.
#[derive(Debug)]
struct OneAnswer(Arc<ResolvedIssuer>);

impl IssuerSource for OneAnswer {
    fn lookup(&self, _name: &str) -> IssuerLookup {
        IssuerLookup::Trusted(Arc::clone(&self.0))
    }

    fn resolve<'a>(&'a self, _name: &'a str) -> RefreshFuture<'a> {
        Box::pin(std::future::ready(RefreshOutcome::Refreshed))
    }
}

#[test]
fn s3_11_s3_13_a_source_that_answers_with_another_issuer_is_not_believed() {
    let by = |answer: TrustedIssuer| {
        let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
        let source = OneAnswer(Arc::new(ResolvedIssuer::new(answer, &context).expect("a policy")));
        builder_at(T).trust_resolved(Arc::new(source))
    };
    let named =
        |issuer: &str| NeedsAudience::new(issuer, Arc::new(StaticKeys::new([public(&keys().k1)]))).audience(AUDIENCE);
    assert_eq!(code(&built(by(named(ISSUER))), &valid().sign()), OK);
    assert_eq!(code(&built(by(named("https://other.test"))), &valid().sign()), "unknown_issuer");
    let weakened = || danger::any_type(named(ISSUER));
    assert_eq!(code(&built(by(weakened())), &valid().sign()), OK);
    assert_eq!(code(&built(by(weakened()).deny_danger()), &valid().sign()), "unknown_issuer", "danger is denied");
}
