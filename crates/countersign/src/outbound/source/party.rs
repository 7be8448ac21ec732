//! The party that a caller's token is attributed to.

use serde::Deserialize;

use crate::authenticate::CallerToken;

/// The issuer, client and subject of a caller's token.
#[derive(Default)]
pub(super) struct Party {
    pub(super) issuer: String,
    pub(super) client: Option<String>,
    pub(super) subject: Option<String>,
}

#[derive(Deserialize)]
struct Names {
    iss: Option<String>,
    sub: Option<String>,
    client_id: Option<String>,
    azp: Option<String>,
    cid: Option<String>,
    appid: Option<String>,
}

impl Party {
    /// The names in the token, which the layer verified. A token that is not a JWT belongs to nobody in particular, as do all
    /// others of its kind.
    pub(super) fn of(caller: &CallerToken) -> Self {
        let Some(names) = caller.claims::<Names>() else { return Party::default() };
        let client = names.client_id.or(names.azp).or(names.cid).or(names.appid);
        Party { issuer: names.iss.unwrap_or_default(), client, subject: names.sub }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::clock::UnixTime;

    use super::*;

    #[test]
    fn the_names_of_a_token_are_read_wherever_its_provider_writes_them() {
        let of = |claims: &str| {
            let payload = base64_simd::URL_SAFE_NO_PAD.encode_to_string(claims);
            let party = Party::of(&CallerToken::new(format!("e30.{payload}.AA"), UnixTime::from_secs(1)));
            (party.issuer, party.client.unwrap_or_default(), party.subject.unwrap_or_default())
        };
        let named = |issuer: &str, client: &str, subject: &str| (issuer.into(), client.into(), subject.into());
        assert_eq!(of(r#"{"iss":"https://a","sub":"u","client_id":"web","azp":"x"}"#), named("https://a", "web", "u"));
        assert_eq!(of(r#"{"iss":"https://a","sub":null,"azp":"web"}"#), named("https://a", "web", ""));
        assert_eq!(of("[]"), named("", "", ""));
        assert_eq!(Party::of(&CallerToken::new("opaque", UnixTime::from_secs(1))).subject, None);
    }
}
