//! The client of rmcp, in both lifecycles.

use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, ProtocolVersion};
use rmcp::serve_client_with_lifecycle;
use rmcp::service::{ClientLifecycleMode, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use crate::app::{App, reader};

#[tokio::test]
async fn s12_06_the_client_of_rmcp_works_in_every_version() {
    let app = App::with(|builder| builder, |config| config).await;
    for version in [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28] {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", app.service.url()));
        let transport = StreamableHttpClientTransport::from_config(config.auth_header(reader(&app.issuer)));
        let lifecycle = match version.has_initialize() {
            true => ClientLifecycleMode::Initialize,
            false => ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] },
        };
        let mut client = ClientConfig::new(Default::default(), Implementation::new("test", "1"));
        client.protocol_version = version.clone();
        let client = serve_client_with_lifecycle(client, transport, lifecycle).await.expect("connects");
        assert_eq!(client.list_all_tools().await.expect("a list").len(), 5);
        client.call_tool(CallToolRequestParams::new("list_orders")).await.expect("a result");
        assert_eq!(app.orders.ran(), ["list_orders"], "{version}");
        let refused = client.call_tool(CallToolRequestParams::new("delete_order")).await.expect_err("refused");
        let is_protocol_error = matches!(&refused, ServiceError::McpError(_));
        assert_eq!(is_protocol_error, version.has_initialize(), "{version}: {refused:?}");
        assert_eq!(app.orders.ran(), [""; 0], "{version}");
        client.cancel().await.expect("an end");
    }
}
