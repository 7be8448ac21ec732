//! The options of commands that connect to other machines.

use clap::Args;
use countersign::connection::ConnectionSettings;
use countersign::error::ConfigError;
use countersign::integration::with_connection;
use countersign::policy::ConnectionConfig;
use reqwest::{Client, ClientBuilder};

use super::loopback::is_loopback;
use crate::exit::Failure;

/// The trusted authorities, the client's certificate and the proxy.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionOptions {
    /// Trust the authorities in this PEM file too; may be repeated
    #[arg(long = "roots", value_name = "FILE")]
    roots: Vec<String>,
    /// Trust only the authorities of --roots, and not those of the system
    #[arg(long, requires = "roots")]
    only_added_roots: bool,
    /// The client's certificate with its chain (PEM), for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<String>,
    /// The key of the client's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<String>,
    /// Use this proxy (http, https, socks5, socks5h; without a password), or none. Default: that of $HTTPS_PROXY
    #[arg(long, value_name = "URL|none")]
    proxy: Option<String>,
    /// Use the proxy whose URL, which may have a password, is in this environment variable
    #[arg(long, value_name = "VARIABLE", conflicts_with = "proxy")]
    proxy_env: Option<String>,
}

impl ConnectionOptions {
    /// The options in the form of policies; `None` without any.
    pub(crate) fn config(&self) -> Option<ConnectionConfig> {
        let mut config = ConnectionConfig::default();
        config.roots_files.clone_from(&self.roots);
        config.only_added_roots = self.only_added_roots;
        config.certificate_file.clone_from(&self.certificate);
        config.key_file.clone_from(&self.certificate_key);
        config.proxy.clone_from(&self.proxy);
        config.proxy_env.clone_from(&self.proxy_env);
        (config != ConnectionConfig::default()).then_some(config)
    }

    /// The options that a policy holds as data.
    pub(crate) fn from_config(config: &ConnectionConfig) -> Self {
        ConnectionOptions {
            roots: config.roots_files.clone(),
            only_added_roots: config.only_added_roots,
            certificate: config.certificate_file.clone(),
            certificate_key: config.key_file.clone(),
            proxy: config.proxy.clone(),
            proxy_env: config.proxy_env.clone(),
        }
    }

    /// The settings for the library's own connections.
    pub(crate) fn settings(&self) -> Result<ConnectionSettings, ConfigError> {
        if self.proxy.as_ref().is_some_and(|proxy| proxy.contains('@')) {
            let problem =
                "a password in --proxy is visible to other users of this machine; name a variable with --proxy-env";
            return Err(ConfigError::new("connection", problem));
        }
        self.config().as_ref().map_or_else(|| Ok(ConnectionSettings::new()), ConnectionSettings::from_config)
    }

    /// A client with these options for connections to `host`. Loopback needs no proxy.
    pub(crate) fn client(&self, host: &str, builder: ClientBuilder) -> Result<Client, Failure> {
        let builder = with_connection(builder, &self.settings()?)?;
        let builder = if is_loopback(host) { builder.no_proxy() } else { builder };
        let no_client = |_| Failure::usage("the HTTP client could not be set up; are there root certificates?");
        builder.build().map_err(no_client)
    }
}
