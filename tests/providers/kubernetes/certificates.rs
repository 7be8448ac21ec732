//! The keys that a cluster is set up with.

use std::path::Path;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

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
