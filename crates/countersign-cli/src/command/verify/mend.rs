//! How to mend what a check found.

use countersign::error::VerifyErrorKind::{self, *};

/// The cure for a code of [`VerifyErrorKind`], in a line.
pub(crate) fn mend(code: &str) -> Option<&'static str> {
    let kind = VerifyErrorKind::ALL.iter().find(|kind| kind.code() == code)?;
    Some(match kind {
        TooLarge => "issue smaller tokens, or raise max_token_bytes",
        Malformed => "send the token unchanged: three base64url parts with dots between, no quotes, no line breaks",
        Encrypted => "issue signed tokens (JWS); encrypted ones are not read",
        Nested => "issue plain tokens, without cty: JWT",
        CriticalHeader => "issue without crit and b64",
        UnknownIssuer => "compare iss and the configured issuer letter by letter; a slash at the end counts",
        AlgorithmNotAllowed => "allow the algorithm in the policy if it is meant; never because a token asks for it",
        WrongType => "choose the profile (--typ) that fits the issuer, or send the access token",
        IdToken => "this is an ID token, meant for the client; send the access token",
        WrongAudience => "ask the issuer for a token whose aud names this service, or mend the configured audience",
        Expired => "fetch a new token; if fresh ones fail too, compare the clocks",
        NotYetValid | IssuedInFuture => "compare the clocks of issuer and service",
        TooOld => "fetch a new token; the policy's max_age wants a younger one",
        LifetimeTooLong => "shorten exp - iat at the issuer",
        MissingClaim => "have the issuer add the claim, or choose a profile that does not require it",
        WrongClaim => "compare the claim with the value that the policy wants for it",
        InvalidClaim => "mend the issuer: the claim has another JSON type or range than its definition",
        SubjectNotAllowed => "use a subject or client that the issuer's policy allows",
        ProofRequired => "send the proof (DPoP or certificate) that the token is bound to",
        UnknownKey => "fetch a fresh token; if that fails too, see that the issuer publishes the key it signs with",
        KeyMismatch => "mend alg in the issuer's key set, or the algorithm that it signs with",
        BadSignature => "fetch a new token: this one was changed, or another key signed it",
        Revoked => "fetch a new token",
        KeysUnavailable => "try again; look at whether the issuer's keys can be reached from here",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_cure() {
        for kind in VerifyErrorKind::ALL {
            assert!(mend(kind.code()).is_some(), "{}", kind.code());
        }
    }
}
