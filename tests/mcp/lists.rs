//! Lists of what the caller may use (S12.08).

use countersign_mcp::McpLayerBuilder;
use serde_json::{Value, json};

use crate::app::{App, NEWEST, manager, message, old_message, reader, token};

async fn listed(app: &App, token: &str, method: &str, is_new: bool) -> (Vec<String>, Value) {
    let headers = [("mcp-protocol-version", NEWEST), ("mcp-method", method)];
    let answer = match is_new {
        true => app.send("POST", Some(token), &headers, &message(method, json!({}))).await,
        false => app.send("POST", Some(token), &[], &old_message(method, &json!({}))).await,
    };
    let result = answer.json()["result"].clone();
    let items = result[method.split('/').next().unwrap_or_default()].as_array().cloned().unwrap_or_default();
    (items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect(), result)
}

#[tokio::test]
async fn s12_08_each_caller_sees_only_what_it_may_call_where_asked_for() {
    let json = |config: rmcp::transport::streamable_http_server::StreamableHttpServerConfig| {
        config.with_legacy_session_mode(false).with_json_response(true)
    };
    let filtered = App::with(McpLayerBuilder::list_only_allowed, json).await;
    for is_new in [true, false] {
        for (token, tools, prompts) in [
            (token(&filtered.issuer).sign(), &["harmless", "self_checked"][..], 0),
            (reader(&filtered.issuer), &["harmless", "list_orders", "self_checked"], 1),
            (manager(&filtered.issuer), &["harmless", "list_orders", "delete_order", "self_checked"], 1),
        ] {
            let (names, result) = listed(&filtered, &token, "tools/list", is_new).await;
            assert_eq!(names, tools);
            assert_eq!(listed(&filtered, &token, "prompts/list", is_new).await.0.len(), prompts);
            if is_new {
                assert_eq!(result["cacheScope"], "private", "no cache gives it to another caller");
            }
        }
    }
    let all = App::new().await;
    assert_eq!(listed(&all, &token(&all.issuer).sign(), "tools/list", true).await.0.len(), 5, "only where asked for");
}
