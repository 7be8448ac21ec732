//! Remedies for failed checks.

use countersign::error::VerifyErrorKind::{self, *};

/// The remedy for a code of [`VerifyErrorKind`], on one line.
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    let kind = VerifyErrorKind::ALL.iter().find(|kind| kind.code() == code)?;
    Some(match kind {
        TooLarge => "issue smaller tokens, or raise max_token_bytes",
        Malformed => "send the token unchanged: three base64url parts with dots between, no quotes, no line breaks",
        Encrypted => "issue signed tokens (JWS); encrypted tokens are not supported",
        Nested => "issue plain tokens, without cty: JWT",
        CriticalHeader => "issue without crit and b64",
        UnknownIssuer => "compare iss with the configured issuer character by character; a trailing slash counts",
        AlgorithmNotAllowed => {
            "allow the algorithm in the policy if the issuer is meant to use it; never because a token names it"
        }
        WrongType => "choose the profile (--typ) that fits the issuer, or send the access token",
        IdToken => "this is an ID token, meant for the client; send the access token",
        WrongAudience => "ask the issuer for a token whose aud names this service, or correct the configured audience",
        Expired => "fetch a new token; if new tokens fail too, compare the clocks",
        NotYetValid | IssuedInFuture => "compare the clocks of issuer and service",
        TooOld => "fetch a new token; the policy's max_age requires a newer one",
        LifetimeTooLong => "shorten exp - iat at the issuer",
        MissingClaim => "have the issuer add the claim, or choose a profile that does not require it",
        WrongClaim => "compare the claim with the value that the policy requires",
        InvalidClaim => "correct the issuer: the claim has another JSON type or range than its definition",
        SubjectNotAllowed => "use a subject or client that the issuer's policy allows",
        ProofRequired => "send the proof (DPoP or certificate) that the token is bound to",
        UnknownKey => "fetch a new token; if that fails too, check that the issuer publishes its signing key",
        KeyMismatch => "correct alg in the issuer's key set, or the algorithm that it signs with",
        BadSignature => "fetch a new token: this one was modified, or signed with another key",
        Revoked => "fetch a new token",
        KeysUnavailable => "try again; check that the issuer's keys are reachable from here",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_remedy() {
        for kind in VerifyErrorKind::ALL {
            assert!(remedy(kind.code()).is_some(), "{}", kind.code());
        }
    }
}
