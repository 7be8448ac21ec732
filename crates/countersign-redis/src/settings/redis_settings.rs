//! The settings of a connection.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::error::{ConfigError, Fault};
use countersign::secret::Secret;

use super::address::Address;
use super::pem::Pem;
use super::tls::TlsSettings;

/// The prefix of all keys.
const PREFIX: &str = "countersign:";

/// The longest prefix: every key has it.
const MAX_PREFIX_BYTES: usize = 64;

/// The time limit of one command.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The time limit of opening a connection. No request waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time limit that can be set.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The most commands that wait for an answer.
const MAX_IN_FLIGHT: usize = 4_096;

/// The address of Redis or Valkey, and the settings of connections to it.
///
/// ```no_run
/// use countersign::error::ConfigError;
/// use countersign::secret::Secret;
/// use countersign_redis::{RedisReplays, RedisSettings};
///
/// # async fn connect() -> Result<(), ConfigError> {
/// let settings = RedisSettings::new(Secret::from_env("REDIS_URL")?) // rediss://orders:password@redis.internal:6379
///     .add_roots_file("/etc/company/ca.pem")
///     .prefix("orders:");
/// let replays = RedisReplays::connect(settings).await?;
/// # let _ = replays;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisSettings {
    urls: Vec<Arc<Secret<String>>>,
    is_cluster: bool,
    sentinels: Vec<Arc<Secret<String>>>,
    tls: TlsSettings,
    prefix: String,
    timeout: Duration,
    connect_timeout: Duration,
    max_in_flight: usize,
    allows_plain_tcp: bool,
    denies_danger: bool,
}

/// The checked settings.
#[derive(Clone)]
pub(crate) struct Place {
    /// At least one; several of a cluster only. With sentinels, the host is the name of the primary.
    pub(crate) addresses: Vec<Address>,
    pub(crate) is_cluster: bool,
    pub(crate) sentinels: Vec<Address>,
    pub(crate) allows_plain_tcp: bool,
    pub(crate) tls: TlsSettings,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_in_flight: usize,
}

impl RedisSettings {
    /// A server at this URL: `redis://127.0.0.1:6379`, `rediss://user:password@redis.internal:6379` with TLS, or
    /// `unix:///run/redis/redis.sock?user=…&pass=…`. `valkey://` and `valkeys://` mean the same.
    ///
    /// A database other than 0 is the path of the URL, or `db=` of a socket's.
    pub fn new(url: impl Into<Secret<String>>) -> Self {
        RedisSettings::of(vec![Arc::new(url.into())], false)
    }

    /// A cluster, found by any of these of its nodes. All URLs have the same scheme, user and password. The store is used once
    /// all primaries have answered.
    ///
    /// With TLS, aws-lc-rs becomes the default provider of rustls for the process, unless it has one.
    ///
    /// ```
    /// use countersign_redis::RedisSettings;
    ///
    /// let settings = RedisSettings::cluster(["rediss://r1.internal:6379", "rediss://r2.internal:6379"]);
    /// # let _ = settings;
    /// ```
    #[cfg(feature = "cluster")]
    pub fn cluster<U: Into<Secret<String>>>(urls: impl IntoIterator<Item = U>) -> Self {
        RedisSettings::of(urls.into_iter().map(|url| Arc::new(url.into())).collect(), true)
    }

    fn of(urls: Vec<Arc<Secret<String>>>, is_cluster: bool) -> Self {
        RedisSettings {
            urls,
            is_cluster,
            sentinels: Vec::new(),
            tls: TlsSettings::default(),
            prefix: PREFIX.to_owned(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            max_in_flight: MAX_IN_FLIGHT,
            allows_plain_tcp: false,
            denies_danger: false,
        }
    }

    /// Finds the primary by these sentinels (Redis Sentinel), also after each fail-over. The host of the server's URL is then the name
    /// under which they know it, and its port is of no use.
    ///
    /// ```
    /// use countersign_redis::RedisSettings;
    ///
    /// let settings = RedisSettings::new("rediss://orders:password@orders-primary")
    ///     .sentinels(["rediss://orders:password@s1.internal:26379", "rediss://orders:password@s2.internal:26379"]);
    /// # let _ = settings;
    /// ```
    ///
    /// All are asked when a connection is opened, and the address that most of them name is used if that server is a primary. One
    /// of them is asked each second after that, so that a server that others replaced is left. With TLS, authorities and
    /// client certificate are the same for servers and sentinels, and the certificate of a server has the address that sentinels name
    /// (`sentinel announce-hostnames yes` for host names). The user of a sentinel needs `+sentinel|get-master-addr-by-name`.
    ///
    /// A primary that was cut off goes on until it hears of the fail-over, and what it takes until then is lost. Set
    /// `min-replicas-to-write 1` and `min-replicas-max-lag 10` at each server to bound that time.
    pub fn sentinels<U: Into<Secret<String>>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.sentinels = urls.into_iter().map(|url| Arc::new(url.into())).collect();
        self
    }

    /// Trusts these authorities (PEM) beside those of the system. In a cluster, instead of those.
    pub fn add_roots(mut self, pem: impl Into<String>) -> Self {
        self.tls.roots.push(Pem::from(Secret::new(pem.into())));
        self
    }

    /// Trusts the authorities in this PEM file too. It is read again for each connection.
    pub fn add_roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.roots.push(Pem::File(path.into()));
        self
    }

    /// Trusts only the authorities that were added.
    pub fn only_added_roots(mut self) -> Self {
        self.tls.only_added_roots = true;
        self
    }

    /// The certificate of this service with its chain, and its key, both PEM, for a server that asks for one.
    pub fn certificate(mut self, chain: impl Into<String>, key: Secret<String>) -> Self {
        self.tls.certificate = Some((Pem::from(Secret::new(chain.into())), Pem::from(key)));
        self
    }

    /// As [`certificate`](Self::certificate), from two PEM files, which are read again for each connection.
    pub fn certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.certificate = Some((Pem::File(chain.into()), Pem::File(key.into())));
        self
    }

    /// Sets the beginning of all keys. Default: `countersign:`. Instances behind one address need the same one, and services
    /// that share a server but not their clients need different ones.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a request waits for an answer before it gets 503. Default: 500 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit of opening a connection. Default: 2 s. No request waits for it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how many commands may wait for an answer at the same time. Default: 4,096. Further requests get 503 at once.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.max_in_flight = commands;
        self
    }

    /// Permits plain TCP (`redis://`) beyond loopback.
    ///
    /// Anyone on the network path can then read the password, and answer in the place of the server that a used proof is new.
    pub fn danger_allow_plain_tcp(mut self) -> Self {
        self.allows_plain_tcp = true;
        self
    }

    /// Refuses [`danger_allow_plain_tcp`](Self::danger_allow_plain_tcp), wherever it was set.
    pub fn deny_danger(mut self) -> Self {
        self.denies_danger = true;
        self
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<Place, ConfigError> {
        let mut faults = Vec::new();
        let mut parsed = |field, urls: &[Arc<Secret<String>>]| {
            let mut addresses = Vec::new();
            for url in urls {
                match Address::parse(url.expose()) {
                    Ok(address) => addresses.push(address),
                    Err(problem) => faults.push(Fault::new(field, problem)),
                }
            }
            addresses
        };
        let (addresses, sentinels) = (parsed("url", &self.urls), parsed("sentinels", &self.sentinels));
        if !self.sentinels.is_empty() && self.is_cluster {
            faults.push(Fault::new("sentinels", "a cluster has none; name its nodes only"));
        } else if !self.sentinels.is_empty() && addresses.iter().any(|address| address.name().is_none()) {
            let problem = "the host is no name that sentinels know: letters, digits or any of `._-`";
            faults.push(Fault::new("url", problem));
        }
        if self.urls.is_empty() {
            faults.push(Fault::new("url", "there is none; name at least one node of the cluster"));
        }
        // What sentinels name is checked when it is known.
        let reached = if sentinels.is_empty() { &addresses } else { &sentinels };
        if self.allows_plain_tcp && self.denies_danger {
            faults.push(Fault::new("danger", "plain TCP beyond loopback is permitted, and deny_danger forbids that"));
        } else if reached.iter().any(Address::is_exposed) && !self.allows_plain_tcp {
            let problem = "plain TCP beyond loopback, where others can read the password and answer in place of the \
                           server; use rediss:// (TLS), or danger_allow_plain_tcp";
            faults.push(Fault::new("url", problem));
        } else if self.allows_plain_tcp {
            tracing::warn!(target: "countersign::redis", "plain TCP beyond loopback is permitted: others can read and change it");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
        if !(1..=MAX_PREFIX_BYTES).contains(&self.prefix.len()) || !self.prefix.bytes().all(is_plain) {
            faults.push(Fault::new("prefix", "the prefix is not 1 to 64 letters, digits or any of `:._-`"));
        }
        let limits = [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)];
        for (field, _) in limits.into_iter().filter(|(_, limit)| limit.is_zero() || *limit > LONGEST_TIMEOUT) {
            faults.push(Fault::new(field, "the time limit is not within 60 s"));
        }
        if self.max_in_flight == 0 {
            faults.push(Fault::new("max_in_flight", "no command may be sent; set at least 1"));
        }
        ConfigError::check(faults)?;
        let RedisSettings { is_cluster, timeout, connect_timeout, max_in_flight, allows_plain_tcp, .. } = *self;
        let (tls, prefix) = (self.tls.clone(), self.prefix.clone());
        Ok(Place {
            addresses,
            is_cluster,
            sentinels,
            allows_plain_tcp,
            tls,
            prefix,
            timeout,
            connect_timeout,
            max_in_flight,
        })
    }
}

/// Without the URLs: they have the password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("is_cluster", &self.is_cluster)
            .field("sentinels", &self.sentinels.len())
            .field("prefix", &self.prefix)
            .field("roots", &self.tls.roots)
            .field("certificate", &self.tls.certificate.as_ref().map(|(chain, _)| chain))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(settings: &RedisSettings) -> Vec<String> {
        let faults = settings.check().err().map(|error| error.faults().to_vec()).unwrap_or_default();
        faults.iter().map(|fault| fault.field.to_string()).collect()
    }

    #[test]
    fn faults_name_their_setting() {
        let good = || RedisSettings::new("rediss://redis.internal");
        assert_eq!(fields(&good()), [""; 0]);
        assert_eq!(fields(&RedisSettings::new("redis.internal")), ["url"]);
        for prefix in ["", "a{b}", "a*", &"x".repeat(65)] {
            assert_eq!(fields(&good().prefix(prefix)), ["prefix"], "{prefix}");
        }
        assert_eq!(fields(&good().sentinels(["rediss://s1.internal:26379"])), [""; 0]);
        for (settings, field) in [
            (good().sentinels(["s1.internal"]), "sentinels"),
            (RedisSettings::new("unix:///run/redis.sock").sentinels(["rediss://s1.internal"]), "url"),
            (
                RedisSettings::of(vec![Arc::new("rediss://r1.internal".into())], true).sentinels(["rediss://s"]),
                "sentinels",
            ),
        ] {
            assert_eq!(fields(&settings), [field]);
        }
        let limits = good().timeout(Duration::ZERO).connect_timeout(Duration::from_secs(61)).max_in_flight(0);
        assert_eq!(fields(&limits), ["timeout", "connect_timeout", "max_in_flight"]);
    }

    #[test]
    fn s10_01_plain_tcp_beyond_loopback_is_a_danger_and_no_output_has_the_password() {
        for url in ["redis://redis.internal", "redis://:hunter2@10.0.0.7", "redis://u:hunter2@redis.internal:6379"] {
            let error = RedisSettings::new(url).check().err().expect("refused");
            assert!(error.faults()[0].problem.contains("rediss://"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert_eq!(fields(&RedisSettings::new(url).danger_allow_plain_tcp()), [""; 0]);
            assert_eq!(fields(&RedisSettings::new(url).danger_allow_plain_tcp().deny_danger()), ["danger"]);
        }
        let of_sentinels = RedisSettings::new("redis://u:hunter2@primary").sentinels(["redis://u:hunter2@s1.internal"]);
        let error = of_sentinels.check().err().expect("refused");
        assert!(error.faults()[0].problem.contains("rediss://") && !error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{of_sentinels:?}").contains("hunter2"), "{of_sentinels:?}");
        let secret = RedisSettings::new("rediss://u:hunter2@redis.internal").certificate("chain", "hunter2".into());
        assert!(!format!("{secret:?}").contains("hunter2"), "{secret:?}");
        let error = RedisSettings::new("http://u:hunter2@redis.internal").check().err().expect("refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
