//! The certificates that servers and clients of a test are set up with.

use std::path::Path;

use countersign_tests::authority;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

/// An authority, which a test trusts for its servers and clients.
pub struct Authority(authority::Authority);

impl Authority {
    pub fn new() -> Self {
        Authority(authority::authority("authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn certificate(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_pem(self.pem().as_bytes()).expect("a certificate")
    }

    /// Writes a server's certificate and key for loopback, and the authority's certificate, into this folder.
    pub fn write_server(&self, folder: &Path) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        self.write(params, folder, "server");
        std::fs::write(folder.join("ca.crt"), self.pem()).expect("written");
    }

    /// Writes `NAME.crt` and `NAME.key` of a client whose subject is `CN=` and `common_name`.
    pub fn write_client(&self, folder: &Path, name: &str, common_name: &str) {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        self.write(params, folder, name);
    }

    fn write(&self, params: CertificateParams, folder: &Path, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).expect("written");
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}
