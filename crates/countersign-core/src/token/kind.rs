//! The kind of token that claims declare.
//!
//! Many issuers sign tokens of every kind with one key and the same `typ`. Then only the claims tell what a token is for.

use std::borrow::Cow;

use serde_json::Value;

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Id,
    /// A token with `nonce`: an ID token, unless the issuer also writes it into access tokens.
    WithNonce,
    Refresh,
    /// A logout token or another security event token (RFC 8417).
    SecurityEvent,
    /// A DPoP proof (RFC 9449) or the proof of a workload.
    Proof,
    /// An assertion by which a client authenticates (RFC 7523).
    ClientAssertion,
    Transaction,
    /// A credential or presentation for a wallet, such as an SD-JWT.
    Credential,
    /// The signed response of an introspection endpoint (RFC 9701).
    Introspection,
    /// An authorization request object (RFC 9101).
    AuthorizationRequest,
    /// The signed response of an authorization endpoint (JARM).
    AuthorizationResponse,
    /// A kind that the claims name, but that has no variant here.
    Unlisted,
}

/// Each kind, in the order of the variants: its name, and the media types that it has in a header.
const KINDS: [(TokenKind, &str, &[&str]); 13] = [
    (TokenKind::Access, "an access token", &["at+jwt"]),
    (TokenKind::Id, "an ID token", &["jwt", "id_token+jwt"]),
    (TokenKind::WithNonce, "an ID token, by its nonce", &[]),
    (TokenKind::Refresh, "a refresh token", &["rt+jwt", "refresh+jwt"]),
    (TokenKind::SecurityEvent, "a logout token or another security event token", &["logout+jwt", "secevent+jwt"]),
    (TokenKind::Proof, "a proof of possession", &["dpop+jwt", "wpt+jwt"]),
    (TokenKind::ClientAssertion, "a client assertion", &["client-authentication+jwt"]),
    (TokenKind::Transaction, "a transaction token", &["txntoken+jwt", "txn_token+jwt"]),
    (TokenKind::Credential, "a credential", &["vc+jwt", "vp+jwt", "dc+sd-jwt", "vc+sd-jwt", "kb+jwt"]),
    (TokenKind::Introspection, "an introspection response", &["token-introspection+jwt"]),
    (TokenKind::AuthorizationRequest, "an authorization request", &["oauth-authz-req+jwt"]),
    (TokenKind::AuthorizationResponse, "an authorization response", &[]),
    (TokenKind::Unlisted, "a token of another kind", &[]),
];

impl TokenKind {
    /// The name with its article.
    pub(crate) fn name(self) -> &'static str {
        KINDS.get(self as usize).map_or("a token", |(_, name, _)| name)
    }

    /// The kind whose tokens have this `typ`, without `application/`.
    fn from_type(name: &str) -> Option<Self> {
        let has = |types: &[&str]| types.iter().any(|known| known.eq_ignore_ascii_case(name));
        KINDS.iter().find(|(_, _, types)| has(types)).map(|(kind, ..)| *kind)
    }

    /// The kind that the content type of a header (`cty`) names, if it names one.
    pub(super) fn from_content_type(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let media_type = lower.split(';').next().unwrap_or_default().trim();
        let bare = media_type.strip_prefix("application/").unwrap_or(media_type);
        let is_token = || bare.ends_with("+jwt") || bare.ends_with("+sd-jwt");
        match bare.split('+').next().unwrap_or_default() {
            "vc" | "vp" | "sd-jwt" | "credential-claims-set" => Some(TokenKind::Credential),
            _ => Self::from_type(bare).or_else(|| is_token().then_some(TokenKind::Unlisted)),
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenKinds(u16);

impl TokenKinds {
    /// Every kind.
    pub(crate) const ALL: Self = TokenKinds(u16::MAX);

    /// The kind whose tokens have this `typ`, without `application/`. A type that is not in the table may be any kind.
    pub(crate) fn of_type(name: &str) -> Self {
        match TokenKind::from_type(name) {
            None => Self::ALL,
            Some(TokenKind::Id) => Self::one(TokenKind::Id).and(TokenKind::WithNonce),
            Some(kind) => Self::one(kind),
        }
    }

    /// Returns whether tokens of this `typ` are transaction tokens.
    pub(crate) fn is_transaction(name: &str) -> bool {
        TokenKind::from_type(name) == Some(TokenKind::Transaction)
    }

    /// These kinds and another one.
    pub(crate) fn and(self, kind: TokenKind) -> Self {
        TokenKinds(self.0 | 1 << kind as u16)
    }

    pub(crate) fn one(kind: TokenKind) -> Self {
        TokenKinds(1 << kind as u16)
    }

    /// Returns whether it has one of the kinds of `others`.
    pub(crate) fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The first kind that `permitted` lacks.
    #[inline]
    pub(crate) fn beyond(self, permitted: Self) -> Option<TokenKind> {
        let rest = self.0 & !permitted.0;
        if rest == 0 {
            return None;
        }
        KINDS.iter().map(|(kind, ..)| *kind).find(|kind| rest & 1 << *kind as u16 != 0)
    }
}

/// The kinds of token that the claims of one token declare.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeclaredKinds {
    kinds: TokenKinds,
    /// The claims that declare a kind only together, as bits.
    marks: u8,
}

/// A parameter of an authorization response.
const RESPONSE: u8 = 1;
/// `state`, which is also a part of an address.
const STATE: u8 = 2;
/// `redirect_uri`
const REDIRECT: u8 = 4;
/// A claim that providers write only into access tokens.
const ACCESS: u8 = 8;

impl DeclaredKinds {
    /// Adds what the claim `name` with this JSON value declares.
    #[inline]
    pub(super) fn add<'j>(&mut self, name: &[u8], json: impl FnOnce() -> &'j str) {
        if let Some(sign) = Sign::from_name(name) {
            self.add_sign(sign, json());
        }
    }

    /// Adds a kind that other things than a claim's name declare.
    #[cold]
    pub(super) fn add_kind(&mut self, kind: TokenKind) {
        self.kinds = self.kinds.and(kind);
    }

    /// Returns whether a claim is one that providers write only into access tokens.
    pub(crate) fn is_like_access(self) -> bool {
        self.marks & ACCESS != 0
    }

    #[cold]
    fn add_sign(&mut self, sign: Sign, json: &str) {
        match sign {
            Sign::With(mark) if text(json).is_some() => self.marks |= mark,
            sign => self.kinds = sign.kind(json).map_or(self.kinds, |kind| self.kinds.and(kind)),
        }
    }

    /// The kinds, for a token that has a subject or a client, or neither.
    #[inline]
    pub(crate) fn kinds(self, has_subject: bool, has_client: bool) -> TokenKinds {
        if self.marks == 0 { self.kinds } else { self.with_marks(has_subject, has_client) }
    }

    /// A response is addressed to a client and names nobody, so `code` and `state` of somebody are claims like others.
    #[cold]
    fn with_marks(self, has_subject: bool, has_client: bool) -> TokenKinds {
        let has = |mark| self.marks & mark != 0;
        let mut kinds = self.kinds;
        if has(RESPONSE) && !has_subject && (has(STATE) || !has_client) {
            kinds = kinds.and(TokenKind::AuthorizationResponse);
        }
        if has(REDIRECT) && has(STATE) {
            kinds = kinds.and(TokenKind::AuthorizationRequest);
        }
        kinds
    }
}

/// The meaning of a claim's name for the kind of token.
enum Sign {
    /// The claim belongs to this kind.
    Of(TokenKind),
    /// As [`Of`](Self::Of), and even if it is `null`: an access token never has the claim.
    OfNull(TokenKind),
    /// The claim belongs to this kind if it is an object; other values are somebody's own.
    Object(TokenKind),
    /// The claim belongs to this kind if it is a Boolean; other values are somebody's own.
    Bool(TokenKind),
    /// `token_use` has no other use, so a text that is not understood is another kind.
    Use,
    /// `typ` of the claims. Providers write the kind there, so a text that is not understood is another kind: a token for the
    /// verification of an address, or an action.
    Type,
    /// A name of the kind of a token: texts that name no kind count for nothing.
    Kind,
    /// A name that also has other uses: only values that name a kind beyond doubt count.
    Vague,
    /// The claim declares a kind together with others.
    With(u8),
}

impl Sign {
    /// By bytes, since the compiler finds such a name with few comparisons.
    #[inline]
    fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"nonce" => Sign::OfNull(TokenKind::WithNonce),
            b"at_hash" | b"c_hash" | b"rt_hash" => Sign::OfNull(TokenKind::Id),
            b"urn:openid:params:jwt:claim:rt_hash" | b"urn:openid:params:jwt:claim:auth_req_id" => {
                Sign::OfNull(TokenKind::Id)
            }
            b"s_hash" | b"sub_jwk" => Sign::Of(TokenKind::Id),
            b"events" => Sign::Of(TokenKind::SecurityEvent),
            b"htm" | b"htu" | b"wth" => Sign::Of(TokenKind::Proof),
            // `azd` and `purp` are the names of `tctx` and `scope` in earlier drafts.
            b"tctx" | b"rctx" | b"req_wl" | b"azd" | b"purp" => Sign::Of(TokenKind::Transaction),
            b"_sd" | b"_sd_alg" | b"sd_hash" | b"vct" | b"vc" | b"vp" => Sign::Of(TokenKind::Credential),
            b"@context" | b"credentialSubject" | b"verifiableCredential" | b"vp_token" => {
                Sign::Of(TokenKind::Credential)
            }
            b"token_introspection" => Sign::Of(TokenKind::Introspection),
            // A response by the drafts before RFC 9701 has the members of RFC 7662 at the top, and the audience of the service.
            b"active" => Sign::Bool(TokenKind::Introspection),
            // Refresh tokens of Spring Security OAuth and of Cloud Foundry UAA.
            b"ati" | b"granted_scopes" => Sign::Of(TokenKind::Refresh),
            // Statements about an entity (OpenID Federation).
            b"authority_hints" | b"metadata_policy" | b"metadata_policy_crit" | b"trust_marks" => {
                Sign::Of(TokenKind::Unlisted)
            }
            b"trust_mark_issuers" | b"trust_mark_owners" => Sign::Of(TokenKind::Unlisted),
            // Statements about an entity or a client (RFC 7591).
            b"jwks" => Sign::Object(TokenKind::Unlisted),
            // In a token whose status a list states, it is a member of `status`.
            b"status_list" => Sign::Of(TokenKind::Unlisted),
            b"response_type" | b"code_challenge" | b"code_challenge_method" => {
                Sign::Of(TokenKind::AuthorizationRequest)
            }
            b"id_token_hint" | b"login_hint_token" | b"client_notification_token" => {
                Sign::Of(TokenKind::AuthorizationRequest)
            }
            b"code" | b"error" | b"access_token" | b"id_token" => Sign::With(RESPONSE),
            b"state" => Sign::With(STATE),
            b"redirect_uri" => Sign::With(REDIRECT),
            b"cid" | b"appid" | b"appidacr" | b"azpacr" | b"gty" => Sign::With(ACCESS),
            b"token_use" => Sign::Use,
            b"typ" => Sign::Type,
            b"token_type" | b"tokenType" | b"token_kind" | b"tokenKind" | b"tokenUse" | b"tokenName" => Sign::Kind,
            b"type" | b"use" | b"kind" | b"purpose" => Sign::Vague,
            _ => return None,
        })
    }
}

/// Returns whether the claim `name` can declare another kind than that of an access token.
pub(super) fn declares_kind(name: &str) -> bool {
    !matches!(Sign::from_name(name.as_bytes()), None | Some(Sign::With(ACCESS)))
}

impl Sign {
    /// The kind that a claim with this name and this JSON value declares.
    fn kind(self, json: &str) -> Option<TokenKind> {
        use TokenKind::{Access, Transaction, Unlisted};
        match self {
            Sign::OfNull(kind) => Some(kind),
            _ if json == "null" => None,
            Sign::Of(kind) => Some(kind),
            Sign::Object(kind) => json.starts_with('{').then_some(kind),
            Sign::Bool(kind) => matches!(json, "true" | "false").then_some(kind),
            Sign::Use => Some(text(json).and_then(|text| named(&text)).unwrap_or(Unlisted)),
            Sign::Type => match text(json) {
                Some(text) if is_jwt(&text) => None,
                Some(text) => Some(named(&text).unwrap_or(Unlisted)),
                None => Some(Unlisted),
            },
            Sign::Kind => texts(json).iter().filter_map(|text| named(text)).find(|kind| *kind != Access),
            Sign::Vague => {
                // The types of a credential are a list, and those of other things may be.
                let is_clear = |kind: &TokenKind| match json.starts_with('[') {
                    true => *kind == TokenKind::Credential,
                    false => !matches!(kind, Access | Transaction | Unlisted),
                };
                texts(json).iter().filter_map(|text| named(text)).find(is_clear)
            }
            Sign::With(_) => None,
        }
    }
}

/// The string that `json` is.
fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// The string that `json` is, or the strings of the list that it is.
fn texts(json: &str) -> Vec<Cow<'_, str>> {
    match json.starts_with('[') {
        false => text(json).into_iter().collect(),
        true => {
            let items: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
            let text = |item| if let Value::String(text) = item { Some(Cow::Owned(text)) } else { None };
            items.into_iter().filter_map(text).collect()
        }
    }
}

/// Returns whether a text names access tokens, as the `token_type` of a response does.
pub(crate) fn names_access_token(text: &str) -> bool {
    named(text) == Some(TokenKind::Access)
}

/// Returns whether a text is `JWT`, which names no kind.
fn is_jwt(text: &str) -> bool {
    ["jwt", "application/jwt"].iter().any(|name| name.eq_ignore_ascii_case(text.trim()))
}

/// The kind that a text names: `ID`, `id_token`, `Refresh`, `logout+jwt`, `urn:ietf:params:oauth:token-type:id_token` and so
/// on, in any case.
fn named(text: &str) -> Option<TokenKind> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.rsplit_once(":token-type:").map_or(&*lower, |(_, kind)| kind);
    let bare = lower.strip_prefix("application/").unwrap_or(lower);
    let media_type = bare.strip_suffix("+jwt").or_else(|| bare.strip_suffix("+sd-jwt"));
    let letters: String = media_type.unwrap_or(bare).chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.strip_suffix("token").unwrap_or(&letters) {
        "access" | "at" | "bearer" => Some(TokenKind::Access),
        // Keycloak writes it for access tokens that are bound to a key.
        "dpop" if media_type.is_none() => Some(TokenKind::Access),
        "jwt" if media_type.is_none() => None,
        "id" | "identity" | "serializedid" => Some(TokenKind::Id),
        "refresh" | "rt" | "offline" => Some(TokenKind::Refresh),
        "logout" | "backchannellogout" | "secevent" | "securityevent" => Some(TokenKind::SecurityEvent),
        "clientauthentication" | "clientassertion" => Some(TokenKind::ClientAssertion),
        "txn" => Some(TokenKind::Transaction),
        "sdjwt" | "sdjwtvc" if media_type.is_none() => Some(TokenKind::Credential),
        name if name.ends_with("verifiablecredential") || name.ends_with("verifiablepresentation") => {
            Some(TokenKind::Credential)
        }
        "idjag" | "devicesecret" => Some(TokenKind::Unlisted),
        "initial" | "initialaccess" | "registration" | "registrationaccess" | "authorizationcode" | "action" => {
            Some(TokenKind::Unlisted)
        }
        _ if media_type.is_some() => Some(TokenKind::from_type(bare).unwrap_or(TokenKind::Unlisted)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind that one claim declares.
    fn declared(name: &str, json: &str) -> Option<TokenKind> {
        Sign::from_name(name.as_bytes()).and_then(|sign| sign.kind(json))
    }

    #[test]
    fn the_table_is_in_the_order_of_the_variants() {
        assert!(KINDS.iter().enumerate().all(|(index, (kind, ..))| *kind as usize == index));
    }

    #[test]
    fn s3_30_claims_that_name_a_kind_do_so_in_any_spelling() {
        for id in ["ID", "id", "Id", "id_token", "ID Token", "idToken", "id_token+jwt", "\\u0049D", "Serialized-ID"] {
            for name in ["typ", "token_use", "token_type", "type", "tokenName", "purpose"] {
                assert_eq!(declared(name, &format!("\"{id}\"")), Some(TokenKind::Id), "{name} {id}");
            }
        }
        for (text, kind) in [
            ("Refresh", TokenKind::Refresh),
            ("refresh_token", TokenKind::Refresh),
            ("Offline", TokenKind::Refresh),
            ("LOGOUT", TokenKind::SecurityEvent),
            ("application/logout+jwt", TokenKind::SecurityEvent),
            ("dpop+jwt", TokenKind::Proof),
            ("dc+sd-jwt", TokenKind::Credential),
            ("else+jwt", TokenKind::Unlisted),
        ] {
            assert_eq!(declared("typ", &format!("\"{text}\"")), Some(kind), "{text}");
        }
        for access in ["Bearer", "bearer", "DPoP", "at+jwt", "application/at+jwt", "access", "Access_Token"] {
            for name in ["typ", "token_use"] {
                assert_eq!(declared(name, &format!("\"{access}\"")), Some(TokenKind::Access), "{name} {access}");
            }
            for name in ["token_type", "type", "purpose"] {
                assert_eq!(declared(name, &format!("\"{access}\"")), None, "{name} {access}");
            }
        }
        for (name, json) in [("type", "\"user\""), ("typ", "\"jwt\""), ("typ", "\"JWT\""), ("typ", "null")] {
            assert_eq!(declared(name, json), None, "{name} {json}");
        }
        for other in ["user", "verify-email", "execute-actions", "reset-credentials", "", "Bearer x", "JWTs", "JWE"] {
            assert_eq!(declared("typ", &format!("\"{other}\"")), Some(TokenKind::Unlisted), "{other}");
        }
        for unclear in ["\"user\"", "\"\"", "1", "true", "[]", "[\"access\"]", "{}"] {
            assert_eq!(declared("token_use", unclear), Some(TokenKind::Unlisted), "{unclear}");
        }
        for no_text in ["1", "true", "[]", "[\"Bearer\"]", "{}"] {
            assert_eq!(declared("typ", no_text), Some(TokenKind::Unlisted), "{no_text}");
        }
    }
}
