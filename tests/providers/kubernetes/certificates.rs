//! The certificates and keys that a cluster is set up with.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// The authority of a cluster.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
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
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        std::fs::write(folder.join("server.crt"), certificate.pem()).expect("written");
        std::fs::write(folder.join("server.key"), key.serialize_pem()).expect("written");
        std::fs::write(folder.join("ca.crt"), self.pem()).expect("written");
    }
}

/// Writes the private key `NAME.key` for service account tokens and the public key `NAME.pub`: RSA as `kubeadm` makes them, or
/// P-256.
pub fn write_account_key(folder: &Path, name: &str, is_rsa: bool) {
    let key = match is_rsa {
        true => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        false => KeyPair::generate(),
    };
    let key = key.expect("a key");
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    std::fs::write(folder.join(format!("{name}.pub")), key.public_key_pem()).expect("written");
}
