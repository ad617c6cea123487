//! For tests: an HTTP server that answers every request by a function.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens until it is dropped. Every connection is for one request.
pub(in crate::remote) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// Answers with what `respond` writes; it is given the request's head.
    pub(in crate::remote) fn start(respond: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let respond = Arc::new(respond);
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (shared, respond) = (Arc::clone(&shared), Arc::clone(&respond));
                    // Not joined: a client may keep its connection for a while.
                    thread::spawn(move || answer(&mut stream.unwrap(), &shared, &*respond));
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Answers everything with `content`; `headers` are whole lines.
    pub(in crate::remote) fn with_content(headers: &str, content: &'static [u8]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", content.len());
        Self::start(move |_, stream| {
            // A client that wants something else than HTTP goes away.
            let _ = stream.write_all(&[head.as_bytes(), content].concat());
        })
    }

    pub(in crate::remote) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(in crate::remote) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(stream: &mut TcpStream, shared: &Shared, respond: &(dyn Fn(&str, &mut TcpStream) + Sync)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // A greeting of TLS has no lines.
        if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 || head[0] == 0x16 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    shared.requests.lock().unwrap().push(head.clone());
    respond(&head, stream);
}
