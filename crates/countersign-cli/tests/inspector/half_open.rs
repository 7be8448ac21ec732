//! Connections that send nothing, or half of a request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::world::Inspector;

// S15.01: more half-sent requests than there are places.
#[test]
fn half_sent_requests_do_not_stop_the_inspector() {
    let inspector = Inspector::start(&["--no-open"]);
    let mut held = Vec::new();
    for n in 0..600 {
        let mut stream = TcpStream::connect(inspector.authority()).expect("it listens");
        let _ = stream.write_all(["", "GET / HTTP/1.1\r\n"][n % 2].as_bytes());
        held.push(stream);
    }
    let start = Instant::now();
    let mut stream = TcpStream::connect(inspector.authority()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", inspector.authority());
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
