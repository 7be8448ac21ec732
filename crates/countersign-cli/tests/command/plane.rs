//! `countersign plane` with a policy: who may report, for whom, and who may read.

use std::time::Duration;

use countersign::fleet::{FleetMember, FleetReporter};
use countersign::outbound::{Outbound, StaticToken};
use countersign::secret::Secret;
use countersign_test::TestIssuer;
use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::fleet::{taken, verifier};
use crate::run::{Server, countersign, countersign_with, file};

fn policy(issuer: &TestIssuer) -> String {
    format!(
        "[[issuers]]\nissuer = {:?}\naudience = \"plane\"\nkeys = {{ inline = '{}' }}\n",
        issuer.name(),
        issuer.jwks()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_05_a_service_reports_only_for_itself_and_only_readers_read() {
    let issuer = TestIssuer::with_system_clock();
    let policy = file("plane-policy", &policy(&issuer));
    let arguments = ["--listen", "127.0.0.1:0", "--policy", policy.path(), "--client", "stock=stock-backend"];
    let plane = Server::start("plane", &arguments);
    let url = format!("http://{}", plane.text("address"));
    let draft = |client: &str, scope: &str| {
        let draft = issuer.token().subject(client).client_id(client).audience("plane").scope(scope);
        draft.lifetime(Duration::from_secs(600)).sign()
    };
    let member = |service: &str| FleetMember::new(service, &verifier(&issuer, ""));
    let client = Client::new();
    let post = async |token: Option<&str>, body: String| {
        let request = client.post(format!("{url}/v1/reports")).header("content-type", "application/json").body(body);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let answer = request.send().await.expect("answered");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("text"))
    };
    let report = |service: &str| member(service).report().to_json();
    let orders = draft("orders", "fleet:report");
    assert_eq!(post(None, report("orders")).await.0, 401);
    assert_eq!(post(Some(&draft("orders", "fleet:read")), report("orders")).await.0, 403);
    let (status, body) = post(Some(&orders), report("billing")).await;
    assert!(status == 403 && body.contains("service_not_own"), "{status} {body}");
    let (status, body) = post(Some(&orders), "{}".to_owned()).await;
    assert!(status == 400 && body.contains("report_invalid"), "{status} {body}");
    assert_eq!(post(Some(&orders), "x".repeat(65 * 1024)).await.0, 413);
    assert_eq!(
        post(Some(&draft("stock", "fleet:report")), report("stock")).await.0,
        403,
        "another client reports for it"
    );
    assert_eq!(post(Some(&draft("stock-backend", "fleet:report")), report("stock")).await.0, 200);

    // The real sender, with its own token.
    let source = StaticToken::new(Secret::from(&*orders));
    let outbound = Outbound::builder(Client::new()).bind(&url, source).build().expect("sound");
    let reporter = FleetReporter::builder(member("orders"), &url).outbound(outbound).build().expect("sound");
    taken(std::slice::from_ref(&reporter)).await;

    let list = async |token: Option<&str>| {
        let request = client.get(format!("{url}/v1/fleet"));
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.expect("answered")
    };
    assert_eq!(list(None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(list(Some(&orders)).await.status(), StatusCode::FORBIDDEN);
    let reader = draft("operator", "fleet:read");
    let answer = list(Some(&reader)).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let listed: Value = answer.json().await.expect("JSON");
    let services: Vec<&str> = listed["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["report"]["service"].as_str().expect("text"))
        .collect();
    assert_eq!(services, ["orders", "stock"]);
    assert_eq!(listed["instances"][0]["issuer"], issuer.name());
    let run =
        |token: &str| countersign_with(&["fleet", "status", "--plane", &url], "", &[("COUNTERSIGN_TOKEN", token)]);
    assert_eq!((run(&reader).code, run(&orders).code), (0, 3));
    for path in ["/", "/page.js", "/live"] {
        assert_eq!(
            client.get(format!("{url}{path}")).send().await.expect("answered").status(),
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_05_without_a_policy_only_this_machine_and_no_other_page_may_ask() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = countersign(&["plane", "--listen", address], "");
        assert!(refused.code == 2 && refused.stderr.contains("is beyond loopback"), "{}", refused.stderr);
    }
    assert_eq!(countersign(&["plane", "--behind-tls"], "").code, 2, "needs a policy");
    let plane = Server::start("plane", &["--listen", "127.0.0.1:0"]);
    let address = plane.text("address").to_owned();
    let client = Client::new();
    let get = || client.get(format!("http://{address}/v1/fleet"));
    assert_eq!(get().send().await.expect("answered").status(), StatusCode::OK);
    for (name, value) in [("host", "plane.attacker.test"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(get().header(name, value).send().await.expect("answered").status(), StatusCode::FORBIDDEN, "{name}");
    }
    let report = FleetMember::new("orders", &verifier(&TestIssuer::with_system_clock(), "")).report().to_json();
    let post = |kind: &'static str| {
        client.post(format!("http://{address}/v1/reports")).header("content-type", kind).body(report.clone())
    };
    assert_eq!(post("text/plain").send().await.expect("answered").status(), StatusCode::FORBIDDEN);
    assert_eq!(post("application/json").send().await.expect("answered").status(), StatusCode::OK);
    let empty = Server::start("plane", &["--listen", "127.0.0.1:0"]);
    let nobody = countersign(&["fleet", "status", "--plane", &format!("http://{}", empty.text("address"))], "");
    assert_eq!((nobody.code, nobody.stdout.as_str()), (3, "no reports\n"));
}
