//! Private keys in files.

use std::path::PathBuf;

use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;

use super::error::ClientError;
use super::text_file::RotatingFile;

/// The key in a PKCS#8 PEM file that is read again at each use.
pub(crate) fn key_file(path: PathBuf, algorithm: Algorithm) -> RotatingFile<Signer> {
    RotatingFile::new(path, "key", move |pem: &Secret<String>| {
        let problem = "the key file is not a PKCS#8 private key (PEM) for its algorithm";
        Signer::from_pkcs8_pem(pem, algorithm).map_err(|_| ClientError::refused(problem))
    })
}
