//! Connection settings from policies as data.

use countersign_core::error::ConfigError;
use countersign_core::policy::ConnectionConfig;
use countersign_core::secret::Secret;

use super::settings::ConnectionSettings;

/// The settings that a policy names; the defaults if it names none.
pub(crate) fn settings(config: Option<&ConnectionConfig>) -> Result<ConnectionSettings, ConfigError> {
    config.map_or_else(|| Ok(ConnectionSettings::new()), ConnectionSettings::from_config)
}

impl ConnectionSettings {
    /// The settings that a policy holds as data.
    ///
    /// # Errors
    /// `ConfigError` on field `connection` if fields contradict each other or the proxy has a password, and on the name of the
    /// variable in `proxy_env` if it is not set. Files are read later, when the settings are used.
    pub fn from_config(config: &ConnectionConfig) -> Result<Self, ConfigError> {
        of_config(config)
    }
}

fn of_config(config: &ConnectionConfig) -> Result<ConnectionSettings, ConfigError> {
    let mut settings = ConnectionSettings::new();
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
