//! Connection settings from policies as data.

use countersign_core::error::ConfigError;
use countersign_core::policy::ConnectionConfig;
use countersign_core::secret::Secret;

use super::settings::ConnectionSettings;

/// The settings that a policy names; the defaults if it names none.
pub(crate) fn settings(config: Option<&ConnectionConfig>) -> Result<ConnectionSettings, ConfigError> {
    let mut settings = ConnectionSettings::new();
    let Some(config) = config else { return Ok(settings) };
    settings = config.roots_files.iter().fold(settings, ConnectionSettings::add_roots_file);
    if config.only_added_roots {
        settings = settings.only_added_roots();
    }
    settings = match (&config.certificate_file, &config.key_file) {
        (Some(chain), Some(key)) => settings.certificate_files(chain, key),
        (None, None) => settings,
        _ => return Err(fault("certificate_file and key_file belong together; set both")),
    };
    Ok(match (config.proxy.as_deref(), &config.proxy_env) {
        (None, None) => settings,
        (Some("none"), None) => settings.without_proxy(),
        (Some(url), None) if url.contains('@') => {
            return Err(fault("proxy has a user, and a policy holds no passwords; name a variable in proxy_env"));
        }
        (Some(url), None) => settings.proxy(url),
        (None, Some(variable)) => settings.proxy(Secret::from_env(variable)?),
        (Some(_), Some(_)) => return Err(fault("proxy and proxy_env are set; name one of them")),
    })
}

fn fault(problem: &'static str) -> ConfigError {
    ConfigError::new("connection", problem)
}
