//! The token of a request, for another question about it while a response runs.

use http::{HeaderMap, HeaderValue, header};

use super::caller_token::CallerToken;

/// A token about which an introspection endpoint was asked.
#[derive(Clone, Debug)]
pub(crate) enum AskedAbout {
    Token(CallerToken),
    /// The `Authorization` header, marked as sensitive. Its clone copies no text.
    Header(HeaderValue),
}

impl AskedAbout {
    /// The token that was kept, or the one in these headers, which were hidden.
    pub(super) fn of(token: Option<&CallerToken>, headers: &HeaderMap) -> Option<Self> {
        let in_header = || headers.get(header::AUTHORIZATION).cloned().map(AskedAbout::Header);
        token.cloned().map(AskedAbout::Token).or_else(in_header)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            AskedAbout::Token(token) => Some(token.expose()),
            AskedAbout::Header(line) => {
                let (_, token) = line.to_str().ok()?.split_once(' ')?;
                Some(token.trim_start_matches(' '))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_header_is_read_as_the_layer_reads_it() {
        for line in ["Bearer abc", "bearer   abc", "DPoP abc"] {
            let mut line = HeaderValue::from_static(line);
            line.set_sensitive(true);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, line)]);
            let asked = AskedAbout::of(None, &headers).expect("there");
            assert_eq!(asked.token(), Some("abc"));
            assert!(!format!("{asked:?}").contains("abc"));
        }
        assert!(AskedAbout::of(None, &HeaderMap::new()).is_none());
    }
}
