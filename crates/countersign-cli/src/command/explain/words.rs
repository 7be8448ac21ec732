//! Requirements read back from the words in which they print themselves.

use std::time::Duration;

use countersign::authz::{self, Requirement};

/// Reads what [`Requirement`] prints. What only the app itself can judge (its own rules, owners, shadows) is refused.
pub(super) fn read(text: &str) -> Result<Requirement, String> {
    let mut reader = Reader { rest: text.trim() };
    let requirement = reader.chain()?;
    if !reader.rest.is_empty() {
        return Err(format!("\"{text}\": unexpected \"{}\"", reader.rest));
    }
    match requirement.to_string() == text.trim() {
        true => Ok(requirement),
        false => Err(format!("\"{text}\" would be read as \"{requirement}\"")),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

/// The words that begin a rule with a name, and the rule.
type Named = (&'static str, fn(&str) -> Requirement);

const NAMED: [Named; 13] = [
    ("scope ", |name| authz::scope(name)),
    ("role ", |name| authz::role(name)),
    ("permission ", |name| authz::permission(name)),
    ("group ", |name| authz::group(name)),
    ("subject ", |name| authz::subject(name)),
    ("client ", |name| authz::client(name)),
    ("issued by ", |name| authz::issued_by(name)),
    ("actor ", |name| authz::actor(name)),
    ("tenant as in the path's ", |name| authz::tenant_in_path(name.trim_matches(['{', '}']))),
    ("tenant as in the header ", |name| authz::tenant_in_header(name)),
    ("tenant as in the host under ", |name| authz::tenant_in_host(name)),
    ("authenticated by ", |name| authz::amr(name)),
    ("anyone authenticated", |_| authz::any_authenticated()),
];

impl<'t> Reader<'t> {
    fn takes(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Parts joined by `and`, or by `or`; both together need brackets, and always print with them.
    fn chain(&mut self) -> Result<Requirement, String> {
        let mut all = self.part()?;
        loop {
            if self.takes(" and ") {
                all = all.and(self.part()?);
            } else if self.takes(" or ") {
                all = all.or(self.part()?);
            } else {
                return Ok(all);
            }
        }
    }

    fn part(&mut self) -> Result<Requirement, String> {
        let part = if self.takes("(") { self.bracketed()? } else { self.rule()? };
        Ok(if self.takes(" (else 404)") { part.hidden() } else { part })
    }

    fn bracketed(&mut self) -> Result<Requirement, String> {
        let inner = self.chain()?;
        if self.takes(")") { Ok(inner) } else { Err(format!("a bracket is not closed before \"{}\"", self.rest)) }
    }

    fn rule(&mut self) -> Result<Requirement, String> {
        if self.takes("not (") {
            return Ok(self.bracketed()?.not());
        }
        if self.takes("at least ") {
            return self.at_least();
        }
        if self.takes("authenticated within ") {
            let text = self.name();
            let seconds = text.strip_suffix(" s").and_then(|seconds| seconds.parse().ok());
            let seconds = seconds.ok_or_else(|| format!("\"{text}\" is no number of seconds"))?;
            return Ok(authz::authenticated_within(Duration::from_secs(seconds)));
        }
        if self.takes("acr ") {
            return Ok(self.acr());
        }
        if self.takes("claim ") {
            return self.claim();
        }
        for (word, rule) in NAMED {
            if self.takes(word) {
                return Ok(rule(self.name()));
            }
        }
        Err(format!("\"{}\" is the app's own rule, which nobody else can judge", self.rest))
    }

    fn at_least(&mut self) -> Result<Requirement, String> {
        let (count, rest) = self.rest.split_once(" of (").ok_or("at least N of (…) is incomplete")?;
        let count = count.parse().map_err(|_| format!("\"{count}\" is no number"))?;
        self.rest = rest;
        let mut parts = vec![self.chain()?];
        while self.takes(", ") {
            parts.push(self.chain()?);
        }
        if !self.takes(")") {
            return Err(format!("a bracket is not closed before \"{}\"", self.rest));
        }
        authz::at_least(count, parts).map_err(|error| error.to_string())
    }

    /// `acr gold or silver`: what follows `or` is another value unless it begins a rule.
    fn acr(&mut self) -> Requirement {
        let mut values = vec![self.name().to_owned()];
        while let Some(after) = self.rest.strip_prefix(" or ") {
            let begins_a_rule = Reader { rest: after }.part().is_ok();
            if begins_a_rule {
                break;
            }
            self.rest = after;
            values.push(self.name().to_owned());
        }
        authz::acr(values)
    }

    fn claim(&mut self) -> Result<Requirement, String> {
        let (pointer, rest) = self.rest.split_once(" is ").ok_or("claim … is … is incomplete")?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        let value = values.next().and_then(Result::ok).ok_or_else(|| format!("\"{rest}\" begins with no JSON"))?;
        self.rest = rest.get(values.byte_offset()..).unwrap_or_default();
        Ok(authz::claim(pointer, value))
    }

    /// A name: up to what can follow one.
    fn name(&mut self) -> &'t str {
        let ends = [" and ", " or ", ")", ", ", " (else 404)"].into_iter().filter_map(|end| self.rest.find(end));
        let (name, rest) = self.rest.split_at(ends.min().unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }
}

#[cfg(test)]
mod tests {
    use countersign::authz::*;

    use super::*;

    #[test]
    fn what_a_requirement_prints_is_read_back() {
        let some = [
            scope("orders:read"),
            role("clerk").or(permission("a:b")),
            scope("a").and(role("b")).and(group("/staff")),
            scope("a").and(role("b").or(client("c").and(issued_by("https://id.example.com/")))),
            subject("ann").not(),
            tenant_in_path("tenant").hidden().and(scope("orders:read")),
            tenant_in_header("x-tenant").or(tenant_in_host("example.com")),
            authenticated_within(Duration::from_secs(900)).and(amr("mfa")),
            acr(["gold", "silver"]),
            acr(["gold"]).or(role("admin")),
            acr(["gold", "silver"]).and(actor("gateway")),
            claim("plan", "gold").and(claim("level", 3)),
            at_least(2, [scope("a"), scope("b").and(role("c")), scope("d")]).expect("within"),
            any_authenticated(),
        ];
        for requirement in some {
            assert_eq!(read(&requirement.to_string()).as_ref(), Ok(&requirement), "{requirement}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "the owner", "shadow (scope a)", "(scope a", "scope a)", "at least x of (scope a)"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("weekdays only").is_err_and(|problem| problem.contains("own rule")));
    }
}
