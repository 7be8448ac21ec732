//! The strings of a verified token that callers read, without the rest of its claims.

use smallvec::SmallVec;

use super::payload::Payload;
use super::text::Text;

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

/// The strings of a token in one allocation: they stay while the token is cached, and its decoded claims do not.
//
// The single strings come first, then the audiences, then the JSON of the claims if it was kept. A payload is far shorter than
// 64 KiB.
#[derive(Default)]
pub(crate) struct Strings {
    text: Box<str>,
    /// The end of each single string in `text`.
    ends: [u16; SINGLE],
    /// The ends of the audiences.
    audiences: SmallVec<[u16; 4]>,
    /// The single strings that are present, one bit for each.
    present: u8,
}

impl Strings {
    /// Copies the strings of `payload`, with the client that the mapping names, and its JSON behind them if `keeps_json`.
    pub(crate) fn new(payload: &Payload, client: Option<&str>, keeps_json: bool) -> Self {
        let text_of = |range: Option<Text>| range.map(|range| payload.text(range));
        let single = [
            text_of(payload.subject),
            client,
            text_of(payload.token_id),
            text_of(payload.acr),
            text_of(payload.actor.map(|actor| actor.subject)),
            text_of(payload.actor.and_then(|actor| actor.issuer)),
        ];
        let audiences = payload.audience.items();
        let json: &str = if keeps_json { &payload.json } else { "" };
        let length = single.iter().flatten().map(|text| text.len()).sum::<usize>()
            + audiences.iter().map(|range| range.len()).sum::<usize>();
        let mut text = String::with_capacity(length + json.len());
        let mut add = |string: &str| {
            text.push_str(string);
            u16::try_from(text.len()).unwrap_or(u16::MAX)
        };
        let (mut ends, mut present, mut end) = ([0; SINGLE], 0, 0);
        for (index, string) in single.into_iter().enumerate() {
            if let Some(string) = string {
                end = add(string);
                present |= 1 << index;
            }
            ends[index] = end; // index < SINGLE
        }
        let audiences = audiences.iter().map(|range| add(payload.text(*range))).collect();
        text.push_str(json);
        Strings { text: text.into_boxed_str(), ends, audiences, present }
    }

    /// The string of this claim, if the token has it.
    #[inline]
    pub(crate) fn get(&self, claim: StringClaim) -> Option<&str> {
        let index = claim as usize;
        if self.present & 1 << index == 0 {
            return None;
        }
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]); // fewer variants than ends
        self.text.get(usize::from(start)..usize::from(self.ends[index]))
    }

    /// The audiences.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &str> {
        let [.., single] = self.ends;
        let starts = std::iter::once(single).chain(self.audiences.iter().copied());
        let ranges = starts.zip(&self.audiences).map(|(start, end)| usize::from(start)..usize::from(*end));
        ranges.map(|range| self.text.get(range).unwrap_or_default())
    }

    /// The JSON of the claims; empty if it was not kept.
    pub(crate) fn json(&self) -> &str {
        let [.., single] = self.ends;
        let end = self.audiences.last().copied().unwrap_or(single);
        self.text.get(usize::from(end)..).unwrap_or_default()
    }

    /// The heap memory in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let audiences = if self.audiences.spilled() { self.audiences.capacity() * size_of::<u16>() } else { 0 };
        self.text.len() + audiences
    }
}

#[cfg(test)]
mod tests {
    use super::StringClaim::{Actor, ActorIssuer, AuthenticationContext, ClientId, Subject, TokenId};
    use super::*;

    fn strings(json: &str) -> Strings {
        let payload = Payload::parse(json.as_bytes().to_vec(), &[]).expect("claims");
        let client = payload.client_id.map(|text| payload.text(text));
        let (with, without) = (Strings::new(&payload, client, true), Strings::new(&payload, client, false));
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
        assert_eq!((none.get(Actor), none.audiences().count(), none.heap_bytes()), (None, 0, 0));
    }

    #[test]
    fn the_longest_payload_fits() {
        let long = "x".repeat(40_000);
        let read = strings(&format!(r#"{{"sub":"{long}","aud":["a","b"],"jti":"j"}}"#));
        assert_eq!((read.get(Subject).map(str::len), read.get(TokenId)), (Some(40_000), Some("j")));
        assert_eq!(read.audiences().collect::<Vec<_>>(), ["a", "b"]);
    }
}
