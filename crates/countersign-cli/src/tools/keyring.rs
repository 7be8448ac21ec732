//! Private keys: reading, generating, and storing the development key.

use std::path::{Path, PathBuf};

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::secret::Secret;
use countersign_test::KEY_ID_PREFIX;

use super::jwk;
use crate::exit::Failure;
use crate::{input, output};

/// The environment variable that names the folder of the development key.
pub(crate) const HOME_VARIABLE: &str = "COUNTERSIGN_HOME";

/// An algorithm by its registered name.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, Failure> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        Failure::usage(format!("{}: not one of {}", output::safe(name), known.join(", ")))
    })
}

/// A private key in PEM, for the named algorithm, otherwise for the first that fits.
pub(crate) fn private_key(pem: &str, named: Option<Algorithm>) -> Result<Signer, Failure> {
    let pem = Secret::from(pem);
    let mut reason = "it fits none of the algorithms".to_owned();
    for algorithm in jwk::candidates(named) {
        match Signer::from_pkcs8_pem(&pem, algorithm) {
            Ok(signer) => return Ok(signer),
            Err(problem) => reason = problem.to_string(),
        }
    }
    Err(Failure::usage(format!("the private key is not usable: {reason}")))
}

/// A shared secret, trimmed of surrounding whitespace. Its key ID is empty: the secret of a policy has none.
pub(crate) fn shared_secret(text: &str, named: Option<Algorithm>) -> Result<Signer, Failure> {
    let secret = Secret::new(text.trim().as_bytes().to_vec());
    Signer::from_secret(secret, named.unwrap_or(Algorithm::HS256), "")
        .map_err(|reason| Failure::usage(reason.to_string()))
}

/// The development key for `algorithm`, generated on first use. Its ID has the prefix of test keys.
pub(crate) fn development_key(algorithm: Algorithm) -> Result<Signer, Failure> {
    let folder = home()?;
    let path = folder.join(format!("dev-{}.pem", algorithm.name().to_ascii_lowercase()));
    let named = |signer: Signer| signer.with_key_id(development_key_id(algorithm));
    if path.exists() {
        return private_key(&input::file(&path.to_string_lossy())?, Some(algorithm)).map(named);
    }
    let signer = Signer::generate(algorithm).map_err(|reason| Failure::usage(reason.to_string()))?;
    std::fs::create_dir_all(&folder).map_err(|error| Failure::usage(format!("{}: {error}", folder.display())))?;
    write_private(&path, jwk::pem("PRIVATE KEY", signer.private_key().expose()).as_bytes())?;
    output::warn(&format!("created a development key: {}", path.display()));
    Ok(named(signer))
}

/// The ID of the development key for `algorithm`.
fn development_key_id(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::ES256 => format!("{KEY_ID_PREFIX}dev"),
        other => format!("{KEY_ID_PREFIX}dev-{}", other.name().to_ascii_lowercase()),
    }
}

/// The key in `path`, with the ID that minted tokens name, if that is the file of a development key.
pub(crate) fn development_key_in(path: &str, pem: &str) -> Option<Signer> {
    let (path, home) = (Path::new(path).canonicalize().ok()?, home().ok()?.canonicalize().ok()?);
    let name = path.strip_prefix(home).ok()?.to_str()?.strip_prefix("dev-")?.strip_suffix(".pem")?;
    let algorithm = Algorithm::ALL.iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))?;
    Some(private_key(pem, Some(*algorithm)).ok()?.with_key_id(development_key_id(*algorithm)))
}

/// Writes a file that only its owner can read; never overwrites a file.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    NewPrivateFile::create(path)?.write(content)
}

/// A new file that only its owner can read. It is removed unless it is written.
pub(crate) struct NewPrivateFile<'p> {
    path: &'p Path,
    file: std::fs::File,
    is_written: bool,
}

impl<'p> NewPrivateFile<'p> {
    /// Creates it, before what it will have is made; never overwrites a file.
    pub(crate) fn create(path: &'p Path) -> Result<Self, Failure> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(NewPrivateFile { path, file, is_written: false })
    }

    pub(crate) fn write(mut self, content: &[u8]) -> Result<(), Failure> {
        let written = std::io::Write::write_all(&mut self.file, content);
        self.is_written = written.is_ok();
        written.map_err(|error| Failure::usage(format!("{}: {error}", self.path.display())))
    }
}

impl Drop for NewPrivateFile<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn home() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(HOME_VARIABLE)
        .or_else(|| Some(variable("XDG_DATA_HOME")?.join("countersign")))
        .or_else(|| Some(variable("HOME")?.join(".local/share/countersign")))
        .ok_or_else(|| Failure::usage(format!("no folder for the development key; set {HOME_VARIABLE} or pass --key")))
}
