//! `countersign verify` and `decode`, run as a binary: the contract that scripts depend on.

use std::time::Duration;

use crate::run::{Output, assert_form, countersign, countersign_with, file};
use countersign_core::clock::Clock;
use countersign_core::key::Algorithm;
use countersign_test::{Attack, Provider, TestIssuer};
use serde_json::{Value, json};

/// Verifies `token` with the issuer's key set and more options.
fn verify(issuer: &TestIssuer, token: &str, more: &[&str]) -> Output {
    let jwks = file("jwks", &issuer.jwks());
    let now = issuer.clock().now().as_secs().to_string();
    let asked = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--now", &now, "--json"];
    let jwks_option = ["--jwks", jwks.path()];
    countersign(&[&asked, &jwks_option[..], more].concat(), token)
}

fn good(issuer: &TestIssuer) -> String {
    issuer.token().subject("ann").audience("orders").sign()
}

#[test]
fn a_good_token_is_accepted_with_every_check() {
    let issuer = TestIssuer::new();
    let answer = verify(&issuer, &good(&issuer), &[]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    let report = answer.json();
    assert_eq!(report["verdict"], "accepted");
    assert_eq!(report["claims"]["sub"], "ann");
    assert_eq!(report["header"]["alg"], "ES256");
    let checks = report["checks"].as_array().expect("a list");
    assert_form("verify", &report);
    assert!(checks.len() > 10 && checks.iter().all(|check| check["outcome"] == "passed"));
}

#[test]
fn each_refusal_has_its_code_and_its_valid_counterpart_passes() {
    let issuer = TestIssuer::new();
    let draft = || issuer.token().audience("orders");
    let far = issuer.clock().now().as_secs() + 9_000;
    let tampered = {
        let token = good(&issuer);
        let other = draft().subject("eve").sign();
        let parts: Vec<&str> = token.split('.').collect();
        let payload = other.split('.').nth(1).expect("three segments");
        format!("{}.{payload}.{}", parts[0], parts[2])
    };
    for (token, code) in [
        (draft().expired().sign(), "expired"),
        (draft().not_yet_valid().sign(), "not_yet_valid"),
        (draft().claim("iat", far).claim("exp", far + 60).sign(), "issued_in_future"),
        (issuer.token().audience("billing").sign(), "wrong_audience"),
        (issuer.clone().with_name("https://other.test").token().audience("orders").sign(), "unknown_issuer"),
        (TestIssuer::new().token().audience("orders").sign(), "bad_signature"),
        (draft().without_claim("exp").sign(), "missing_claim"),
        (draft().header("typ", "dpop+jwt").sign(), "wrong_type"),
        (tampered, "bad_signature"),
        ("not a token".to_owned(), "malformed"),
    ] {
        let answer = verify(&issuer, &token, &[]);
        let report = answer.json();
        assert_eq!((answer.code, report["verdict"].as_str()), (1, Some("rejected")), "{code}: {report}");
        assert_eq!(report["code"], code, "{report}");
        assert_form("verify", &report);
        assert!(report["message"].as_str().is_some_and(|message| !message.is_empty()));
        let mut checks = report["checks"].as_array().expect("a list").iter();
        let first = checks.find(|check| check["outcome"] == "failed").expect("a failed check");
        assert_eq!(first["code"], code, "the first failed check decides: {report}");
    }
    assert_eq!(verify(&issuer, &good(&issuer), &[]).code, 0);
}

#[test]
fn issuer_audience_and_keys_are_required() {
    for (asked, missing) in [
        (&["verify", "--audience", "a", "x"][..], "--issuer"),
        (&["verify", "--issuer", "i", "x"][..], "--audience"),
        (&["verify", "--issuer", "i", "--audience", "a", "x"][..], "--jwks"),
        (&["verify", "--issuer", "i", "--audience", "a", "--jwks", "/nonexistent", "x"][..], "/nonexistent"),
        (&["verify", "--issuer", "i", "--audience", "a", "--alg", "none", "x"][..], "none"),
        (&["verify", "--issuer", "http://id.example.com", "--audience", "a", "x"][..], "https"),
        (&["verify", "--bogus"][..], "--bogus"),
    ] {
        let answer = countersign(asked, "");
        assert_eq!(answer.code, 2, "{asked:?}");
        assert!(answer.stderr.contains(missing), "{asked:?}: {}", answer.stderr);
        assert!(answer.stdout.is_empty());
    }
}

#[test]
fn s3_17_types_pass_by_rule() {
    let issuer = TestIssuer::new();
    let typed = |name: &str| issuer.token().audience("orders").header("typ", name).sign();
    let absent = issuer.token().audience("orders").without_header("typ").sign();
    let id_token = issuer.token().audience("orders").header("typ", "JWT").claim("nonce", "n-1").sign();
    for (token, option, code) in [
        (&absent, None, 0),
        (&typed("JWT"), None, 0),
        (&typed("at+jwt"), None, 0),
        (&typed("dpop+jwt"), None, 1),
        (&typed("dpop+jwt"), Some("any"), 0),
        (&typed("dpop+jwt"), Some("dpop+jwt"), 0),
        (&typed("application/dpop+jwt"), Some("dpop+jwt"), 0),
        (&typed("JWT"), Some("dpop+jwt"), 1),
        (&typed("JWT"), Some("at+jwt"), 1),
        (&typed("at+jwt"), Some("at+jwt"), 0),
        (&typed("at+jwt"), Some("JWT"), 1),
        (&typed("JWT"), Some("JWT"), 1), // an access token, and JWT stands for ID tokens
        (&id_token, Some("JWT"), 0),
    ] {
        let more: Vec<&str> = option.map_or(Vec::new(), |name| vec!["--typ", name]);
        let answer = verify(&issuer, token, &more);
        assert_eq!(answer.code, code, "{option:?} {}", answer.stdout);
        if code == 1 {
            assert_eq!(answer.json()["code"], "wrong_type");
        }
    }
    let no_jti = issuer.token().audience("orders").without_claim("jti").sign();
    assert_eq!(verify(&issuer, &no_jti, &["--typ", "at+jwt"]).json()["code"], "missing_claim");
}

#[test]
fn leeway_and_now_decide_about_time() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("orders").lifetime(Duration::from_secs(60)).sign();
    let end = issuer.clock().now().as_secs() + 60;
    let jwks = file("jwks", &issuer.jwks());
    let verified = |now: u64, leeway: &[&str]| {
        let now = now.to_string();
        let asked = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--jwks", jwks.path(), "--now", &now];
        countersign(&[&asked[..], leeway].concat(), &token).code
    };
    assert_eq!([verified(end + 29, &[]), verified(end + 30, &[])], [0, 1]);
    assert_eq!([verified(end - 1, &["--leeway", "0"]), verified(end, &["--leeway", "0"])], [0, 1]);
    assert_eq!(verified(end, &["--leeway", "301"]), 2);
}

#[test]
fn every_asymmetric_algorithm_is_allowed_by_default_and_a_list_restricts_it() {
    for algorithm in [Algorithm::RS256, Algorithm::PS384, Algorithm::ES512, Algorithm::EdDSA, Algorithm::MlDsa65] {
        let issuer = TestIssuer::with_algorithm(algorithm);
        let token = good(&issuer);
        assert_eq!(verify(&issuer, &token, &[]).code, 0, "{algorithm}");
        assert_eq!(verify(&issuer, &token, &["--alg", algorithm.name()]).code, 0, "{algorithm}");
        assert_eq!(verify(&issuer, &token, &["--alg", "ES256"]).json()["code"], "algorithm_not_allowed");
    }
}

#[test]
fn s2_24_s2_25_shared_secrets_need_their_algorithm_and_their_length() {
    use countersign_core::mint::{Draft, Signer};
    use countersign_core::secret::Secret;
    let signed = |bytes: &[u8]| {
        let signer = Signer::from_secret(Secret::new(bytes.to_vec()), Algorithm::HS256, "s1").expect("long enough");
        let end = countersign_core::clock::UnixTime::from_secs(1_700_000_300);
        Draft::access_token().issuer("svc").audience("orders").expires_at(end).sign(&signer).expect("signed")
    };
    let token = signed(&[7; 32]);
    let encoded = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let set = |bytes: &[u8]| json!({ "keys": [{ "kty": "oct", "kid": "s1", "k": encoded(bytes) }] }).to_string();
    let verified = |jwks: &str, more: &[&str]| {
        let jwks = file("oct", jwks);
        let asked = ["verify", "--issuer", "svc", "--audience", "orders", "--jwks", jwks.path(), "--now", "1700000000"];
        countersign(&[&asked[..], more].concat(), &token).code
    };
    assert_eq!(verified(&set(&[7; 32]), &["--alg", "HS256"]), 0);
    assert_eq!(verified(&set(&[8; 32]), &["--alg", "HS256"]), 1);
    assert_eq!(verified(&set(&[7; 32]), &[]), 1, "HMAC without --alg");
    for short in [0, 1, 31] {
        assert_eq!(verified(&set(&[7; 64][..short]), &["--alg", "HS256"]), 2, "{short} bytes");
    }
    assert_eq!(verified(&set(&[7; 32]), &["--alg", "HS256", "--alg", "ES256"]), 2, "S2.05: both kinds together");
}

#[test]
fn a_policy_file_supplies_what_options_do_not() {
    let issuer = TestIssuer::new();
    let jwks = file("jwks", &issuer.jwks());
    let policy = |more: &str| {
        let text = format!(
            "[[issuers]]\nissuer = \"{}\"\naudience = [\"orders\", \"billing\"]\nkeys.file = \"{}\"\n{more}",
            issuer.name(),
            jwks.path()
        );
        file("policy", &text)
    };
    let now = issuer.clock().now().as_secs().to_string();
    let verified = |policy: &str, more: &[&str]| {
        countersign(&[&["verify", "--policy", policy, "--now", &now][..], more].concat(), &good(&issuer)).code
    };
    assert_eq!(verified(policy("").path(), &[]), 0);
    assert_eq!(verified(policy("").path(), &["--audience", "other"]), 1, "an option overrides the file");
    assert_eq!(verified(policy("algorithms = [\"RS256\"]").path(), &[]), 1);
    assert_eq!(verified(policy("audiense = \"x\"").path(), &[]), 2, "a misspelt rule is never ignored silently");
}

#[test]
fn a_policy_of_several_issuers_is_read_as_by_services() {
    let (staff, partner) = (TestIssuer::new(), TestIssuer::new().with_name("https://partner.test"));
    let keys = |issuer: &TestIssuer| json!({ "inline": issuer.jwks() });
    let policy = json!({ "issuers": [
        { "issuer": staff.name(), "audience": "orders", "keys": keys(&staff), "profile": "access_token" },
        { "issuer": partner.name(), "audience": "orders", "keys": keys(&partner), "required_claims": ["plan"] },
    ] });
    let policy = file("policy", &policy.to_string());
    let now = staff.clock().now().as_secs().to_string();
    let verified = |token: &str, more: &[&str]| {
        countersign(&[&["verify", "--policy", policy.path(), "--now", &now, "--json"][..], more].concat(), token)
    };
    let plain = good(&partner);
    let planned = partner.token().audience("orders").claim("plan", "gold").sign();
    assert_eq!([verified(&good(&staff), &[]).code, verified(&planned, &[]).code], [0, 0], "one policy, both issuers");
    assert_eq!(verified(&plain, &[]).json()["code"], "missing_claim", "every rule of the policy applies");
    let foreign = partner.clone().with_name(staff.name()).token().audience("orders").sign();
    assert_eq!(verified(&foreign, &[]).json()["code"], "bad_signature", "keys belong to their issuer");
    assert_eq!(
        verified(&planned, &["--issuer", staff.name()]).json()["code"],
        "unknown_issuer",
        "one issuer is selected"
    );
    assert_eq!(verified(&planned, &["--issuer", "https://nobody.test"]).code, 2);
    let jwks = file("jwks", &staff.jwks());
    assert_eq!(
        verified(&good(&staff), &["--jwks", jwks.path()]).code,
        2,
        "ambiguous: the keys belong to one of several issuers"
    );
    assert_eq!(verified(&good(&staff), &["--jwks", jwks.path(), "--issuer", staff.name()]).code, 0);
    let missing = countersign(&["verify", "--policy", "/nonexistent"], "x");
    assert!(missing.code == 2 && missing.stderr.contains("/nonexistent"));
    let absent = json!({ "issuers": [{ "issuer": "i", "audience": "a", "keys": { "file": "/nonexistent" } }] });
    let absent = file("policy", &absent.to_string());
    assert_eq!(countersign(&["verify", "--policy", absent.path()], &plain).code, 2, "an unreadable file");
}

#[test]
fn every_command_is_documented() {
    let help = countersign(&["--help"], "").stdout;
    let documents = include_str!("../../../../docs/cli.md");
    let (_, commands) = help.split_once("Commands:").expect("a list");
    let (commands, _) = commands.split_once("Options:").expect("an end");
    let names: Vec<&str> = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names.into_iter().filter(|name| !name.is_empty() && *name != "help") {
        assert!(documents.contains(&format!("`{name}")), "{name} is not in docs/cli.md");
        let page = countersign(&["man", name], "").stdout;
        assert!(page.contains("Exit codes"), "{name}: the exit codes are on each page");
        assert!(countersign(&[name, "--help"], "").stdout.contains("Exit codes"), "{name}");
    }
}

#[test]
fn unreachable_keys_are_undecided() {
    let issuer = TestIssuer::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener); // the port is closed now
    let url = format!("http://{address}/jwks");
    let now = issuer.clock().now().as_secs().to_string();
    let asked = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--jwks", &url, "--now", &now, "--json"];
    let answer = countersign(&asked, &good(&issuer));
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    assert_eq!(answer.json()["code"], "keys_unavailable");
    assert_eq!(answer.json()["verdict"], "undecided");
    assert_form("verify", &answer.json());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keys_are_found_by_discovery_and_by_url() {
    let provider = Provider::start(&TestIssuer::new()).await.expect("a port");
    let issuer = provider.issuer().clone();
    let token = issuer.token().audience("orders").sign();
    let now = issuer.clock().now().as_secs().to_string();
    let name = issuer.name().to_owned();
    let codes = tokio::task::spawn_blocking(move || {
        let asked = ["verify", "--issuer", &name, "--audience", "orders", "--now", &now];
        [&["--discover"][..], &[]].map(|more| countersign(&[&asked[..], more].concat(), &token).code)
    });
    assert_eq!(codes.await.expect("ran"), [0, 0]);
}

#[test]
fn a_batch_is_reported_line_by_line_in_order() {
    let issuer = TestIssuer::new();
    let token = good(&issuer);
    let expired = issuer.token().audience("orders").expired().sign();
    let lines = format!("{token}\n{expired}\n\nnonsense\n{token}");
    let answer = verify(&issuer, &lines, &["--batch"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let verdicts: Vec<Value> =
        answer.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    let codes: Vec<&str> = verdicts.iter().map(|verdict| verdict["code"].as_str().unwrap_or("accepted")).collect();
    assert_eq!(codes, ["accepted", "expired", "malformed", "malformed", "accepted"]);
}

/// The rate is printed, not asserted: `cargo test --release -p countersign-cli --test verify hundred -- --nocapture`.
#[test]
fn a_large_batch_is_reported_line_by_line() {
    let lines_sent = countersign_tests::repeats(10_000, 100_000);
    let issuer = TestIssuer::new();
    let tokens: Vec<String> = (0..1_000).map(|_| good(&issuer)).collect();
    let expired = issuer.token().audience("orders").expired().sign();
    let line = |index: usize| if index % 1_000 == 999 { expired.as_str() } else { tokens[index % 1_000].as_str() };
    let lines: String = (0..lines_sent).flat_map(|index| [line(index), "\n"]).collect();
    let started = std::time::Instant::now();
    let answer = verify(&issuer, &lines, &["--batch"]);
    let took = started.elapsed();
    assert_eq!(answer.code, 0);
    let mut answered = 0;
    for (index, verdict) in answer.stdout.lines().enumerate() {
        let is_expired = verdict.starts_with("{\"verdict\":\"rejected\",\"code\":\"expired\"");
        assert_eq!(is_expired, index % 1_000 == 999, "{index}: {verdict}");
        assert!(is_expired || verdict.starts_with("{\"verdict\":\"accepted\""), "{index}: {verdict}");
        answered += 1;
    }
    assert_eq!(answered, lines_sent);
    let rate = u128::try_from(lines_sent).expect("small") * 1_000 / took.as_millis().max(1);
    println!("{lines_sent} tokens (ES256) in {took:?}: {rate} a second, whole process with every check reported");
}

#[test]
fn decode_shows_and_checks_only_the_signature() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("orders").expired().sign();
    let jwks = file("jwks", &issuer.jwks());
    let other = file("other", &TestIssuer::new().jwks());
    let state = |more: &[&str]| countersign(&[&["decode", "--json"][..], more].concat(), &token).json();
    assert_eq!(state(&[])["signature"], "unchecked");
    assert_eq!(state(&["--jwks", jwks.path()])["signature"], "valid");
    assert_eq!(state(&["--jwks", other.path()])["signature"], "invalid");
    assert_eq!(state(&[])["payload"]["aud"], "orders");
    assert_form("decode", &state(&["--jwks", jwks.path()]));
    let text = countersign(&["decode"], &format!("Authorization: Bearer {token}\n"));
    assert!(text.stdout.contains("NOT VERIFIED"), "{}", text.stdout);
    assert!(text.stdout.contains("ago") && !text.stdout.contains('\u{1b}'), "readable times, and no colour in a pipe");
}

#[test]
fn s10_13_no_output_contains_a_signature_and_decoded_claims_are_marked_unverified() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("orders").sign();
    let signature = token.rsplit('.').next().expect("a signature");
    let jwks = file("jwks", &issuer.jwks());
    let verify = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--jwks", jwks.path()];
    for more in [&[][..], &["--json"]] {
        for command in [&["decode"][..], &["decode", "--jwks", jwks.path()], &verify] {
            let answer = countersign(&[command, more].concat(), &token);
            assert!(answer.stdout.contains("orders"), "the claims are shown: {} {}", answer.stdout, answer.stderr);
            assert!(!format!("{}{}", answer.stdout, answer.stderr).contains(signature), "{command:?} {more:?}");
        }
    }
    assert!(countersign(&["decode"], &token).stdout.contains("NOT VERIFIED"));
}

#[test]
fn decode_accepts_any_payload_and_decodes_as_far_as_possible() {
    let encoded = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    let plain = format!("{}.{}.AAAA", encoded(r#"{"alg":"HS256"}"#), encoded("It’s a dangerous business"));
    let answer = countersign(&["decode", "--json"], &plain);
    assert_eq!((answer.code, &answer.json()["payload"]), (0, &json!("It’s a dangerous business")));
    let broken = format!("{}.{}!x.AAAA", encoded(r#"{"alg":"ES256"}"#), encoded(r#"{"sub":"ann"}"#));
    let answer = countersign(&["decode", "--json"], &broken);
    assert_eq!(answer.code, 1);
    assert_eq!(answer.json()["header"]["alg"], "ES256");
    assert!(answer.json()["faults"][0].as_str().is_some_and(|fault| fault.contains("byte 39")), "{}", answer.stdout);
}

#[test]
fn a_token_as_an_argument_causes_a_warning_about_the_history() {
    let issuer = TestIssuer::new();
    let token = good(&issuer);
    let answer = countersign(&["decode", "--json", &token], "");
    assert_eq!(answer.code, 0);
    assert!(answer.stderr.contains("history"));
    assert!(!countersign(&["decode", "--json", "-"], &token).stderr.contains("history"));
    let from_environment = countersign_with(&["decode", "--json"], "", &[("COUNTERSIGN_TOKEN", &token)]);
    assert_eq!((from_environment.code, from_environment.stderr.as_str()), (0, ""));
    let token_file = file("token", &token);
    assert_eq!(countersign(&["decode", "--json", &format!("@{}", token_file.path())], "").code, 0);
}

#[test]
fn completions_and_man_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(countersign(&["completions", shell], "").stdout.contains("verify"), "{shell}");
    }
    let page = countersign(&["man", "verify"], "").stdout;
    assert!(page.contains(".TH") && page.contains("Exit codes"), "{page}");
}

#[test]
fn a_policy_is_a_table_within_a_larger_file() {
    let issuer = TestIssuer::with_system_clock();
    let inline = json!(issuer.jwks()).to_string();
    let policy = format!("issuer = \"{}\"\naudience = \"orders\"\nkeys = {{ inline = {inline} }}\n", issuer.name());
    let config = file(
        "app.toml",
        &format!("port = 80\n[auth]\nmode = \"x\"\n[services.auth]\n[[services.auth.issuers]]\n{policy}"),
    );
    let token = good(&issuer);
    for command in [&["verify"][..], &["explain", "--path", "/"], &["policy", "check", config.path()]] {
        let mut arguments = command.to_vec();
        if command[0] != "policy" {
            arguments.extend(["--policy", config.path()]);
        }
        let without =
            countersign(&[&arguments[..], if command[0] == "policy" { &[] } else { &["-"] }].concat(), &token);
        assert_ne!(without.code, 0, "the whole file is no policy");
        arguments.extend(["--at", "services.auth"]);
        let found = countersign(&[&arguments[..], if command[0] == "policy" { &[] } else { &["-"] }].concat(), &token);
        assert_eq!(found.code, 0, "{command:?}: {} {}", found.stdout, found.stderr);
        *arguments.last_mut().expect("one") = "service.auth";
        let missing = countersign(&arguments, &token);
        let text = format!("{}{}", missing.stdout, missing.stderr);
        assert!(missing.code != 0 && text.contains("not found; tables there: auth, services"), "{text}");
        assert!(!text.contains("policy: policy:"), "{text}");
    }
}

#[test]
fn the_report_for_people_says_each_thing_once_and_times_in_words() {
    let issuer = TestIssuer::with_system_clock();
    let jwks = file("jwks", &issuer.jwks());
    let shown = |token: &str| {
        let options = ["verify", "--issuer", issuer.name(), "--audience", "orders", "--jwks", jwks.path(), "-"];
        countersign(&options, token).stdout
    };
    let text = shown(&issuer.token().subject("ann").audience("billing").sign());
    assert_eq!(text.matches("expected orders").count(), 1, "{text}");
    assert!(text.contains("FAIL audience             orders; found \"billing\"\n"), "{text}");
    assert!(text.contains("subject              found \"ann\""), "{text}");
    let expiry = text.lines().find(|line| line.contains(" expiry ")).expect("a line");
    assert!(expiry.contains("Z, in ") && expiry.contains("found 20"), "{expiry}");
    let other = shown(&issuer.clone().with_name("https://other.test").token().audience("orders").sign());
    assert!(other.contains("no key was needed"), "{other}");
    let accepted = shown(&good(&issuer));
    assert!(accepted.contains("\nkeys from "), "{accepted}");
    assert!(accepted.contains("found scopes none; roles none; tenant none\n"), "{accepted}");
    let unknown = shown(&issuer.token().audience("orders").hostile(Attack::UnknownKid).sign());
    assert!(unknown.contains("unknown_key") && unknown.contains("\nkeys from "), "{unknown}");
    assert_eq!(shown(&format!("Bearer {}", good(&issuer))).lines().next(), accepted.lines().next());
}
