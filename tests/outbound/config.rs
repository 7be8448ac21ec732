//! The outbound client from the policy file.

use countersign::outbound::{Outbound, OutboundError};
use countersign::policy::Policy;

use crate::servers::{Server, granted, json};

const ISSUERS: &str = "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n";

fn faults(bindings: &str) -> Vec<String> {
    let policy = Policy::from_toml(&format!("{ISSUERS}{bindings}")).expect("a policy");
    let error = Outbound::from_config(&policy).expect_err("faults");
    error.faults().iter().map(|fault| format!("{}: {}", fault.field, fault.problem)).collect()
}

#[tokio::test]
async fn one_file_configures_the_verifier_and_the_calls() -> Result<(), OutboundError> {
    let issuer = Server::start(|_, seen| match seen.body.contains("audience=billing") {
        true => granted("for-billing", 60),
        false => granted("for-stock", 60),
    })
    .await;
    let (billing, stock) =
        (Server::start(|_, _| json(200, "{}".into())).await, Server::start(|_, _| json(200, "{}".into())).await);
    let file = std::env::temp_dir().join(format!("countersign-config-{}", std::process::id()));
    std::fs::write(&file, "s3cret-value\n").expect("written");
    let policy = format!(
        r#"
        [[issuers]]
        issuer = "https://id.test"
        audience = "orders"

        [[outbound]]
        origin = "{}"
        token_endpoint = "{}/token"
        client = "orders"
        secret_file = "{}"
        audience = "billing"
        scope = "invoices:write invoices:read"

        [[outbound]]
        origin = "{}"
        token_file = "{}"
        "#,
        billing.url,
        issuer.url,
        file.display(),
        stock.url,
        file.display()
    );
    let policy = Policy::from_toml(&policy).expect("a policy");
    assert_eq!(Policy::from_toml(&policy.to_toml()).as_ref(), Ok(&policy));
    assert_eq!(Policy::from_json(&policy.to_json()).as_ref(), Ok(&policy));

    let outbound = Outbound::from_config(&policy).expect("bound");
    outbound.send(outbound.client().get(&billing.url)).await?;
    outbound.send(outbound.client().get(&stock.url)).await?;
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(billing.seen()[0].header("authorization"), Some("Bearer for-billing"));
    assert_eq!(stock.seen()[0].header("authorization"), Some("Bearer s3cret-value"));
    let body = "grant_type=client_credentials&audience=billing&scope=invoices%3Awrite+invoices%3Aread";
    assert_eq!(issuer.seen()[0].body, body);
    assert!(issuer.seen()[0].header("authorization").is_some_and(|value| value.starts_with("Basic ")));

    let variable = serde_json::to_string(&policy.outbound).expect("JSON");
    let vars = [("AUTH_ISSUER", "https://id.test"), ("AUTH_AUDIENCE", "orders"), ("AUTH_OUTBOUND", variable.as_str())];
    assert_eq!(Policy::from_vars("AUTH_", vars).expect("a policy").outbound, policy.outbound);
    Ok(())
}

#[test]
fn a_binding_that_cannot_work_is_refused_with_its_name() {
    let with = |rest: &str| faults(&format!("[[outbound]]\norigin = \"https://billing.test\"\n{rest}"));
    for (rest, expected) in [
        ("", "client: missing"),
        (
            "client = \"orders\"",
            "client: exactly one of secret_file, secret_env and key_file must be set, or a certificate in connection",
        ),
        ("client = \"orders\"\nsecret_file = \"a\"\nkey_file = \"b\"", "client: exactly one"),
        ("client = \"orders\"\nkey_file = \"b\"", "key_algorithm: missing"),
        (
            "client = \"orders\"\nsecret_file = \"a\"\ncertificate_file = \"b\"",
            "certificate_file: set without key_file",
        ),
        (
            "client = \"orders\"\nsecret_env = \"COUNTERSIGN_UNSET\"",
            "COUNTERSIGN_UNSET: the environment variable is unset",
        ),
        ("client = \"orders\"\nsecret_file = \"a\"\ntoken_file = \"b\"", "token_file: set beside a client"),
        (
            "client = \"orders\"\nsecret_file = \"a\"\ntoken_endpoint = \"http://id.test/t\"",
            "token_endpoint: not https (http://id.test)",
        ),
        (
            "client = \"orders\"\nkey_file = \"a\"\nkey_algorithm = \"ES256\"\ntoken_endpoint = \"https://id.test/t\"",
            "assertion_audience: missing",
        ),
    ] {
        let found = with(rest);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("https://billing.test: {expected}")),
            "{rest}: {found:?}"
        );
    }
    let both = with("client = \"orders\"\n[[outbound]]\norigin = \"https://b.test\"\n[[outbound]]\norigin = \"no\"\n");
    let names = ["https://billing.test: client", "https://b.test: client", "binding 3: client", "binding 3: origin"];
    assert!(both.iter().zip(names).all(|(fault, name)| fault.starts_with(name)) && both.len() == 4, "{both:?}");
    let plain = "[[outbound]]\norigin = \"http://billing.test\"\nclient = \"orders\"\nsecret_file = \"a\"\n";
    assert!(faults(plain)[0].contains("danger_plain_http"));
    let policy = |text: &str| Policy::from_toml(text).expect("a policy");
    let dangerous = format!("{ISSUERS}{plain}danger_plain_http = true\n");
    assert!(Outbound::from_config(&policy(&dangerous)).is_ok());
    let denied = Outbound::from_config(&policy(&format!("deny_danger = true\n{dangerous}"))).expect_err("denied");
    assert!(denied.faults().iter().all(|fault| fault.field.ends_with("danger")), "{denied}");
    assert!(Policy::from_toml(&format!("{ISSUERS}{plain}secret = \"inline\"\n")).is_err(), "never in the policy");
}
