//! Certificates for servers that take TLS only and ask for the certificate of the client.

use std::path::PathBuf;

use countersign_redis::RedisSettings;
use countersign_tests::authority::authority;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

/// An authority, and what it issued for a server on loopback and for a client. The files are removed at the end.
pub struct TlsFiles {
    folder: PathBuf,
    /// The certificate of the authority, as PEM.
    pub authority: String,
    client: (String, String),
}

impl TlsFiles {
    /// Makes them, in a folder of this name.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("cs-redis-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let issuing = authority("Authority of Redis");
        let [(certificate, key), client] = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            .map(|usage| {
                let key = KeyPair::generate().expect("a key");
                let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
                let mut params = CertificateParams::new(names).expect("a name");
                params.extended_key_usages = vec![usage];
                (params.signed_by(&key, &issuing).expect("signed").pem(), key.serialize_pem())
            });
        let files = TlsFiles { folder, authority: issuing.as_ref().pem(), client };
        for (name, text) in [("ca.pem", &files.authority), ("cert.pem", &certificate), ("key.pem", &key)] {
            std::fs::write(files.path(name), text).expect("written");
        }
        files
    }

    /// The path of a file: `ca.pem`, `cert.pem` or `key.pem`.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// The settings of a server, with the names that its configuration has.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        [("tls-cert-file", "cert.pem"), ("tls-key-file", "key.pem"), ("tls-ca-cert-file", "ca.pem")]
            .map(|(name, file)| (name, self.path(file)))
    }

    /// The arguments of a server whose only port is this one.
    pub fn arguments(&self, port: u16) -> Vec<String> {
        let ports = ["--port".to_owned(), "0".to_owned(), "--tls-port".to_owned(), port.to_string()];
        let files = self.settings().into_iter().flat_map(|(name, path)| [format!("--{name}"), path]);
        ports.into_iter().chain(files).collect()
    }

    /// The same settings with the certificate of the client.
    pub fn with_certificate(&self, settings: RedisSettings) -> RedisSettings {
        let (certificate, key) = self.client.clone();
        settings.certificate(certificate, key.into())
    }
}

impl Drop for TlsFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
