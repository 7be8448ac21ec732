use countersign_test::TestIssuer;

#[tokio::test]
async fn the_token_is_accepted() {
    let issuer = TestIssuer::new().with_name("https://id.example.com");
    let verifier = issuer.verifier_for("orders");
    let token = issuer
        .token()
        .audience("orders")
        .client_id("web")
        .claim("level", serde_json::json!(3))
        .claim("realm_access", serde_json::json!({"roles":["clerk","manager"]}))
        .claim("scope", "orders:read orders:write")
        .subject("ann \"the one\"")
        .sign();
    assert!(verifier.verify(&token).await.is_ok());
}
