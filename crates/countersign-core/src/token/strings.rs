//! The strings of a verified token that callers read, without the rest of its claims.

use super::payload::Payload;

/// The claims with a string of their own, each at its place in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StringClaim {
    Subject,
    ClientId,
    TokenId,
    AuthenticationContext,
    Actor,
    ActorIssuer,
}

/// The number of variants of [`StringClaim`].
const SINGLE: usize = 6;

/// The size in bytes of each end in the table.
const END_BYTES: usize = size_of::<u16>();

/// The bytes before the table: which single strings are present.
const MASK_BYTES: usize = 1;

/// The strings of a token in one allocation: they stay while the token is cached, and its decoded claims do not.
//
// Layout: a mask of the single strings, the number of audiences, then the end of each string, all but the mask as `u16`; then
// the strings themselves. A payload is far shorter than 64 KiB. What follows is the JSON of the claims, if it was kept.
pub(crate) struct Strings(Box<[u8]>);

impl Strings {
    /// Copies the strings of `payload`, and its JSON behind them if `keeps_json`.
    pub(crate) fn new(payload: &Payload, keeps_json: bool) -> Self {
        let json: &str = if keeps_json { &payload.json } else { "" };
        let actor = payload.actor;
        let single = [
            payload.subject,
            payload.client_id,
            payload.token_id,
            payload.acr,
            actor.map(|actor| actor.subject),
            actor.and_then(|actor| actor.issuer),
        ];
        let audiences = payload.audience.items();
        let present = single.iter().enumerate().filter(|(_, text)| text.is_some());
        let mask = present.fold(0_u8, |mask, (index, _)| mask | 1 << index);
        let all = || single.iter().map(|text| text.map_or("", |text| payload.text(text)));
        let all = || all().chain(audiences.iter().map(|text| payload.text(*text)));
        let count = SINGLE + audiences.len();
        let length = all().map(str::len).sum::<usize>() + json.len();
        let mut bytes = Vec::with_capacity(MASK_BYTES + (1 + count) * END_BYTES + length);
        bytes.push(mask);
        let mut add = |number: usize| bytes.extend(u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
        add(audiences.len());
        all().fold(0, |end, text| {
            add(end + text.len());
            end + text.len()
        });
        all().for_each(|text| bytes.extend_from_slice(text.as_bytes()));
        bytes.extend_from_slice(json.as_bytes());
        Strings(bytes.into_boxed_slice())
    }

    /// The string of this claim, if the token has it.
    pub(crate) fn get(&self, claim: StringClaim) -> Option<&str> {
        let mask = self.0.first().copied().unwrap_or_default();
        (mask & 1 << claim as u8 != 0).then(|| self.text(claim as usize))
    }

    /// The audiences.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &str> {
        (SINGLE..self.count()).map(|index| self.text(index))
    }

    /// The JSON of the claims; empty if it was not kept.
    pub(crate) fn json(&self) -> &str {
        let count = self.count();
        let end = MASK_BYTES + (1 + count) * END_BYTES + self.number(count);
        std::str::from_utf8(self.0.get(end..).unwrap_or_default()).unwrap_or_default()
    }

    /// The heap memory in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.len()
    }

    fn count(&self) -> usize {
        SINGLE + self.number(0)
    }

    /// The number at this place after the mask.
    fn number(&self, place: usize) -> usize {
        let at = MASK_BYTES + place * END_BYTES;
        match self.0.get(at..at + END_BYTES) {
            Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
            _ => 0,
        }
    }

    fn text(&self, index: usize) -> &str {
        let strings = MASK_BYTES + (1 + self.count()) * END_BYTES;
        let start = if index == 0 { 0 } else { self.number(index) };
        let bytes = self.0.get(strings + start..strings + self.number(index + 1)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::StringClaim::{Actor, ActorIssuer, AuthenticationContext, ClientId, Subject, TokenId};
    use super::*;

    fn strings(json: &str) -> Strings {
        let payload = Payload::parse(json.as_bytes().to_vec(), &[]).expect("claims");
        let (with, without) = (Strings::new(&payload, true), Strings::new(&payload, false));
        assert_eq!((with.json(), without.json()), (json, ""));
        assert_eq!(with.get(Subject), without.get(Subject));
        without
    }

    #[test]
    fn every_string_is_read_as_it_was_written() {
        let read = strings(
            r#"{"sub":"\u0061nn é","client_id":"","jti":"j","act":{"sub":"gw","iss":"https:\/\/i"},"aud":["a","","ü"]}"#,
        );
        let single =
            [Subject, ClientId, TokenId, AuthenticationContext, Actor, ActorIssuer].map(|claim| read.get(claim));
        assert_eq!(single, [Some("ann é"), Some(""), Some("j"), None, Some("gw"), Some("https://i")]);
        assert_eq!(read.audiences().collect::<Vec<_>>(), ["a", "", "ü"]);

        let few = strings(r#"{"acr":"gold","aud":"orders"}"#);
        assert_eq!((few.get(Subject), few.get(AuthenticationContext)), (None, Some("gold")));
        assert_eq!(few.audiences().collect::<Vec<_>>(), ["orders"]);
        let none = strings("{}");
        assert_eq!((none.get(Actor), none.audiences().count(), none.heap_bytes()), (None, 0, 1 + 7 * 2));
    }

    #[test]
    fn the_longest_payload_fits() {
        let long = "x".repeat(40_000);
        let read = strings(&format!(r#"{{"sub":"{long}","aud":["a","b"],"jti":"j"}}"#));
        assert_eq!((read.get(Subject).map(str::len), read.get(TokenId)), (Some(40_000), Some("j")));
        assert_eq!(read.audiences().collect::<Vec<_>>(), ["a", "b"]);
    }
}
