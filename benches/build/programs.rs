//! The programs: one route that requires a token, with the settings that each library needs at the least.

/// A package.
pub(crate) struct Program {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// The name in the table.
    pub(crate) title: &'static str,
    /// The lines below `[dependencies]`; `{crates}` is the folder of our crates.
    pub(crate) dependencies: &'static str,
    pub(crate) code: &'static str,
}

pub(crate) const PROGRAMS: &[Program] = &[
    Program { name: "bare", title: "axum, no tokens", dependencies: BARE, code: include_str!("programs/bare.rs") },
    Program {
        name: "countersign",
        title: "Countersign, the first use in the readme",
        dependencies: "countersign = { path = \"{crates}/countersign\" }\naxum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/countersign.rs"),
    },
    Program {
        name: "static-keys",
        title: "Countersign, static keys (`axum` is its only feature)",
        dependencies: "countersign = { path = \"{crates}/countersign\", default-features = false, features = [\"axum\"] }\n\
                       axum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/static_keys.rs"),
    },
    Program {
        name: "jwt-authorizer",
        title: "jwt-authorizer 0.15",
        dependencies: "jwt-authorizer = \"0.15\"\naxum = \"0.7\"\nserde = { version = \"1\", features = [\"derive\"] }\n\
                       tokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/jwt_authorizer.rs"),
    },
    Program {
        name: "tower-oauth2-resource-server",
        title: "tower-oauth2-resource-server 0.12",
        dependencies: "tower-oauth2-resource-server = { version = \"0.12\", default-features = false, features = [\"jwt-aws-lc-rs\"] }\n\
                       axum = \"0.8\"\nserde = { version = \"1\", features = [\"derive\"] }\n\
                       tokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/tower_oauth2_resource_server.rs"),
    },
    Program {
        name: "huskarl-axum",
        title: "huskarl-axum 0.1",
        dependencies: "huskarl-axum = \"0.1\"\nhuskarl-reqwest = { version = \"0.9\", features = [\"rustls-tls\"] }\n\
                       axum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/huskarl_axum.rs"),
    },
    Program {
        name: "oauth-resource-server",
        title: "oauth-resource-server 0.4",
        dependencies: "oauth-resource-server = { version = \"0.4\", features = [\"axum\"] }\naxum = \"0.8\"\n\
                       tokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/oauth_resource_server.rs"),
    },
    Program {
        name: "axum-oidc-layer",
        title: "axum-oidc-layer 0.2",
        dependencies: "axum-oidc-layer = \"0.2\"\naxum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }",
        code: include_str!("programs/axum_oidc_layer.rs"),
    },
];

const BARE: &str = "axum = \"0.8\"\ntokio = { version = \"1\", features = [\"full\"] }";
