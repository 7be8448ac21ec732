//! Presets in policies: what a table states, over what its preset gives.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::super::ProviderMapping;
use super::members::Members;
use super::{AudienceList, TrustedIssuerConfig};
use crate::error::ConfigError;
use crate::redact::safe_text;

impl ProviderMapping {
    /// The rules for an issuer of this provider, as data. `audience` replaces `{audience}` in the locations of roles.
    ///
    /// If the provider signs tokens for everybody, no owner is allowed yet, and a verifier does not build. If it has one issuer per
    /// tenant, only tokens of the tenant that `issuer` names are accepted.
    #[must_use]
    pub fn config(&self, issuer: impl Into<String>, audience: impl Into<String>) -> TrustedIssuerConfig {
        let audience = audience.into();
        let client = audience.replace('~', "~0").replace('/', "~1");
        let mut config = TrustedIssuerConfig::new(issuer, audience);
        if let (Some(tenant), Some(claim)) = (self.tenant_of_issuer(&config.issuer), self.tenant_claim()) {
            config.required_claim_values.insert(claim.to_owned(), tenant.to_owned());
        }
        let authorities = &mut config.authorities;
        authorities.roles_at = self.roles_at.iter().map(|at| at.replace("{audience}", &client).into()).collect();
        authorities.permissions_at = self.permissions_at.iter().map(|at| (*at).into()).collect();
        authorities.client_at = self.client_at.iter().map(|at| (*at).to_owned()).collect();
        authorities.own_tokens = self.own_tokens;
        authorities.tenant_at = self.tenant_at.map(str::to_owned);
        authorities.scopes_in_scp = self.scopes_in_scp;
        config.client_required = self.client_required;
        config.client_id_for_absent_audience = self.client_id_for_absent_audience;
        if let Some((claim, values)) = self.kind_claim {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            config.kind_claim.insert(claim.to_owned(), values);
        }
        if let Some(claim) = self.owner_claim {
            config.allowed_claim_values.insert(claim.to_owned(), Vec::new());
        }
        config.required_claims = self.required_claims.iter().map(|claim| (*claim).to_owned()).collect();
        config
    }

    /// The top-level claim with the tenant.
    #[must_use]
    pub fn tenant_claim(&self) -> Option<&'static str> {
        self.tenant_at.map(|pointer| pointer.trim_start_matches('/'))
    }
}

/// Reads the issuers of a policy, and fills in their presets.
pub(super) fn issuers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TrustedIssuerConfig>, D::Error> {
    let read = |Members(stated)| {
        let whole = with_preset(stated).map_err(D::Error::custom)?;
        TrustedIssuerConfig::deserialize(Value::Object(whole)).map_err(D::Error::custom)
    };
    Vec::<Members>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// Puts what the table states over what its preset gives.
fn with_preset(mut stated: Map<String, Value>) -> Result<Map<String, Value>, ConfigError> {
    let name = stated.remove("preset");
    let (tenant, owners) = (stated.remove("preset_tenant"), stated.remove("preset_owners"));
    let is_parameter = |name: &&String| name.starts_with("preset");
    if let Some(unknown) = stated.keys().find(is_parameter) {
        let known = "the known ones are preset, preset_tenant and preset_owners";
        return Err(ConfigError::new("preset", format!("unknown field \"{}\"; {known}", safe_text(unknown))));
    }
    let mapping = match name {
        Some(Value::String(name)) => ProviderMapping::from_config_name(&name)?,
        Some(_) => return Err(ConfigError::new("preset", "not a string; write the name of the preset")),
        None if tenant.is_some() || owners.is_some() => {
            return Err(ConfigError::new("preset", "missing beside its parameters; name the preset"));
        }
        None => return Ok(stated),
    };
    let mut given = given(&mapping, &stated)?;
    set_tenant(&mut given, &mapping, tenant)?;
    set_owners(&mut given, &mapping, owners)?;
    if given.issuer.is_empty() && !stated.contains_key("issuer") && mapping.issuer_pattern.is_some() {
        let problem = format!("preset {} needs preset_tenant or issuer; state one of them", mapping.config_name);
        return Err(ConfigError::new("issuer", problem));
    }
    pin_tenant(&mut given, &mapping, &stated)?;
    let Ok(Value::Object(mut whole)) = serde_json::to_value(&given) else { return Ok(stated) };
    if given.issuer.is_empty() {
        whole.remove("issuer"); // a missing one is reported as such
    }
    whole.remove("audience");
    overlay(&mut whole, stated);
    Ok(whole)
}

/// The rules that the preset gives for the audience that the table states.
fn given(mapping: &ProviderMapping, stated: &Map<String, Value>) -> Result<TrustedIssuerConfig, ConfigError> {
    let audience = stated.get("audience").and_then(|audience| AudienceList::deserialize(audience).ok());
    let names = audience.as_ref().map_or(&[][..], AudienceList::names);
    let states_roles = stated.get("authorities").is_some_and(|authorities| authorities.get("roles_at").is_some());
    let needs_audience = mapping.roles_at.iter().any(|pointer| pointer.contains("{audience}"));
    if needs_audience && !states_roles && names.len() != 1 && audience.is_some() {
        let problem = format!(
            "preset {} reads the roles of the client that is the audience, and there are {} audiences; state \
             authorities.roles_at, such as /resource_access/CLIENT/roles",
            mapping.config_name,
            names.len()
        );
        return Err(ConfigError::new("roles_at", problem));
    }
    Ok(mapping.config("", names.first().map_or("", String::as_str)))
}

/// Names the issuer of this tenant, and accepts its tokens only for the tenant.
fn set_tenant(
    given: &mut TrustedIssuerConfig,
    mapping: &ProviderMapping,
    tenant: Option<Value>,
) -> Result<(), ConfigError> {
    let tenant = match tenant {
        None => return Ok(()),
        Some(Value::String(tenant)) => tenant,
        Some(_) => return Err(ConfigError::new("preset_tenant", "not a string; write the ID of the tenant")),
    };
    given.issuer = match (mapping.issuer_pattern, mapping.issuer_of_tenant(&tenant)) {
        (_, Ok(issuer)) => issuer,
        (Some(_), Err(error)) => return Err(ConfigError::new("preset_tenant", error.faults()[0].problem.clone())),
        (None, Err(_)) => return Err(takes_no("preset_tenant", mapping, "entra_v1 and entra_v2 do")),
    };
    if let Some(claim) = mapping.tenant_claim() {
        given.required_claim_values.insert(claim.to_owned(), tenant);
    }
    Ok(())
}

/// Accepts only tokens of the tenant that the stated issuer names, which nothing else that is stated may contradict.
fn pin_tenant(
    given: &mut TrustedIssuerConfig,
    mapping: &ProviderMapping,
    stated: &Map<String, Value>,
) -> Result<(), ConfigError> {
    let Some(claim) = mapping.tenant_claim().filter(|_| mapping.issuer_pattern.is_some()) else { return Ok(()) };
    let issuer = stated.get("issuer").and_then(Value::as_str);
    let named = issuer.and_then(|issuer| mapping.tenant_of_issuer(issuer));
    let in_claims = stated.get("required_claim_values").and_then(|values| values.get(claim)).and_then(Value::as_str);
    let parameter = given.required_claim_values.get(claim).cloned();
    let tenants = [("issuer", named), ("preset_tenant", parameter.as_deref()), ("required_claim_values", in_claims)];
    let mut tenants = tenants.into_iter().filter_map(|(field, tenant)| Some((field, tenant?)));
    let Some((first, tenant)) = tenants.next() else { return Ok(()) };
    if let Some((field, _)) = tenants.find(|(_, other)| *other != tenant) {
        let problem =
            format!("another tenant than that of {first}; an issuer signs for one tenant: state each on its own");
        return Err(ConfigError::new(field, problem));
    }
    let tenant = tenant.to_owned();
    given.required_claim_values.insert(claim.to_owned(), tenant);
    Ok(())
}

/// Accepts only tokens of these owners.
fn set_owners(
    given: &mut TrustedIssuerConfig,
    mapping: &ProviderMapping,
    owners: Option<Value>,
) -> Result<(), ConfigError> {
    let Some(owners) = owners else { return Ok(()) };
    let Some(claim) = mapping.owner_claim else {
        return Err(takes_no("preset_owners", mapping, "github_actions does"));
    };
    let owners: Vec<String> = Deserialize::deserialize(owners)
        .map_err(|_| ConfigError::new("preset_owners", "not a list of strings; write the ids of the owners"))?;
    given.allowed_claim_values.insert(claim.to_owned(), owners);
    Ok(())
}

fn takes_no(parameter: &'static str, mapping: &ProviderMapping, others: &str) -> ConfigError {
    ConfigError::new(parameter, format!("preset {} takes none; {others}; remove it", mapping.config_name))
}

/// Puts stated fields over given ones. The rules that only narrow are added to those given, and `authorities` are a table of
/// fields of their own.
fn overlay(whole: &mut Map<String, Value>, stated: Map<String, Value>) {
    for (name, value) in stated {
        match (name.as_str(), whole.get_mut(&name), value) {
            ("required_claims", Some(Value::Array(given)), Value::Array(more)) => given.extend(more),
            ("required_claim_values" | "allowed_claim_values", Some(Value::Object(given)), Value::Object(more)) => {
                given.extend(more);
            }
            ("authorities", Some(Value::Object(given)), Value::Object(more)) => {
                if more.contains_key("tenant") {
                    given.remove("tenant_at"); // an issuer has a constant tenant, or tokens that name it
                }
                given.extend(more);
            }
            (_, _, value) => {
                whole.insert(name, value);
            }
        }
    }
}
