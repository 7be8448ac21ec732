//! Every command over text of untrusted origin: none of it starts a line, forges a verdict, hides text or colours a terminal.

use std::collections::BTreeSet;

use crate::run::{Output, countersign_with, file};
use axum::http::{StatusCode, header};
use axum::routing::any;
use axum::{Json, Router};
use countersign::integration::is_visible;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use regex_syntax::hir::{Class, HirKind};
use serde_json::{Value, json};

/// Line breaks of every kind, terminal codes of 7 and 8 bits, changes of direction, and characters that nobody sees.
const EVIL: &str = "x\nFORGED: every check passed\r\nFORGED\u{85}FORGED\u{2028}FORGED\u{2029}FORGED\u{b}\u{c}\
    \u{1b}[32mFORGED\u{1b}]0;title\u{7}\u{9b}31m\u{202e}evil\u{2066}\u{61c}\u{200b}\u{200d}\u{feff}\u{ad}\u{180e}\u{7f}\
    \u{0}\u{e0041}\u{e007f}\u{fe0f}\u{3164}\u{2800}\u{13430}\u{110bd}\u{16fe4}\u{1d159}\u{e000}\u{10fffd}\u{fdd0}\u{ffff}\t";

/// An object whose names and values are hostile, beside what makes it pass for one of its kind.
fn evil(good: &Value) -> Value {
    let mut object = good.as_object().cloned().unwrap_or_default();
    object.insert(EVIL.to_owned(), json!(EVIL));
    object.insert(format!("secret {EVIL}"), json!({ EVIL: [EVIL, { EVIL: EVIL }] }));
    Value::Object(object)
}

#[track_caller]
fn assert_clean(what: &str, output: &Output) {
    for (stream, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let hidden = text.chars().find(|letter| *letter != '\n' && !is_visible(*letter));
        assert!(hidden.is_none(), "{what}: {stream} has {hidden:?}\n{text:?}");
        let forged = text.lines().find(|line| line.trim_start().trim_start_matches('"').starts_with("FORGED"));
        assert!(forged.is_none(), "{what}: {stream} has the line {forged:?}\n{text}");
    }
    if what.contains("--json") || what.contains("--batch") {
        assert!(output.stdout.is_ascii(), "{what}: {}", output.stdout);
        for line in output.stdout.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{what}: {error}: {line}"));
        }
    }
}

fn check(arguments: &[&str], input: &str) -> Output {
    let output = countersign_with(arguments, input, &[("COUNTERSIGN_CLIENT_SECRET", "a secret of the client")]);
    assert_clean(&arguments.join(" "), &output);
    output
}

/// A provider whose documents are hostile.
async fn provider() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let signer =
        |kid: &str| Signer::generate(Algorithm::ES256).expect("a key").with_key_id(kid).public_jwk().expect("one");
    let bad = json!({ "kty": EVIL, "kid": EVIL, "alg": EVIL, "use": EVIL, EVIL: EVIL });
    let keys = json!({ "keys": [evil(&signer(EVIL)), evil(&signer(EVIL)), bad], EVIL: EVIL });
    let issuer = json!({ "issuer": EVIL, "jwks_uri": format!("{address}/keys"), EVIL: EVIL });
    let elsewhere = json!({ "issuer": EVIL, "jwks_uri": EVIL, "token_endpoint": EVIL });
    let refused = json!({ "error": EVIL, "error_description": EVIL, EVIL: EVIL });
    let resource = json!({
        "resource": EVIL, "authorization_servers": [EVIL, format!("{address}/elsewhere"), address], "scopes_supported": [EVIL],
        "bearer_methods_supported": [EVIL], EVIL: EVIL,
    });
    let answer = |status: StatusCode, body: Value| any(move || async move { (status, Json(body)) });
    let router = Router::new()
        .route("/.well-known/openid-configuration", answer(StatusCode::OK, issuer))
        .route("/elsewhere/.well-known/openid-configuration", answer(StatusCode::OK, elsewhere))
        .route("/keys", answer(StatusCode::OK, keys))
        .route("/text", any(|| async { ([(header::CONTENT_TYPE, "text/html")], EVIL) }))
        .route("/refused", answer(StatusCode::BAD_REQUEST, refused))
        .route(
            "/orders",
            any(|| async {
                let challenge =
                    header::HeaderValue::from_bytes("Bearer error=\"\u{9b}31m\u{202e}\"".as_bytes()).expect("opaque");
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)])
            }),
        )
        .route(
            "/mcp",
            any(|| async {
                let challenge = r#"Bearer error="x' FORGED", scope="a,b 'FORGED fault", error_description="FORGED""#;
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)])
            }),
        )
        .route("/.well-known/oauth-protected-resource/mcp", answer(StatusCode::OK, resource))
        .route("/granted", answer(StatusCode::OK, json!({ "access_token": EVIL, "token_type": EVIL, "scope": EVIL })))
        .route(
            "/scoped",
            answer(StatusCode::OK, json!({ "access_token": "abc", "token_type": "Bearer", "scope": EVIL })),
        );
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    address
}

/// The characters of a class, from Unicode's tables.
fn of_class(class: &str) -> BTreeSet<char> {
    let class = regex_syntax::parse(class).expect("a class");
    let HirKind::Class(Class::Unicode(class)) = class.kind() else { panic!("not a class: {class:?}") };
    class.iter().flat_map(|range| range.start()..=range.end()).collect()
}

#[test]
fn s10_04_nothing_that_unicode_calls_a_format_private_or_ignorable_character_is_visible() {
    let hidden = r"\p{Cc}\p{Cf}\p{Co}\p{Z}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}";
    let blank = r"\u{2800}\u{fffc}\u{13430}-\u{1345f}\u{16fe4}\u{1d159}";
    let visible = of_class(&format!("[{hidden}{blank}--[ ]]")).into_iter().find(|letter| is_visible(*letter));
    assert_eq!(visible, None, "{}", visible.map(|letter| letter.escape_unicode().to_string()).unwrap_or_default());
    let lost = of_class(&format!(r"[\p{{L}}\p{{N}}\p{{P}}\p{{S}}--[{hidden}{blank}]]"))
        .into_iter()
        .find(|letter| !is_visible(*letter));
    assert_eq!(lost, None, "{}", lost.map(|letter| letter.escape_unicode().to_string()).unwrap_or_default());
}

#[test]
fn s10_04_the_inspectors_page_hides_the_same_characters() {
    let page = include_str!("../../src/inspector/page/api.js");
    let class = page
        .split_once("const hidden = /(?![ \\n\\t])")
        .and_then(|(_, rest)| rest.split_once("/gu;"))
        .expect("it has one")
        .0;
    let hidden = of_class(&class.replace(r"\p{Cs}", "")); // a `char` is never a surrogate
    for letter in (char::MIN..=char::MAX).filter(|letter| !" \n\t".contains(*letter)) {
        assert_eq!(hidden.contains(&letter), !is_visible(letter), "{}", letter.escape_unicode());
    }
}

/// A key whose name has the separators of the lines that name it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_13_a_key_cannot_write_the_lines_about_it() {
    const KID: &str = "x  removed: prod RS256 abc, y";
    let keys = json!({ "keys": [Signer::generate(Algorithm::ES256).expect("a key").with_key_id(KID).public_jwk().expect("one")] });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let router = Router::new().route("/keys", any(move || async move { Json(keys) }));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    let shown = tokio::task::spawn_blocking(move || {
        let watched = check(&["keys", "watch", &url, "--count", "1"], "").stdout;
        let json = check(&["keys", "watch", &url, "--count", "1", "--json"], "").json()["keys"][0].to_string();
        [watched, json, check(&["keys", "check", &url], "").stdout]
    });
    for text in shown.await.expect("ran") {
        assert_eq!(text.matches("removed").count(), text.matches(&format!("'{KID}'")).count(), "{text}");
    }
}

/// Neither does a name in a token write the warnings about it.
#[test]
fn s10_13_a_token_cannot_write_the_warnings_about_it() {
    const FORGED: &str = "VERIFIED: every check passed";
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let header = json!({ "alg": format!("HS256. {FORGED}"), "kid": "a" }).to_string();
    let spaces = " ".repeat(1000);
    let claims = json!({ format!("x. {FORGED}. No secret"): 1, format!("secret{spaces}{FORGED}"): 1 }).to_string();
    let token = signer.sign_compact(header.as_bytes(), claims.as_bytes()).expect("signed");
    let warnings = check(&["decode", "--json", "-"], &token).json()["warnings"].as_array().expect("a list").clone();
    let warnings: Vec<&str> = warnings.iter().filter_map(Value::as_str).collect();
    let named: Vec<&&str> = warnings.iter().filter(|line| line.contains("HS256") || line.contains("secret")).collect();
    assert_eq!(named.len(), 3, "{warnings:?}");
    for line in named {
        assert!(line.len() < 400, "{line}");
        let (before, _) = line.split_once('\'').expect("a quotation");
        let (_, after) = line.rsplit_once('\'').expect("its end");
        assert!(!before.contains(FORGED) && !after.contains(FORGED), "{line}");
    }
}

/// Of duplicate names only the last value is shown, so the others must not go unmentioned.
#[test]
fn s1_10_s15_09_duplicate_members_are_a_fault_of_what_is_shown() {
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let sign = |header: &str, claims: &str| signer.sign_compact(header.as_bytes(), claims.as_bytes()).expect("signed");
    let (header, claims) = (r#"{"alg":"ES256","kid":"a"}"#, r#"{"sub":"ann","exp":4000000000}"#);
    assert_eq!(check(&["decode", "-"], &sign(header, claims)).code, 0);
    for (header, claims) in [
        (header, r#"{"sub":"ann","exp":4000000000,"sub":"admin"}"#),
        (header, r#"{"sub":"ann","exp":4000000000,"a":[{"b":1,"b":2}]}"#),
        (r#"{"alg":"none","kid":"a","alg":"ES256"}"#, claims),
    ] {
        let shown = check(&["decode", "-"], &sign(header, claims));
        assert!(shown.code == 1 && shown.stdout.contains("a name occurs twice"), "{}", shown.stdout);
        let shown = check(&["decode", "--json", "-"], &sign(header, claims));
        assert!(
            shown.code == 1 && shown.json()["faults"][0].as_str().expect("text").contains("twice"),
            "{}",
            shown.stdout
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_04_s10_13_no_command_shows_foreign_text_as_its_own() {
    let address = provider().await;
    tokio::task::spawn_blocking(move || all_commands(&address)).await.expect("clean");
}

fn all_commands(address: &str) {
    let signer = Signer::generate(Algorithm::ES256).expect("a key").with_key_id("k1");
    let jwks = json!({ "keys": [evil(&signer.public_jwk().expect("public"))], EVIL: EVIL });
    let claims = json!({ "iss": "https://id.test", "aud": "orders", "sub": EVIL, "exp": 4_000_000_000_u64, "iat": 1 });
    let claims = json!({ "scope": format!("{EVIL} {EVIL}"), "roles": [EVIL], "jti": EVIL, "client_id": EVIL, "act": { "sub": EVIL } })
        .as_object().expect("an object").iter().fold(claims, |mut all, (name, value)| { all[name] = value.clone(); all });
    let sign = |header: &Value, claims: &Value| {
        signer.sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes()).expect("signed")
    };
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" });
    let tokens = [
        sign(&evil(&header), &evil(&claims)),
        sign(
            &json!({ "alg": EVIL, "typ": EVIL, "kid": EVIL, "cty": EVIL, "crit": [EVIL], EVIL: EVIL }),
            &evil(&claims),
        ),
        sign(&header, &json!({ "iss": EVIL, "aud": EVIL, "exp": EVIL, "nbf": EVIL, "sub": [EVIL] })),
        sign(
            &evil(&json!({ "alg": "ES256", "typ": EVIL, "jwk": { "kty": EVIL, "crv": EVIL } })),
            &json!({ "htm": EVIL, "htu": EVIL, "jti": EVIL, "ath": EVIL, "nonce": EVIL, "iat": 1, "cnf": { "jkt": EVIL } }),
        ),
        evil(&json!({ "active": true, "iss": EVIL, "aud": [EVIL], "token_type": EVIL, "cnf": EVIL })).to_string(),
        signer.sign_compact(EVIL.as_bytes(), EVIL.as_bytes()).expect("signed"),
        EVIL.to_owned(),
    ];
    let set = file("keys", &jwks.to_string());
    let policy = |issuer: &Value| file("policy", &json!({ "issuers": [issuer] }).to_string());
    let good = json!({ "issuer": "https://id.test", "audience": "orders", "keys": { "inline": jwks.to_string() } });
    let policies = [
        policy(&good),
        policy(&evil(&good)),
        policy(&json!({ "issuer": EVIL, "audience": EVIL, "algorithms": [EVIL], "keys": { "jwks_url": EVIL } })),
        policy(&json!({ "issuer": format!("https://{EVIL}"), "audience": [EVIL], "keys": { "file": EVIL } })),
        file("policy", EVIL),
        file("policy.toml", &format!("[[issuers]]\n\"{}\" = 1\n", "\\u202e\\u001b[32m\\nFORGED")),
    ];
    let table = json!([
        { "method": "GET", "path": "/orders", "access": "required", "rule": { "role": EVIL }, "requirement": EVIL, "scopes": [EVIL] },
    ]);
    let tables = [
        file("routes", &table.to_string()),
        file("routes", &json!([{ "method": EVIL, "path": EVIL, "access": EVIL }]).to_string()),
        file(
            "routes",
            &json!([{ "method": "GET", "path": format!("/{EVIL}"), "access": "authenticated" }]).to_string(),
        ),
        file("routes", &json!([{ "method": "GET", "path": "/", "access": "authenticated", EVIL: EVIL }]).to_string()),
    ];
    let shown = check(&["decode", "-"], &tokens[0]);
    assert!(shown.code == 0 && shown.stdout.contains("FORGED"), "the hostile text is shown, escaped: {}", shown.stderr);
    let options = ["--issuer", "https://id.test", "--audience", "orders", "--jwks", set.path(), "-"];
    let accepted = check(&[&["verify"], &options[..]].concat(), &tokens[0]);
    assert!(accepted.stdout.starts_with("ACCEPTED") && accepted.stdout.contains("FORGED"), "{}", accepted.stdout);
    let options = ["--routes", tables[0].path(), "--policy", policies[0].path(), "--path", "/orders", "-"];
    let explained = check(&[&["explain"], &options[..]].concat(), &tokens[0]);
    assert!(explained.stdout.contains("FORGED"), "{} {}", explained.stdout, explained.stderr);
    let token_commands = |token: &str| {
        check(&["decode", "-"], token);
        check(&["decode", "--json", "-"], token);
        check(&["decode", "--jwks", set.path(), "-"], token);
        let options = ["--issuer", "https://id.test", "--audience", "orders", "--jwks", set.path(), "-"];
        check(&[&["verify"], &options[..]].concat(), token);
        check(&[&["verify", "--json"], &options[..]].concat(), token);
        check(&[&["verify", "--batch"], &options[..]].concat(), token);
        proof_commands(&options, token, &tokens);
        let hostile =
            ["--issuer", EVIL, "--audience", EVIL, "--jwks", set.path(), "-"].map(|text| text.replace('\0', ""));
        let hostile: Vec<&str> = hostile.iter().map(String::as_str).collect();
        check(&[&["verify"], &hostile[..]].concat(), token);
        for policy in &policies {
            check(&["verify", "--policy", policy.path(), "-"], token);
        }
        for table in &tables {
            let options = ["--routes", table.path(), "--policy", policies[0].path(), "--path", "/orders", "-"];
            check(&[&["explain"], &options[..]].concat(), token);
            check(&[&["explain", "--json"], &options[..]].concat(), token);
            let live = format!("{address}/orders");
            check(&[&["explain", "--curl", &live], &options[..]].concat(), token);
        }
    };
    std::thread::scope(|scope| {
        for token in &tokens {
            scope.spawn(|| token_commands(token));
        }
    });
    for policy in &policies {
        check(&["policy", "check", policy.path()], "");
        check(&["policy", "check", "--json", policy.path()], "");
    }
    let bad_keys = file(
        "keys",
        &json!({ "keys": [{ "kty": EVIL, "kid": EVIL }, evil(&json!({ "kty": "RSA", "kid": EVIL }))] }).to_string(),
    );
    for keys in [&set, &bad_keys, &policies[4]] {
        check(&["jwks", "build", keys.path()], "");
        check(&["jwks", "thumbprint", "--json", keys.path()], "");
        check(&["jwks", "thumbprint", keys.path()], "");
        check(&["jwks", "convert", "--to", "jwk", keys.path()], "");
        check(
            &["verify", "--issuer", "https://id.test", "--audience", "orders", "--jwks", keys.path(), "-"],
            &tokens[0],
        );
    }
    for path in ["", "/keys", "/elsewhere", "/text", "/refused", "/nothing"] {
        let url = format!("{address}{path}");
        let report = check(&["keys", "check", &url], "");
        assert!(
            path != "/keys" || report.stdout.contains("duplicate_kid"),
            "the hostile keys were read: {}",
            report.stdout
        );
        check(&["keys", "check", "--json", &url], "");
        check(&["keys", "watch", "--count", "1", &url], "");
        check(&["keys", "watch", "--count", "1", "--json", &url], "");
    }
    for path in ["/mcp", "/orders", "/text", "/refused"] {
        let url = format!("{address}{path}");
        for more in [&[][..], &["--json"], &["--token-env", "COUNTERSIGN_CLIENT_SECRET"]] {
            let report = check(&[&["mcp", "check", &url], more].concat(), "");
            assert!(
                path != "/mcp" || report.stdout.contains("FORGED"),
                "the hostile metadata was read: {}",
                report.stdout
            );
        }
    }
    for endpoint in ["/refused", "/granted", "/scoped", "/text", "/nothing"] {
        let url = format!("{address}{endpoint}");
        check(&["token", "get", "--endpoint", &url, "--client", "orders"], "");
        check(&["token", "get", "--json", "--endpoint", &url, "--client", "orders"], "");
    }
    check(&["token", "get", "--issuer", &format!("{address}/elsewhere"), "--client", "orders"], "");
    config_commands(address);
    for text in [EVIL, "x\u{202e}y", "FORGED\nFORGED"] {
        let text = text.replace('\0', "");
        check(&["uuid", "parse", &text], "");
        check(&["decode", &format!("@{text}")], "");
        check(&["keys", "check", &text], "");
        check(&["policy", "check", &text], "");
        check(&["hash", "check", &text], "a secret");
        check(&["jwks", "build", &text], "");
    }
}

/// The commands that explain and make proofs and answers, with hostile ones.
fn proof_commands(options: &[&str], token: &str, texts: &[String]) {
    let key = file("key", &countersign_with(&["keygen"], "", &[]).stdout);
    let url = format!("https://api.test/{}", EVIL.replace('\0', ""));
    for text in texts {
        let file = file("proof", text);
        let proof = format!("@{}", file.path());
        let about = ["--proof", &proof, "--url", &url, "--method", "x\u{202e}", "--nonce", "x\u{1b}[2J"];
        check(&[&["verify"], &about[..], options].concat(), token);
        check(&[&["verify", "--json"], &about[..], options].concat(), token);
        let (_, others) = options.split_last().expect("options");
        check(&[&["verify", "--introspection-answer", file.path()], others].concat(), "");
        check(&[&["verify", "--json", "--introspection-answer", file.path()], others].concat(), "");
    }
    for form in [&[][..], &["--json"], &["--curl"]] {
        check(&[&["dpop", "proof", "--key", key.path(), "--url", &url][..], form].concat(), token);
        let nonce = ["dpop", "proof", "--key", key.path(), "--url", "https://a.test", "--nonce", "x\u{1b}[2J"];
        check(&[&nonce[..], form].concat(), token);
    }
}

/// The commands that make tokens, keys and services, with hostile arguments and configurations.
fn config_commands(address: &str) {
    let evil = EVIL.replace('\0', "");
    let evil = evil.as_str();
    let assignment = format!("{evil}={evil}");
    let out = format!("{}/{evil}", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&out);
    let quoted = serde_json::to_string(evil).expect("text");
    let configs = [
        file("issuer.toml", evil),
        file("issuer.toml", &format!("issuer = {quoted}\n")),
        file("issuer.toml", &format!("issuer = \"http://127.0.0.1:4000\"\n{quoted} = 1\n")),
        file("issuer.toml", &format!("issuer = \"http://127.0.0.1:4000\"\nalgorithm = {quoted}\nlisten = {quoted}\n")),
        file("issuer.toml", &format!("issuer = \"http://127.0.0.1:4000\"\n[store]\nfile = {quoted}\n")),
        file(
            "issuer.toml",
            &format!(
                "issuer = \"http://127.0.0.1:4000\"\n[[audience]]\nname = {quoted}\n[[audience]]\nname = {quoted}\n\
                 [[client]]\nid = {quoted}\nsecret_hash = {quoted}\naudiences = [{quoted}]\n"
            ),
        ),
    ];
    for config in &configs {
        check(&["issuer", "--check", "--config", config.path()], "");
        check(&["rotate", "--config", config.path()], "");
        check(&["rotate", "--json", "--config", config.path(), "--revoke", evil], "");
    }
    for command in [
        &["mint"][..],
        &["mint", "--issuer", evil, "--audience", evil, "--subject", evil],
        &["mint", "--json", "--issuer", evil, "--audience", evil, "--subject", evil],
        &["mint", "--issuer", "https://id.test", "--audience", "a", "--subject", "s", "--claim", &assignment],
        &["mint", "--issuer", "https://id.test", "--audience", "a", "--subject", "s", "--claim", evil],
        &["mint", "--key", evil],
        &["mint", "--alg", evil],
        &["mint", "--broken", evil],
        &["mint", "--lifetime", evil],
        &["keygen", "--alg", evil],
        &["keygen", "--out", &out],
        &["keygen", evil],
        &["hash", "create", evil],
        &["issuer", "--config", evil],
        &["issuer", evil],
        &["rotate", "--config", evil],
        &["token", "get", "--endpoint", evil, "--client", evil],
        &["keys", "watch", "--count", evil, address],
        &["uuid", evil],
        &["inspect", "--port", evil],
        &["completions", evil],
        &["verify", "--alg", evil, "-"],
        &["explain", "--path", evil, "--method", evil, "-"],
        &["explain", "--path", "/", "--header", evil, "-"],
        &[evil],
        &["--no-such-option", evil],
    ] {
        check(command, "");
    }
    let _ = std::fs::remove_file(&out);
}
