//! The listener of a server: at an address, or at a Unix socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

/// The permissions of the folder in which a socket gets its own, before it appears at its place.
#[cfg(unix)]
const PRIVATE: u32 = 0o700;

/// An address, or a Unix socket, whose file is removed when it is dropped.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// A connection that was accepted.
pub(super) enum Accepted {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The peer of a connection: its address, or a Unix socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Address(SocketAddr),
    #[cfg_attr(not(unix), allow(dead_code, reason = "there are no Unix sockets"))]
    Socket,
}

/// The file of a socket.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Listener {
    /// Listens on a Unix socket at `path`, whose file has these permissions from the moment at which it is there.
    ///
    /// The file of a process that was killed is replaced, and one at which a process listens is not.
    #[cfg(unix)]
    pub(crate) async fn unix(path: &Path, mode: u32) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists, and is no socket"));
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
            }
            _ => {}
        }
        let folder = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::DirBuilder::new().mode(PRIVATE).create(&folder)?;
        let bound = bind(&folder.join("s"), path, mode);
        let _ = std::fs::remove_dir_all(&folder);
        Ok(Listener::Unix { listener: bound?, _file: SocketFile(path.to_owned()) })
    }

    pub(super) async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Accepted::Tcp(stream), Peer::Address(peer)))
            }
            #[cfg(unix)]
            Listener::Unix { listener, .. } => Ok((Accepted::Unix(listener.accept().await?.0), Peer::Socket)),
        }
    }
}

/// Binds in a folder that nobody else can enter, so that nobody connects before the permissions are set.
#[cfg(unix)]
fn bind(private: &Path, path: &Path, mode: u32) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(private)?;
    std::fs::set_permissions(private, std::fs::Permissions::from_mode(mode))?;
    std::fs::rename(private, path)?;
    Ok(listener)
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Listener::Tcp(listener)
    }
}

impl Peer {
    /// The address by which connections are counted. All of a socket are of one peer.
    pub(super) fn network(self) -> IpAddr {
        match self {
            Peer::Address(address) => address.ip(),
            Peer::Socket => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s9_03_a_socket_has_its_permissions_and_replaces_only_one_that_nobody_serves() {
        let folder = std::env::temp_dir().join(format!("countersign-socket-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("gateway.sock");
        let first = Listener::unix(&path, 0o640).await.expect("a socket");
        let mode = || std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o640);
        let second = Listener::unix(&path, 0o600).await.expect_err("somebody listens");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        let Listener::Unix { listener, _file } = first else { panic!("a socket") };
        drop(listener); // as after a kill: the file stays
        assert!(path.exists());
        let third = Listener::unix(&path, 0o600).await.expect("nobody listens");
        assert_eq!(mode(), 0o600);
        drop(third);
        assert!(!path.exists(), "it is removed");
        std::fs::write(&path, "data").expect("a file");
        let refused = Listener::unix(&path, 0o600).await.expect_err("no socket");
        assert_eq!(
            (refused.kind(), std::fs::read_to_string(&path).expect("text").as_str()),
            (io::ErrorKind::AlreadyExists, "data")
        );
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1, "nothing else is left");
        std::mem::forget(_file);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
