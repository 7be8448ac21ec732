//! Headers that name another operation than the body (S12.06), in every way that a client by hand can send them.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::app::{App, NEWEST, call, manager, message, old_call, reader, token};

const CALL: (&str, &str) = ("mcp-method", "tools/call");
const HARMLESS: (&str, &str) = ("mcp-name", "harmless");
const DELETE: (&str, &str) = ("mcp-name", "delete_order");
const NEW: (&str, &str) = ("mcp-protocol-version", NEWEST);
const OLD: (&str, &str) = ("mcp-protocol-version", "2025-06-18");
const LATE: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

#[tokio::test]
async fn s12_06_no_trick_of_headers_or_body_reaches_a_tool_by_a_weaker_requirement() {
    for sessions in [false, true] {
        let config = move |config: rmcp::transport::streamable_http_server::StreamableHttpServerConfig| {
            config.with_legacy_session_mode(sessions).with_json_response(true)
        };
        let app = App::with(|builder| builder, config).await;
        let reader = reader(&app.issuer);
        let encoded = |name: &str| format!("=?base64?{}?=", STANDARD.encode_to_string(name));
        let [hidden, padded, spaced] = ["harmless", "harmless\0", " harmless"].map(encoded);
        let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
            ("an old version", vec![OLD, CALL, HARMLESS]),
            ("a late old version", vec![LATE, CALL, HARMLESS]),
            ("another name", vec![NEW, CALL, HARMLESS]),
            ("two names", vec![NEW, CALL, HARMLESS, DELETE]),
            ("two names the other way", vec![NEW, CALL, DELETE, HARMLESS]),
            ("one line of two names", vec![NEW, CALL, ("mcp-name", "harmless, delete_order")]),
            ("no version", vec![CALL, HARMLESS]),
            ("two versions", vec![NEW, OLD, CALL, HARMLESS]),
            ("two versions the other way", vec![OLD, NEW, CALL, HARMLESS]),
            ("an unknown version", vec![("mcp-protocol-version", "2099-01-01"), CALL, HARMLESS]),
            ("no date", vec![("mcp-protocol-version", "latest"), CALL, HARMLESS]),
            ("no name", vec![NEW, CALL]),
            ("no method", vec![NEW, HARMLESS]),
            ("two methods", vec![NEW, ("mcp-method", "tools/list"), CALL, HARMLESS]),
            ("another method", vec![NEW, ("mcp-method", "tools/list")]),
            ("another method in an old version", vec![OLD, ("mcp-method", "tools/list")]),
            ("a method in another case", vec![NEW, ("mcp-method", "Tools/Call"), HARMLESS]),
            ("a method that has no name", vec![NEW, ("mcp-method", "ping"), HARMLESS]),
            ("base64 of another name", vec![NEW, CALL, ("mcp-name", &hidden)]),
            ("base64 with a zero", vec![NEW, CALL, ("mcp-name", &padded)]),
            ("base64 with a space", vec![NEW, CALL, ("mcp-name", &spaced)]),
            ("broken base64", vec![NEW, CALL, ("mcp-name", "=?base64?aGFybWxlc3M?=")]),
            ("base64 without an end", vec![NEW, CALL, ("mcp-name", "=?base64?aGFybWxlc3M=")]),
            ("base64 in another case", vec![NEW, CALL, ("mcp-name", "=?BASE64?aGFybWxlc3M=?=")]),
            ("the right headers", vec![NEW, CALL, DELETE]),
            ("nothing", vec![]),
        ];
        let bodies: [Value; 3] = [call("delete_order"), old_call("delete_order"), json!([call("delete_order")])];
        for (case, headers) in &cases {
            for body in &bodies {
                for method in ["POST", "GET", "DELETE", "PUT"] {
                    let answer = app.send(method, Some(&reader), headers, body).await;
                    assert_eq!(app.orders.ran(), [""; 0], "{case} {method}: {}", answer.text);
                    let refused = answer.status >= 400 || answer.json()["error"].is_object();
                    assert!(refused, "{case} {method}: {} {}", answer.status, answer.text);
                }
            }
        }
        // The same with the right token, which proves that the refusals are about the token.
        let answer = app.send("POST", Some(&manager(&app.issuer)), &[NEW, CALL, DELETE], &call("delete_order")).await;
        assert_eq!((answer.status, app.orders.ran()), (200, vec!["delete_order".to_owned()]), "{}", answer.text);
    }
}

#[tokio::test]
async fn s12_06_a_client_of_an_older_version_uses_each_tool_by_its_own_requirement() {
    let app = App::new().await;
    let reader = reader(&app.issuer);
    for version in [OLD, LATE] {
        let answer = app.send("POST", Some(&reader), &[version], &old_call("harmless")).await;
        assert_eq!((answer.status, app.orders.ran()), (200, vec!["harmless".to_owned()]), "{}", answer.text);
        let none = token(&app.issuer).sign();
        let refused = app.send("POST", Some(&none), &[version], &old_call("list_orders")).await;
        let error = &refused.json()["error"];
        assert_eq!((refused.status, error["code"].as_i64()), (200, Some(-32600)), "{}", refused.text);
        assert_eq!((&error["data"]["status"], &error["data"]["scope"]), (&json!(403), &json!("orders:read")));
        assert_eq!(error["data"]["code"], "insufficient_scope");
        assert!(error["data"]["www_authenticate"][0].as_str().is_some_and(|line| line.contains("resource_metadata")));
        assert_eq!(app.send("POST", Some(&reader), &[version], &old_call("list_orders")).await.status, 200);
        assert_eq!(app.orders.ran(), ["list_orders"]);
    }
}

#[tokio::test]
async fn s12_06_names_are_compared_byte_for_byte() {
    let app = App::new().await;
    let manager = manager(&app.issuer);
    for name in [
        "Delete_order",
        "DELETE_ORDER",
        "delete_order ",
        " delete_order",
        "delete\u{200b}_order",
        "ｄelete_order",
        "delete_order\u{0301}",
        "unknown",
    ] {
        let header = format!("=?base64?{}?=", STANDARD.encode_to_string(name));
        let answer = app.send("POST", Some(&manager), &[NEW, CALL, ("mcp-name", &header)], &call(name)).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (403, Some("forbidden")),
            "{name}: {}",
            answer.text
        );
        let answer = app.send("POST", Some(&manager), &[OLD], &old_call(name)).await;
        assert!(answer.json()["error"].is_object(), "{name}: {}", answer.text);
        assert_eq!(app.orders.ran(), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn s12_06_prompts_resources_and_other_methods_have_requirements_too() {
    let app = App::new().await;
    let (reader, manager, none) = (reader(&app.issuer), manager(&app.issuer), token(&app.issuer).sign());
    let read = ["resources/read", "uri"];
    for ([method, key], name, token, ran) in [
        (["prompts/get", "name"], "review", &reader, true),
        (["prompts/get", "name"], "review", &none, false),
        (["prompts/get", "name"], "other", &manager, false),
        (read, "orders://17", &reader, true),
        (read, "orders://17", &none, false),
        (read, "orders://18", &manager, false),
        (read, "ORDERS://17", &manager, false),
        (read, "public://a/b", &none, true),
        (read, "public://internal/a", &none, false),
        (read, "public://internal/a", &manager, true),
        (read, "public://a/../internal/a", &none, false),
        (read, "public:///internal/a", &none, false),
        (read, "public://%69nternal/a", &none, false),
        (read, "public://a?x", &manager, false),
    ] {
        let body = message(method, json!({ (key): name }));
        let answer = app.send("POST", Some(token), &[NEW, ("mcp-method", method), ("mcp-name", name)], &body).await;
        assert_eq!((answer.status == 200, app.orders.ran().len() == 1), (ran, ran), "{name}: {}", answer.text);
        let old = crate::app::old_message(method, &json!({ (key): name }));
        let answer = app.send("POST", Some(token), &[OLD], &old).await;
        assert_eq!(app.orders.ran().len() == 1, ran, "{name}: {}", answer.text);
        assert_eq!(answer.json()["error"].is_null(), ran, "{name}: {}", answer.text);
    }
    for method in ["tasks/get", "skills/list", "own/method", "tools/call/x"] {
        let body = message(method, json!({ "taskId": "1" }));
        let answer = app.send("POST", Some(&manager), &[NEW, ("mcp-method", method)], &body).await;
        assert_eq!(answer.status, 403, "{method}: {}", answer.text);
    }
}
