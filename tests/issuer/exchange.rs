//! Token exchange: a new token never has more than the subject token.

use std::time::Duration;

use countersign_core::claims::TenantId;
use countersign_core::clock::Clock;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule};

use crate::service::{Answer, SECRET, Service, claims};

const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn user(audience: &str, scope: &str) -> Draft {
    let draft = Draft::access_token().subject("ann").audience(audience).client_id("web-shop");
    if scope.is_empty() { draft } else { draft.scope(scope) }
}

fn mint(service: &Service, draft: &Draft) -> String {
    service.issuer.mint(draft).expect("a token").as_str().to_owned()
}

async fn exchange(service: &Service, client: &str, subject: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![EXCHANGE, ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    form.extend(more);
    service.ask(client, &form).await
}

#[tokio::test]
async fn s8_22_a_chain_of_delegation_names_every_actor() {
    let service = Service::start().await;
    let caller = mint(&service, &user("orders", "read write").claim("tenant", "acme").claim("roles", "admin"));
    let answer = exchange(&service, "orders", &caller, &[("act", "{\"sub\":\"root\"}"), ("may_act", "x")]).await;
    let first = answer.token();
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    assert!(answer.json().get("refresh_token").is_none());
    let token = claims(&first);
    assert_eq!(
        (&token["sub"], &token["aud"], &token["client_id"]),
        (&"ann".into(), &"billing".into(), &"orders".into())
    );
    assert_eq!(token["act"], serde_json::json!({ "sub": "orders", "iss": service.issuer.name() }));
    assert_eq!((&token["tenant"], token.get("roles")), (&"acme".into(), None), "only the claims that a rule copies");

    let second = claims(&exchange(&service, "billing", &first, &[("audience", "ledger")]).await.token());
    assert_eq!((&second["sub"], &second["act"]["sub"]), (&"ann".into(), &"billing".into()));
    assert_eq!(second["act"]["act"]["sub"], "orders");
}

#[tokio::test]
async fn s8_22_may_act_excludes_every_other_actor() {
    let service = Service::start().await;
    for (may_act, is_fine) in [
        (serde_json::json!({ "sub": "orders" }), true),
        (serde_json::json!({ "sub": "orders", "iss": service.issuer.name() }), true),
        (serde_json::json!({ "sub": "orders", "iss": "https://elsewhere.example" }), false),
        (serde_json::json!({ "sub": "billing" }), false),
        (serde_json::json!({}), false),
        (serde_json::json!("orders"), false),
    ] {
        let caller = mint(&service, &user("orders", "read").claim("may_act", may_act.clone()));
        let answer = exchange(&service, "orders", &caller, &[]).await;
        match is_fine {
            true => drop(answer.token()),
            false => assert_eq!(answer.error(), "invalid_request", "{may_act}"),
        }
    }
}

#[tokio::test]
async fn s8_22_the_chain_of_actors_ends_at_eight() {
    let service = Service::start().await;
    let chain = |links: usize| {
        (0..links).fold(serde_json::Value::Null, |inner, n| match inner {
            serde_json::Value::Null => serde_json::json!({ "sub": format!("svc-{n}") }),
            inner => serde_json::json!({ "sub": format!("svc-{n}"), "act": inner }),
        })
    };
    let seven = mint(&service, &user("orders", "read").claim("act", chain(7)));
    exchange(&service, "orders", &seven, &[]).await.token();
    let eight = mint(&service, &user("orders", "read").claim("act", chain(8)));
    assert_eq!(exchange(&service, "orders", &eight, &[]).await.error(), "invalid_request");
}

#[tokio::test]
async fn s8_20_a_presented_token_is_verified_in_full() {
    let service = Service::start().await;
    let good = mint(&service, &user("orders", "read"));
    let (start, end) = good.split_at(good.len() - 6);
    let tampered = format!("{start}{}{}", if end.starts_with('A') { "B" } else { "A" }, &end[1..]);
    let other_issuer =
        countersign_test::TestIssuer::with_system_clock().token().subject("ann").audience("orders").sign();
    let elsewhere = mint(&service, &user("ledger", "read"));
    for (what, token) in
        [("tampered", &tampered), ("another issuer", &other_issuer), ("elsewhere", &elsewhere), ("text", &"x".into())]
    {
        assert_eq!(exchange(&service, "orders", token, &[]).await.error(), "invalid_request", "{what}");
    }
    let cases: &[&[(&str, &str)]] = &[
        &[("subject_token", &good)],
        &[("subject_token_type", ACCESS_TOKEN)],
        &[("subject_token", &good), ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")],
        &[("subject_token", &good), ("subject_token_type", ACCESS_TOKEN), ("actor_token", &good)],
        &[("subject_token", &good), ("subject_token_type", ACCESS_TOKEN), ("actor_token_type", ACCESS_TOKEN)],
        &[
            ("subject_token", &good),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        ],
    ];
    for case in cases {
        let form: Vec<_> = [EXCHANGE].iter().chain(*case).copied().collect();
        assert_eq!(service.ask("orders", &form).await.error(), "invalid_request");
    }
    assert_eq!(exchange(&service, "orders", &good, &[("audience", "ledger")]).await.error(), "invalid_target");
    exchange(&service, "orders", &good, &[]).await.token();
    service.clock.advance(Duration::from_secs(300));
    assert_eq!(exchange(&service, "orders", &good, &[]).await.error(), "invalid_request", "expired, without leeway");
}

#[tokio::test]
async fn s8_20_an_actor_token_is_the_clients_own() {
    let service = Service::start().await;
    let caller = mint(&service, &user("orders", "read"));
    let own = service.ask("orders", &[("grant_type", "client_credentials")]).await.token();
    let of_other =
        service.ask("billing", &[("grant_type", "client_credentials"), ("audience", "billing")]).await.token();
    let with = |token| [("actor_token", token), ("actor_token_type", ACCESS_TOKEN)];
    let token = exchange(&service, "orders", &caller, &with(own.as_str())).await.token();
    assert_eq!(claims(&token)["act"]["sub"], "orders");
    for wrong in [&of_other, &caller] {
        assert_eq!(exchange(&service, "orders", &caller, &with(wrong.as_str())).await.error(), "invalid_request");
    }
}

#[tokio::test]
async fn s8_21_scopes_only_ever_narrow() {
    let service = Service::start().await;
    let caller = mint(&service, &user("orders", "read admin"));
    let none_asked = exchange(&service, "orders", &caller, &[]).await.token();
    assert_eq!(claims(&none_asked)["scope"], "read", "the scopes that caller, client and target all have");
    for wider in ["write", "admin", "read write"] {
        assert_eq!(
            exchange(&service, "orders", &caller, &[("scope", wider)]).await.error(),
            "invalid_scope",
            "{wider}"
        );
    }
    let bare = mint(&service, &user("orders", ""));
    assert_eq!(claims(&exchange(&service, "orders", &bare, &[]).await.token()).get("scope"), None, "absent means none");
    assert_eq!(exchange(&service, "orders", &bare, &[("scope", "read")]).await.error(), "invalid_scope");
}

#[tokio::test]
async fn s8_21_a_hundred_exchanges_never_outlast_the_first_token() {
    let service = Service::with(|builder| {
        builder.add_audience(Audience::new("loop").scopes(["read"])).add_client(
            Client::new("loop")
                .secret(Secret::from(SECRET))
                .audiences(["loop"])
                .scopes(["read"])
                .add_exchange_rule(ExchangeRule::new(["loop"])),
        )
    })
    .await;
    let end = service.clock.now().saturating_add(Duration::from_secs(200)).as_secs();
    let mut token = mint(&service, &user("loop", "read").claim("exp", end));
    for _ in 0..100 {
        token = exchange(&service, "loop", &token, &[]).await.token();
        assert_eq!(claims(&token)["exp"], end);
        service.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(claims(&token)["act"]["act"], serde_json::Value::Null, "its own link is not repeated");
    service.clock.advance(Duration::from_secs(100));
    assert_eq!(exchange(&service, "loop", &token, &[]).await.error(), "invalid_request");
}

#[tokio::test]
async fn s8_21_a_client_stays_in_its_tenant() {
    let tenant = TenantId::new("acme").expect("a tenant");
    let service = Service::with(|builder| {
        builder.add_audience(Audience::new("orders")).add_audience(Audience::new("billing")).add_client(
            Client::new("orders")
                .secret(Secret::from(SECRET))
                .audiences(["billing"])
                .tenant(tenant)
                .add_exchange_rule(ExchangeRule::new(["billing"]).subject_prefixes(["ann"])),
        )
    })
    .await;
    let of = |tenant: &str| user("orders", "").claim("tenant", tenant);
    let token = exchange(&service, "orders", &mint(&service, &of("acme")), &[]).await.token();
    assert_eq!(claims(&token)["tenant"], "acme");
    for foreign in [of("globex"), user("orders", ""), of("acme").subject("bob")] {
        assert_eq!(exchange(&service, "orders", &mint(&service, &foreign), &[]).await.error(), "invalid_request");
    }
    let own = service.ask("orders", &[("grant_type", "client_credentials")]).await.token();
    assert_eq!(claims(&own)["tenant"], "acme");
}

#[tokio::test]
async fn s8_23_s8_24_impersonation_is_a_permission_and_bound_tokens_are_not_exchanged() {
    let service = Service::with(|builder| {
        let rule = ExchangeRule::new(["billing"]).danger_without_actor().copied_claims(["roles"]);
        builder.add_audience(Audience::new("orders")).add_audience(Audience::new("billing")).add_client(
            Client::new("orders").secret(Secret::from(SECRET)).audiences(["billing"]).add_exchange_rule(rule),
        )
    })
    .await;
    let caller = mint(&service, &user("orders", "").claim("roles", serde_json::json!(["clerk"])));
    let token = claims(&exchange(&service, "orders", &caller, &[]).await.token());
    assert_eq!((token.get("act"), &token["roles"]), (None, &serde_json::json!(["clerk"])));
    let bound = mint(&service, &user("orders", "").claim("cnf", serde_json::json!({ "jkt": "x" })));
    assert_eq!(exchange(&service, "orders", &bound, &[]).await.error(), "invalid_request");
}
