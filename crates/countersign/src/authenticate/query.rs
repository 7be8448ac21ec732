//! The parameter `access_token` of a query or a form (RFC 6750 §2.2, §2.3).

use std::borrow::Cow;

/// Name of the parameter.
const PARAMETER: &str = "access_token";

/// The tokens among the parameters; `None` for a value with escapes, which no token needs.
pub(super) fn query_tokens(query: &str) -> impl Iterator<Item = Option<&str>> {
    form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == PARAMETER).map(|(_, value)| match value {
        Cow::Borrowed(token) => Some(token),
        Cow::Owned(_) => None,
    })
}

/// The query without its tokens; `None` if nothing is left.
pub(super) fn without_tokens(query: &str) -> Option<String> {
    let is_token = |pair: &str| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == PARAMETER);
    let others: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    (!others.is_empty()).then(|| others.join("&"))
}

/// Returns whether the query has a parameter of this name. Decodes only names with escapes: it runs on every request.
pub(super) fn has_token(query: &str) -> bool {
    // A shorter pair cannot have the name, which escapes only make longer.
    let pairs = query.as_bytes().split(|byte| *byte == b'&').filter(|pair| pair.len() >= PARAMETER.len());
    pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next()).any(|name| match name.contains(&b'%') {
        true => form_urlencoded::parse(name).any(|(name, _)| name == PARAMETER),
        false => name == PARAMETER.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_10_an_escaped_name_is_found_and_an_escaped_value_is_no_token() {
        let found = |query| query_tokens(query).collect::<Vec<_>>();
        assert_eq!(found("a=1&access_token=e30.e30.AA&b"), [Some("e30.e30.AA")]);
        assert_eq!(found("access%5Ftoken=abc&access_token"), [Some("abc"), Some("")]);
        assert_eq!(found("access_token=%65yJ&access_token=a+b"), [None, None]);
        assert!(found("Access_Token=abc&x=access_token").is_empty());
    }

    #[test]
    fn what_is_left_of_a_query_is_unchanged() {
        assert_eq!(without_tokens("a=1&access_token=abc&b=%20+").as_deref(), Some("a=1&b=%20+"));
        assert_eq!(without_tokens("access%5Ftoken=abc"), None);
        assert!(has_token("a&access_token=b") && !has_token("a=access_token"));
        assert!(has_token("a=%&access%5Ftoken=abc") && !has_token("access%255Ftoken=abc&%=1"));
    }
}
