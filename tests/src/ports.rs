//! Ports for programs that must be told their port.

use std::array;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

/// A port of loopback that nothing listens on. While this process runs, the system gives it to no socket that asks for any free
/// port; a program that asks for this one gets it if it sets `SO_REUSEADDR`, as servers do.
#[must_use]
pub fn free_port() -> u16 {
    static RESERVED: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    // Other systems would refuse the port to the program too.
    if cfg!(target_os = "linux") {
        RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    }
    port
}

/// Several of them.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    array::from_fn(|_| free_port())
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use tokio::net::TcpSocket;

    use super::free_port;

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "the port is not reserved")]
    fn a_reserved_port_is_for_servers_that_ask_for_it() {
        let port = free_port();
        let other = TcpSocket::new_v4().expect("a socket");
        other.bind(SocketAddr::from(([127, 0, 0, 1], port))).expect_err("reserved");
        for address in ["127.0.0.1", "0.0.0.0", "127.0.0.1"] {
            TcpListener::bind((address, port)).expect("a server of the standard library sets the option");
        }
    }
}
