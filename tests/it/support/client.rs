//! Talking to a server that a container is.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A TCP port of the machine that nobody has.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The answer to a request for `/`. Asks until somebody answers: a connection that is refused or cut off before is the
/// only failure that is worth another try.
pub(crate) fn ask(address: IpAddr, port: u16) -> String {
    let address = SocketAddr::from((address, port));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match try_to_ask(address) {
            Ok(answer) if !answer.is_empty() => return answer,
            Err(error) if Instant::now() > deadline => panic!("nobody answers at {address}: {error}"),
            Ok(_) | Err(_) => std::thread::yield_now(),
        }
    }
}

fn try_to_ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer)?;
    Ok(answer)
}
