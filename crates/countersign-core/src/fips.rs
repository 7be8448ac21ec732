//! The FIPS module of AWS-LC.

/// Returns whether the cryptography of this process is AWS-LC's FIPS module, whose self-tests have passed.
///
/// A service switches the module on by a dependency of its own on `aws-lc-rs` with the feature `fips`; nothing of this crate
/// changes. Check it at the start, so that a build without the module does not go unnoticed.
///
/// ```
/// use countersign_core::fips;
///
/// fn check() -> Result<(), &'static str> {
///     if fips::is_in_force() { Ok(()) } else { Err("built without the FIPS module; enable aws-lc-rs/fips") }
/// }
/// # let _ = check;
/// ```
#[must_use]
pub fn is_in_force() -> bool {
    aws_lc_rs::try_fips_mode().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sign")]
    use crate::{key::Algorithm, mint::Signer};

    /// `.ci/fips` sets the variable.
    #[test]
    fn the_module_is_in_force_if_it_was_built() {
        assert_eq!(is_in_force(), std::env::var_os("COUNTERSIGN_WITH_FIPS").is_some());
    }

    /// With the module too: an algorithm that it lacked would fail here, and not at the first request.
    #[cfg(feature = "sign")]
    #[test]
    fn every_algorithm_has_keys_and_signs_with_and_without_the_module() {
        for algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric()) {
            assert!(Signer::generate(*algorithm).is_ok(), "{algorithm}");
        }
    }
}
