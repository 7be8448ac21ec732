//! Bundles from nginx, over HTTPS.

use std::path::Path;
use std::time::Duration;

use countersign::connection::ConnectionSettings;
use countersign::reload::PolicyBundle;
use countersign_tests::authority::{authority, certificate};
use countersign_tests::parts::Part;
use countersign_tests::proxy::Proxy;

use crate::world::World;

/// Serves the folder `root` over TLS, and logs each status.
async fn nginx(root: &Path, certificate: &str, key: &str) -> Proxy {
    let (root, certificate, key) = (root.display().to_string(), certificate.to_owned(), key.to_owned());
    Proxy::start(Part::Nginx, move |folder, port| {
        std::fs::write(folder.join("server.crt"), certificate).expect("written");
        std::fs::write(folder.join("server.key"), key).expect("written");
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let text = format!(
            "daemon off; master_process off; pid pid; error_log stderr; events {{}}
             http {{ log_format status $status; access_log {root}/statuses status; {}
               server {{ listen 127.0.0.1:{port} ssl; ssl_certificate server.crt; ssl_certificate_key server.key;
                 root {root}; }} }}",
            places.join(" ")
        );
        std::fs::write(folder.join("nginx.conf"), text).expect("written");
        vec!["-p".into(), folder.display().to_string(), "-c".into(), "nginx.conf".into()]
    })
    .await
}

#[tokio::test]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s14_02_bundles_come_from_nginx_over_https() {
    let world = World::new("nginx");
    let authority = authority("authority");
    let (certificate, key) = certificate(&authority, "127.0.0.1");
    world.write("orders.jws", &world.bundle(1, "orders"));
    let host = nginx(&world.folder, &certificate, &key).await;
    let settings = |name: &str| {
        let url = format!("https://127.0.0.1:{}/{name}", host.port);
        world.service(PolicyBundle::from_url(url, world.pins()))
    };
    let trusting = || ConnectionSettings::new().add_roots(authority.pem()).only_added_roots();
    let error = settings("orders.jws").build().await.expect_err("an authority that is not trusted").to_string();
    assert!(error.contains("certificate"), "{error}");
    let error = settings("other.jws").connection(trusting()).build().await.expect_err("no such file").to_string();
    assert!(error.contains("status 404"), "{error}");

    let service = settings("orders.jws").connection(trusting()).build().await.expect("a bundle");
    assert_eq!((service.pull().await, service.pull().await), (Ok(false), Ok(false)));
    world.write("orders.jws", &world.bundle(2, "billing"));
    assert_eq!((service.pull().await, service.pull().await), (Ok(true), Ok(false)));
    assert_eq!(service.revision(), 2);
    let statuses = || std::fs::read_to_string(world.file("statuses")).expect("a log");
    while statuses().lines().count() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await; // written after the response
    }
    assert_eq!(statuses().lines().collect::<Vec<_>>(), ["404", "200", "304", "304", "200", "304"]);
}
