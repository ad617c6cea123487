//! A registry with a bad connection: a proxy in front of one that spoils what it is told to, and counts everything.
//!
//! It speaks plain HTTP to both sides, with one request a connection. The registry makes its redirects from the name
//! that the client used, so they lead here again.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::http::{Request, answer, read_headers};

/// How often [`Fault::Slow`] passes something on.
const TICK: Duration = Duration::from_millis(5);

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends after so many bytes of the answer's body, whose length was told.
    Cut(u64),
    /// The connection ends after so many bytes of the request's body; the registry has got these, and gives the upload
    /// up: an upload of distribution 2.8 goes on only after a PATCH that was answered.
    CutUpload(u64),
    /// The byte of the answer's body at this place comes with all its bits turned over.
    Flip(u64),
    /// This answer comes instead, and the registry hears nothing: `503 Service Unavailable`.
    Status(&'static str),
    /// `429 Too Many Requests` comes instead, with `Retry-After` as it is here.
    TooMany(&'static str),
    /// The answer's body comes in pieces of so many bytes, with a short time between them.
    Slow(usize),
    /// After so many bytes of the answer's body nothing more comes, until [`Flaky::release`].
    Hold(u64),
    /// The registry gets the request, and the client no answer: the connection ends.
    Lost,
}

/// Which requests a fault is for.
struct Rule {
    method: &'static str,
    part: String,
    left: usize,
    fault: Fault,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// What the client asked for of a body, as `bytes=100-`.
    pub(crate) range: String,
    /// Whether the client showed who it is.
    pub(crate) authorized: bool,
    /// What went wrong with it on purpose.
    pub(crate) fault: Option<Fault>,
}

/// The proxy; it runs until the tests end.
pub(crate) struct Flaky {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    released: Mutex<bool>,
    on_release: Condvar,
}

impl Flaky {
    /// A good connection, to begin with, to the registry at `upstream`: host and port.
    pub(crate) fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            released: Mutex::default(),
            on_release: Condvar::new(),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    // Connections that end early are what this is for.
                    thread::spawn(move || shared.serve(&client).ok());
                }
            }
        });
        Self { address, shared }
    }

    /// Host and port, as in a reference.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A name of an image in the registry, by way of this.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Spoils the next `times` requests with this method whose path and query hold `part`. Of several rules for a
    /// request the oldest that is not used up holds.
    pub(crate) fn spoil(&self, times: usize, method: &'static str, part: &str, fault: Fault) {
        let rule = Rule { method, part: part.to_owned(), left: times, fault };
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Forgets all rules.
    pub(crate) fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Lets answers that are held back go on, and holds none from now on.
    pub(crate) fn release(&self) {
        *self.shared.released.lock().unwrap() = true;
        self.shared.on_release.notify_all();
    }

    /// What was asked for since the last time, in the order in which it came.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// How many requests there were with this method whose path and query hold `part`.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.method == method && seen.target.contains(part)).count()
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let mut from_client = BufReader::new(client);
        let Some(mut request) = Request::read_head(&mut from_client)? else { return Ok(()) };
        let fault = self.note(&request);
        match fault {
            Some(Fault::Status(status)) => {
                return refuse(client, &mut from_client, &mut request, status, &[]);
            }
            Some(Fault::TooMany(after)) => {
                let after = [("Retry-After", after)];
                return refuse(client, &mut from_client, &mut request, "429 Too Many Requests", &after);
            }
            _ => {}
        }
        let upstream = TcpStream::connect(&self.upstream)?;
        if !send(&upstream, request, &mut from_client, fault.as_ref())? {
            return Ok(());
        }
        self.pass_answer(&upstream, client, fault.as_ref())
    }

    /// Writes down what is asked for, and which fault it gets.
    fn note(&self, request: &Request) -> Option<Fault> {
        let target = request.target();
        let mut rules = self.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.left > 0 && rule.method == request.method && target.contains(&rule.part));
        let fault = rule.map(|rule| {
            rule.left -= 1;
            rule.fault.clone()
        });
        self.seen.lock().unwrap().push(Seen {
            method: request.method.clone(),
            target,
            range: request.header("range").to_owned(),
            authorized: !request.header("authorization").is_empty(),
            fault: fault.clone(),
        });
        fault
    }

    fn pass_answer(&self, upstream: &TcpStream, client: &TcpStream, fault: Option<&Fault>) -> io::Result<()> {
        let mut reader = BufReader::new(upstream);
        let mut head = String::new();
        reader.read_line(&mut head)?;
        for (name, value) in read_headers(&mut reader)? {
            if name != "connection" {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str("connection: close\r\n\r\n");
        let mut out = client;
        match fault {
            Some(Fault::Lost) => return Ok(()),
            Some(Fault::Cut(bytes)) => {
                out.write_all(head.as_bytes())?;
                io::copy(&mut reader.take(*bytes), &mut out)?;
                return client.shutdown(Shutdown::Both);
            }
            Some(Fault::Hold(bytes)) => {
                out.write_all(head.as_bytes())?;
                io::copy(&mut reader.by_ref().take(*bytes), &mut out)?;
                let released = self.released.lock().unwrap();
                drop(self.on_release.wait_while(released, |released| !*released).unwrap());
            }
            Some(Fault::Flip(place)) => {
                out.write_all(head.as_bytes())?;
                io::copy(&mut reader.by_ref().take(*place), &mut out)?;
                let mut byte = [0];
                if reader.read(&mut byte)? == 1 {
                    out.write_all(&[!byte[0]])?;
                }
            }
            Some(Fault::Slow(bytes)) => {
                out.write_all(head.as_bytes())?;
                while io::copy(&mut reader.by_ref().take(*bytes as u64), &mut out)? > 0 {
                    thread::sleep(TICK);
                }
            }
            _ => out.write_all(head.as_bytes())?,
        }
        io::copy(&mut reader, &mut out).map(drop)
    }
}

/// Answers in the registry's place. The body is read, so that the client gets to read the answer.
fn refuse(
    mut client: &TcpStream,
    from_client: &mut BufReader<&TcpStream>,
    request: &mut Request,
    status: &str,
    headers: &[(&str, &str)],
) -> io::Result<()> {
    request.read_body(from_client)?;
    client.write_all(&answer(status, headers, b""))
}

/// Gives the registry the request; false if it got only a part of it and there is no answer.
fn send(
    mut upstream: &TcpStream,
    mut request: Request,
    from_client: &mut BufReader<&TcpStream>,
    fault: Option<&Fault>,
) -> io::Result<bool> {
    let chunked = request.is_chunked();
    if chunked {
        request.read_body(from_client)?;
    }
    let length = request.content_length().unwrap_or(request.body.len());
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target());
    for (name, value) in &request.headers {
        if !["connection", "transfer-encoding", "content-length", "expect"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if chunked || request.content_length().is_some() {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    upstream.write_all(head.as_bytes())?;
    let mut body: Box<dyn Read + '_> =
        if chunked { Box::new(request.body.as_slice()) } else { Box::new(from_client.take(length as u64)) };
    if let Some(Fault::CutUpload(bytes)) = fault {
        io::copy(&mut body.take(*bytes), &mut upstream)?;
        // The registry notices the end, and has kept what came, before the client is let go.
        upstream.shutdown(Shutdown::Write)?;
        io::copy(&mut &*upstream, &mut io::sink())?;
        return Ok(false);
    }
    io::copy(&mut body, &mut upstream)?;
    Ok(true)
}
