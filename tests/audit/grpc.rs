//! Each kind of outcome in services of tonic, called by tonic's own client.

use countersign::grpc::{CallerExt, grpc};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::grpc::Desk;
use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Layer;

use crate::sink::{Kept, builder, good};

/// The methods of the service.
async fn method(name: String, request: Request<String>) -> Result<Response<String>, Status> {
    match &*name {
        "Who" => drop(request.claims::<countersign::extract::Registered>()?),
        "Admin" => request.require(&role("admin"))?,
        "Path" => request.require(&tenant_in_path("tenant"))?,
        "Fails" => return Err(Status::internal("a fault")),
        _ => return Err(Status::unimplemented("no such method")),
    }
    Ok(Response::new(String::new()))
}

#[tokio::test]
async fn each_outcome_of_a_grpc_service_gives_exactly_one_event() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let layer = builder(&issuer, kept.log().allowed()).build().expect("a layer");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().layer(grpc(layer)).add_service(grpc(require(scope("read"))).layer(Desk(method)));
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("serves") });
    let channel: Channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();

    let reader = good(&issuer).scope("read").sign();
    let poor = good(&issuer).sign();
    let expired = good(&issuer).expired().sign();
    for (method, token, expected) in [
        (
            "Who",
            Some(&reader),
            json!({ "outcome": "allowed", "code": "ok", "route": format!("/test.Desk/Who"), "requirement": "scope read", "client": "web" }),
        ),
        (
            "Who",
            Some(&poor),
            json!({ "outcome": "denied", "code": "insufficient_scope", "route": format!("/test.Desk/Who"), "requirement": "scope read", "unmet": "scope read", "client": "web", "grpc_status": 7 }),
        ),
        (
            "Admin",
            Some(&reader),
            json!({ "outcome": "denied", "code": "forbidden", "route": format!("/test.Desk/Admin"), "requirement": "role admin", "unmet": "role admin", "client": "web", "grpc_status": 7 }),
        ),
        (
            "Path",
            Some(&reader),
            json!({ "outcome": "error", "code": "internal_error", "route": format!("/test.Desk/Path"), "requirement": "tenant as in the path's {tenant}", "client": "web", "grpc_status": 13 }),
        ),
        (
            "Fails",
            Some(&reader),
            json!({ "outcome": "allowed", "code": "ok", "route": format!("/test.Desk/Fails"), "requirement": "scope read", "client": "web", "grpc_status": 13 }),
        ),
        ("Who", Some(&expired), json!({ "outcome": "refused", "code": "expired", "grpc_status": 16 })),
        ("Who", None, json!({ "outcome": "refused", "code": "no_token", "grpc_status": 16 })),
    ] {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.expect("connected");
        let mut request = Request::new("hello".to_owned());
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("ascii");
            request.metadata_mut().insert("authorization", value);
        }
        let path = format!("/test.Desk/{method}").parse().expect("a path");
        let _: Result<Response<String>, Status> =
            client.unary(request, path, ProstCodec::<String, String>::default()).await;
        let line = kept.line();
        let names = ["outcome", "code", "route", "requirement", "unmet", "client", "grpc_status"];
        let found: serde_json::Map<String, Value> =
            names.iter().filter_map(|name| Some(((*name).to_owned(), line.get(name)?.clone()))).collect();
        assert_eq!(Value::Object(found), expected, "{method}");
        assert_eq!((&line["status"], &line["method"]), (&json!(200), &json!("POST")));
    }
}

/// S10.04: only what can be a method is named; the rest, which anybody can write, is not.
#[tokio::test]
async fn s10_04_a_path_that_is_no_method_is_not_in_an_event() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    // Around one service, behind the router: refusals come before the method is looked at.
    let layer = || grpc(builder(&issuer, kept.log().allowed()).build().expect("a layer"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().add_service(layer().layer(Desk(method)));
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("serves") });
    let channel: Channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let token = good(&issuer).sign();
    let long = format!("/test.Desk/{}", "x".repeat(65));
    for (path, token, route) in [
        ("/test.Desk/Who", Some(&token), "/test.Desk/Who"),
        ("/test.Desk/Unknown", Some(&token), "/test.Desk/Unknown"),
        ("/test.Desk/Who/ann@example.com", Some(&token), "/test.Desk/{*rest}"),
        ("/test.Desk/Who%20", Some(&token), "/test.Desk/{*rest}"),
        (&long, Some(&token), "/test.Desk/{*rest}"),
        ("/test.Desk/Who", None, "/test.Desk/{*rest}"),
    ] {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.expect("connected");
        let mut request = Request::new("hello".to_owned());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
        }
        let codec = ProstCodec::<String, String>::default();
        let _: Result<Response<String>, Status> = client.unary(request, path.parse().expect("a path"), codec).await;
        assert_eq!(kept.line()["route"], route, "{path}");
    }
}
