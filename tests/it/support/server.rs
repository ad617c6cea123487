//! A web server on the loopback interface: each case's directory `http` as files, and `git` as Git repositories.
//!
//! A file is told from its earlier versions by a tag and its time, unless its name ends in `.bare`.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use strata::oci::Digest;

use super::env::Env;
use super::http::{self, Request, status};

/// A server that runs until the tests end.
pub(crate) struct Server {
    address: String,
    site: Arc<Site>,
    /// The address of a registry, where there is one.
    registry: Option<String>,
}

/// What is served.
struct Site {
    root: PathBuf,
    /// What was asked for, each with its answer's status.
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// Serves the directories of cases in `env`.
    pub(crate) fn start(env: &Env) -> Self {
        let site = Arc::new(Site { root: env.path(""), requests: Mutex::default() });
        let address = http::serve({
            let site = Arc::clone(&site);
            move |request| site.serve(request)
        });
        let address = format!("http://{address}");
        Self { address, site, registry: None }
    }

    /// The same, and cases know a registry, too.
    pub(crate) fn beside(self, registry: &str) -> Self {
        Self { registry: Some(registry.to_owned()), ..self }
    }

    /// What was asked for since the last time, a line each with the answer's status, in a fixed order.
    pub(crate) fn take_requests(&self) -> String {
        let mut requests = std::mem::take(&mut *self.site.requests.lock().unwrap());
        requests.sort();
        requests.concat()
    }

    /// The text with the addresses of a case's directories.
    pub(crate) fn address(&self, text: &str, case: &str) -> String {
        let place = |dir| format!("{}/{case}/{dir}", self.address);
        let text = text.replace("{{http}}", &place("http")).replace("{{git}}", &place("git"));
        self.registry.as_ref().map_or(text.clone(), |registry| text.replace("{{registry}}", registry))
    }

    /// The text as it was before [`Server::address`].
    pub(crate) fn redact(&self, text: &str, case: &str) -> String {
        let place = |dir| format!("{}/{case}/{dir}", self.address);
        let text = text.replace(&place("http"), "{{http}}").replace(&place("git"), "{{git}}");
        self.registry.as_ref().map_or(text.clone(), |registry| text.replace(registry, "{{registry}}"))
    }
}

impl Site {
    fn serve(&self, request: &Request) -> std::io::Result<Vec<u8>> {
        // The name of a case may be empty.
        let mut parts = request.path.splitn(4, '/').skip(1);
        let (case, kind, rest) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let plain = Path::new(rest).components().all(|part| matches!(part, Component::Normal(_)));
        let response = match (case, kind) {
            (Some(case), Some("http")) if plain => {
                file(request, &self.root.join(case).join("http").join(rest))
            }
            (Some(case), Some("git")) if plain => git(request, &self.root.join(case).join("git"), rest)?,
            _ => status("404 Not Found"),
        };
        let code = String::from_utf8_lossy(&response[9..12]);
        let line = format!("{code} {} {}/{rest}\n", request.method, kind.unwrap_or_default());
        self.requests.lock().unwrap().push(line);
        Ok(response)
    }
}

/// A file, or that it is still the one that is known.
fn file(request: &Request, path: &Path) -> Vec<u8> {
    let (Ok(content), Ok(metadata)) = (fs::read(path), fs::metadata(path)) else {
        return status("404 Not Found");
    };
    let time = jiff::Timestamp::try_from(metadata.modified().unwrap()).unwrap();
    let time = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap();
    let tag = format!("\"{}\"", Digest::of(&content).short());
    let version = match path.extension() {
        Some(extension) if extension == "bare" => String::new(),
        _ => format!("ETag: {tag}\r\nLast-Modified: {time}\r\n"),
    };
    let is_known = request.header("if-none-match") == tag;
    let code = if is_known { "304 Not Modified" } else { "200 OK" };
    let body = if is_known || request.method == "HEAD" { &[][..] } else { &content };
    let length = content.len();
    let head = format!("HTTP/1.1 {code}\r\nContent-Length: {length}\r\n{version}Connection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What Git's own server says, over CGI (RFC 3875).
fn git(request: &Request, root: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", format!("/{path}")).env("QUERY_STRING", &request.query);
    command.env("REQUEST_METHOD", &request.method).env("REMOTE_ADDR", "127.0.0.1");
    command.env("CONTENT_TYPE", request.header("content-type"));
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", request.header("content-encoding"));
    command.env("GIT_PROTOCOL", request.header("git-protocol"));
    // The repositories are those of whoever runs the tests.
    command.env("HOME", root);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            // A program that reads no more has said all that it has to say.
            let _ = stdin.take().map(|mut stdin| stdin.write_all(&request.body));
        });
        child.wait_with_output()
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let code = text.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let head = format!("HTTP/1.1 {code}\r\nConnection: close\r\n");
    Ok([head.as_bytes(), &output.stdout].concat())
}
