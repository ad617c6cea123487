//! The server's side of HTTP/1.1, as little of it as tests need: one request a connection.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What a client asks for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Answers requests on a port of the loopback interface until the tests end.
pub(crate) fn serve(
    answer: impl Fn(&Request) -> std::io::Result<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // A client that goes away is none of our business.
            thread::spawn(move || serve_one(&client, &*answer).ok());
        }
    });
    address
}

fn serve_one(
    client: &TcpStream,
    answer: &impl Fn(&Request) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let Some(mut request) = Request::read_head(&mut reader)? else { return Ok(()) };
    request.read_body(&mut reader)?;
    (&mut &*client).write_all(&answer(&request)?)
}

impl Request {
    /// Reads all but the body; nothing if the client said nothing.
    pub(crate) fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let headers = read_headers(reader)?;
        Ok(Some(Self { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() }))
    }

    /// Reads the body.
    pub(crate) fn read_body(&mut self, reader: &mut impl BufRead) -> std::io::Result<()> {
        if self.is_chunked() {
            self.body = chunks(reader)?;
        } else if let Some(length) = self.content_length() {
            self.body = vec![0; length];
            reader.read_exact(&mut self.body)?;
        }
        Ok(())
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == "chunked"
    }

    pub(crate) fn content_length(&self) -> Option<usize> {
        self.header("content-length").parse().ok()
    }

    /// The value of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Path and query, as the client wrote them.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The values of a parameter of the query or of a form.
    pub(crate) fn parameters(&self, name: &str) -> Vec<String> {
        let form = if self.header("content-type").starts_with("application/x-www-form-urlencoded") {
            self.body.as_slice()
        } else {
            &[]
        };
        let both = [self.query.as_bytes(), form].map(|text| url::form_urlencoded::parse(text).into_owned());
        both.into_iter().flatten().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
    }
}

/// Reads headers and the empty line after them.
pub(crate) fn read_headers(reader: &mut impl BufRead) -> std::io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for line in reader.lines() {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

fn chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
        reader.by_ref().take(size).read_to_end(&mut body)?;
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// An answer that is only a status.
pub(crate) fn status(status: &str) -> Vec<u8> {
    answer(status, &[], b"")
}

/// An answer with headers of its own and a body.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer that is a JSON document.
pub(crate) fn json(status: &str, document: &serde_json::Value) -> Vec<u8> {
    answer(status, &[("Content-Type", "application/json")], document.to_string().as_bytes())
}
