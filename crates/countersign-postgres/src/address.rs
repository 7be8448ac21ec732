//! The addresses at which a database may be.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The reason why a database at this address may not be used. On a loopback address any user of the machine can listen while the
/// database is down, receive its password and answer in its place.
pub(crate) fn address_fault(config: &Config) -> Option<&'static str> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    if hosts.is_empty() || !hosts.iter().all(is_local) || !addresses.iter().all(IpAddr::is_loopback) {
        return Some("the database is on another machine; reach it through the socket of a local proxy that encrypts");
    }
    if !addresses.is_empty() || hosts.iter().any(|host| matches!(host, Host::Tcp(_))) {
        return Some(
            "TCP, where anybody on this machine may answer; name the folder of a socket: host=/run/postgresql",
        );
    }
    #[cfg(unix)]
    if hosts.iter().any(|host| matches!(host, Host::Unix(folder) if is_open_to_all(folder))) {
        return Some("the socket is in or below a folder that everybody may write to; use one of the database's own");
    }
    None
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
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
