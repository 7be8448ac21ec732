//! Settings in the form of libpq: the address of the database, and the files of TLS.

use std::net::IpAddr;
use std::path::PathBuf;

use countersign_core::secret::Secret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::tls::TlsFiles;

/// The settings of connections.
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// Set for a database that is reached by TCP.
    pub(crate) tls: Option<TlsFiles>,
}

const UNREADABLE: &str = "the settings are not readable; write name=value pairs as libpq does, such as host=/run/postgresql user=issuer, or a URL";

/// The parameters that `tokio_postgres` does not read, or reads in another sense.
const TLS_PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

impl Settings {
    /// Reads `host=db.example.com user=issuer dbname=issuer sslrootcert=/etc/ca.pem`, or a URL with the same parameters.
    pub(crate) fn read(text: &Secret<String>) -> Result<Self, &'static str> {
        let text = text.expose();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (rest, parameters) = if is_url { split_url(text)? } else { split_pairs(text)? };
        let mut config: Config = rest.expose().parse().map_err(|_| UNREADABLE)?;
        let mut files = TlsFiles::default();
        let mut mode = None;
        for (name, value) in parameters {
            match &*name {
                "sslmode" => mode = Some(value),
                "sslrootcert" if value == "system" => files.roots = None,
                "sslrootcert" => files.roots = Some(PathBuf::from(value)),
                "sslcert" => files.certificate = Some(PathBuf::from(value)),
                _ => files.key = Some(PathBuf::from(value)),
            }
        }
        if is_socket(&config)? {
            if files != TlsFiles::default()
                || mode.is_some_and(|mode| !["disable", "allow", "prefer"].contains(&&*mode))
            {
                return Err("a socket has no TLS; remove sslmode, sslrootcert, sslcert and sslkey");
            }
            config.ssl_mode(SslMode::Disable);
            return Ok(Settings { config, tls: None });
        }
        if mode.is_some_and(|mode| mode != "verify-full") {
            return Err("sslmode is weaker than verify-full, which TCP always uses; remove it");
        }
        if files.certificate.is_some() != files.key.is_some() {
            return Err("one of sslcert and sslkey is missing");
        }
        config.ssl_mode(SslMode::Require);
        Ok(Settings { config, tls: Some(files) })
    }
}

/// Returns whether the database is reached through sockets only. Fails for addresses that cannot be used.
fn is_socket(config: &Config) -> Result<bool, &'static str> {
    let hosts = config.get_hosts();
    let sockets = hosts.iter().filter(|host| !matches!(host, Host::Tcp(_))).count();
    if hosts.is_empty() {
        return Err("host is missing; name the database's machine, or the folder of its socket: host=/run/postgresql");
    }
    if sockets == 0 {
        return Ok(false);
    }
    if sockets < hosts.len() || !config.get_hostaddrs().iter().all(IpAddr::is_loopback) {
        return Err("the hosts are sockets and machines; name one kind");
    }
    // On a loopback address any user of the machine can listen while the database is down, receive its password and answer in
    // its place; there TLS tells them apart. A socket needs a folder of the database's own.
    if !config.get_hostaddrs().is_empty() {
        return Err("hostaddr has no meaning for a socket; remove it");
    }
    #[cfg(unix)]
    if hosts.iter().any(|host| matches!(host, Host::Unix(folder) if is_open_to_all(folder))) {
        return Err("the socket is in or below a folder that everybody may write to; use one of the database's own");
    }
    Ok(true)
}

/// Returns whether everybody may write to a folder on the way, also behind links. The sticky bit of such a folder protects only
/// what is there: after a restart of the machine, anybody may be the first to create it in `/tmp`.
#[cfg(unix)]
fn is_open_to_all(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let resolved = std::fs::canonicalize(folder).unwrap_or_default();
    let mut on_the_way = folder.ancestors().chain(resolved.ancestors());
    on_the_way.any(|folder| std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 0o002 != 0))
}

/// The text without the parameters of TLS, and those.
type Parts = (Secret<String>, Vec<(String, String)>);

/// Splits the form `name = value`, with `'` around values that have spaces, and `\` before a character that stands for itself.
fn split_pairs(text: &str) -> Result<Parts, &'static str> {
    let mut rest = String::with_capacity(text.len() * 2); // it has the password, of which no copy is left behind
    let mut parameters = Vec::new();
    let mut left = text.trim_start();
    while !left.is_empty() {
        let (name, after) = left.split_once('=').ok_or(UNREADABLE)?;
        let (name, after) = (name.trim(), after.trim_start());
        let is_of_tls = TLS_PARAMETERS.contains(&name);
        let mut value = String::new(); // never that of a password
        let is_quoted = after.starts_with('\'');
        let mut chars = after.char_indices().skip(usize::from(is_quoted));
        let mut end = None;
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => value.extend(Some(chars.next().ok_or(UNREADABLE)?.1).filter(|_| is_of_tls)),
                '\'' if is_quoted => {
                    end = Some(at + 1);
                    break;
                }
                char if char.is_whitespace() && !is_quoted => {
                    end = Some(at);
                    break;
                }
                char => value.extend(Some(char).filter(|_| is_of_tls)),
            }
        }
        if is_quoted && end.is_none() {
            return Err(UNREADABLE);
        }
        let end = end.unwrap_or(after.len());
        let (written, next) = after.split_at_checked(end).ok_or(UNREADABLE)?;
        if is_of_tls {
            parameters.push((name.to_owned(), value));
        } else {
            rest.push_str(name);
            rest.push('=');
            rest.push_str(written);
            rest.push(' ');
        }
        left = next.trim_start();
    }
    Ok((Secret::new(rest), parameters))
}

/// Splits the query of a URL.
fn split_url(text: &str) -> Result<Parts, &'static str> {
    let Some((before, query)) = text.split_once('?') else { return Ok((Secret::new(text.to_owned()), Vec::new())) };
    let mut parameters = Vec::new();
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(UNREADABLE)?;
        if TLS_PARAMETERS.contains(&name) {
            let value = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| UNREADABLE)?;
            parameters.push((name.to_owned(), value.into_owned()));
        } else {
            rest.push(pair);
        }
    }
    let mark = if rest.is_empty() { "" } else { "?" };
    Ok((Secret::new(format!("{before}{mark}{}", rest.join("&"))), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, &'static str> {
        Settings::read(&Secret::new(text.to_owned()))
    }

    #[test]
    fn tcp_always_verifies_the_server() {
        for text in [
            "host=db.example.com user=issuer password='a b' sslrootcert=/etc/ca.pem",
            r"host = db.example.com user=issuer password='a b' sslrootcert = '/etc/ca.pem' sslmode=verify-full",
            "postgresql://issuer:a%20b@db.example.com/issuer?sslrootcert=%2Fetc%2Fca.pem&connect_timeout=3",
            "postgres://issuer:a%20b@db.example.com?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ] {
            let settings = read(text).unwrap();
            assert_eq!(settings.config.get_password(), Some(&b"a b"[..]), "{text}");
            assert_eq!(settings.config.get_ssl_mode(), SslMode::Require);
            assert_eq!(settings.tls.unwrap().roots.unwrap(), PathBuf::from("/etc/ca.pem"), "{text}");
        }
        for text in ["host=localhost user=a", "host=127.0.0.1 user=a", "postgres://a@localhost", "host=a,b user=a"] {
            assert_eq!(read(text).unwrap().tls, Some(TlsFiles::default()), "{text}");
        }
        let system = read("host=a user=a sslrootcert=system sslcert=/a sslkey='/b\\'c'").unwrap().tls.unwrap();
        assert_eq!((system.roots, system.key), (None, Some(PathBuf::from("/b'c"))));
    }

    #[test]
    fn weaker_and_broken_settings_are_refused() {
        for (text, reason) in [
            ("host=a user=a sslmode=require", "weaker than verify-full"),
            ("host=a user=a sslmode=disable", "weaker than verify-full"),
            ("postgres://a@b?sslmode=prefer", "weaker than verify-full"),
            ("host=a user=a sslcert=/a", "one of sslcert and sslkey"),
            ("host=/run/postgresql,a user=a", "sockets and machines"),
            ("hostaddr=10.0.0.1 user=a", "host is missing"),
            ("user=a", "host is missing"),
            ("host=/run user=a sslmode=verify-full", "a socket has no TLS"),
            ("host=/tmp user=a", "everybody may write to"),
            ("host='a", "not readable"),
            ("host=a\\", "not readable"),
            ("host", "not readable"),
            ("host=a user=a sslpassword=x", "not readable"),
            ("postgres://a@b?x", "not readable"),
            ("", "host is missing"),
        ] {
            let found = read(text).err().unwrap_or_default();
            assert!(found.contains(reason), "{text}: {found}");
        }
    }
}
