//! Against a server of these tests, over real sockets.

use std::cell::Cell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::remote::server::Server;

struct Place {
    dir: tempfile::TempDir,
    count: Cell<u32>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), count: Cell::new(0) }
    }

    fn keep(&self) -> PathBuf {
        self.dir.path().join("http")
    }

    /// A new path for a file.
    fn new_path(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        self.dir.path().join(format!("into{}", self.count.get()))
    }

    fn fetch(&self, request: &HttpRequest) -> Result<Fetched, HttpError> {
        HttpClient::default().fetch(request, &self.keep(), &self.new_path(), &Watch::nothing())
    }

    fn get(&self, url: &str) -> Result<Fetched, HttpError> {
        self.fetch(&request(url))
    }

    /// What lies below the kept directory, locks and unfinished downloads included.
    fn kept(&self) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.keep()).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.is_dir(), "{} is left", path.display());
            let files = fs::read_dir(path).unwrap();
            names.extend(files.map(|file| file.unwrap().file_name().into_string().unwrap()));
        }
        names.sort();
        names
    }
}

fn request(url: &str) -> HttpRequest {
    HttpRequest { url: HttpUrl::new(url).unwrap(), checksum: None, authorization: None }
}

fn with_checksum(url: &str, content: &[u8]) -> HttpRequest {
    HttpRequest { checksum: Some(Digest::of(content)), ..request(url) }
}

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn a_file_comes_with_its_digest_time_and_name() {
    let server = Server::with_content(&format!("Last-Modified: {MODIFIED}\r\n"), b"hello");
    let place = Place::new();
    let fetched = place.get(&server.url("/a/b%20c?x=1")).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), b"hello");
    assert_eq!((fetched.digest, fetched.size), (Digest::of(b"hello"), 5));
    assert_eq!(fetched.last_modified, Some(784_111_777));
    assert_eq!(fetched.file_name.as_deref(), Some("b c"));
    assert_eq!(fetched.origin, Origin::Downloaded);
    assert_eq!(place.kept(), ["about", "body", "meta.json"]);
    let head = &server.requests()[0];
    assert!(head.starts_with("GET /a/b%20c?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("user-agent: strata/{}\r\n", env!("CARGO_PKG_VERSION"))), "{head}");
}

#[test]
fn a_kept_file_is_fetched_again_only_if_it_has_changed() {
    for (header, condition) in
        [("ETag: \"one\"", "if-none-match: \"one\""), ("Last-Modified: ", "if-modified-since: ")]
    {
        let (header, condition) = match header {
            "Last-Modified: " => (format!("{header}{MODIFIED}"), format!("{condition}{MODIFIED}")),
            _ => (header.to_owned(), condition.to_owned()),
        };
        let changed = Arc::new(AtomicBool::new(false));
        let server = Server::start({
            let changed = Arc::clone(&changed);
            move |head, stream| {
                let is_conditional = head.contains(&condition);
                if changed.load(Ordering::SeqCst) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew").unwrap();
                } else if is_conditional {
                    stream.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n").unwrap();
                } else {
                    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{header}\r\n\r\nold");
                    stream.write_all(text.as_bytes()).unwrap();
                }
            }
        });
        let place = Place::new();
        let url = server.url("/f");
        let first = place.get(&url).unwrap();
        let second = place.get(&url).unwrap();
        assert_eq!((first.origin, second.origin), (Origin::Downloaded, Origin::Unchanged));
        assert_eq!(fs::read(&second.path).unwrap(), b"old");
        assert_eq!(second.last_modified, first.last_modified);
        changed.store(true, Ordering::SeqCst);
        let third = place.get(&url).unwrap();
        assert_eq!(third.origin, Origin::Downloaded);
        assert_eq!(fs::read(&third.path).unwrap(), b"new");
        assert_eq!(fs::read(&first.path).unwrap(), b"old", "an earlier file stays what it was");
    }
}

#[test]
fn a_kept_file_that_was_damaged_is_fetched_again() {
    let server = Server::with_content("ETag: \"one\"\r\n", b"hello");
    let place = Place::new();
    place.get(&server.url("/f")).unwrap();
    let directory = fs::read_dir(place.keep()).unwrap().next().unwrap().unwrap().path();
    for (file, content) in [("body", "other"), ("meta.json", "{")] {
        // A new file: the old one may have other names.
        fs::remove_file(directory.join(file)).unwrap();
        fs::write(directory.join(file), content).unwrap();
        let fetched = place.get(&server.url("/f")).unwrap();
        assert_eq!(
            (fetched.origin, fs::read(&fetched.path).unwrap().as_slice()),
            (Origin::Downloaded, &b"hello"[..])
        );
    }
    assert!(server.requests().iter().all(|head| !head.contains("if-none-match")));
}

#[test]
fn a_file_with_a_known_digest_needs_no_server() {
    let server = Server::with_content("", b"hello");
    let place = Place::new();
    let wanted = with_checksum(&server.url("/f"), b"hello");
    assert_eq!(place.fetch(&wanted).unwrap().origin, Origin::Downloaded);
    let url = server.url("/f");
    drop(server);
    let again = place.fetch(&wanted).unwrap();
    assert_eq!((again.origin, fs::read(&again.path).unwrap().as_slice()), (Origin::Kept, &b"hello"[..]));
    let error = place.get(&url).unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
}

#[test]
fn other_bytes_than_were_asked_for_are_not_kept() {
    let server = Server::with_content("", b"hello");
    let place = Place::new();
    let url = server.url("/f?token=secret");
    let error = place.fetch(&with_checksum(&url, b"other")).unwrap_err();
    let (expected, actual) = (Digest::of(b"other"), Digest::of(b"hello"));
    let shown = server.url("/f");
    let message = format!("the digest of `{shown}?…` is `{actual}`, but `{expected}` was asked for");
    assert_eq!(error.to_string(), message);
    assert_eq!(place.kept(), [] as [&str; 0]);
}

#[test]
fn a_status_is_an_error_with_its_reason() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 404 Gone fishing\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let place = Place::new();
    let url = server.url("/f").replace("http://", "http://user:secret@");
    let error = place.get(&url).unwrap_err();
    let message = format!("cannot fetch `{}`: the server answered 404 Not Found", server.url("/f"));
    assert_eq!(error.to_string(), message);
    assert!(server.requests()[0].contains("authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
    assert_eq!(place.kept(), [] as [&str; 0]);
}

#[test]
fn redirects_are_followed_and_keep_secrets_from_other_hosts() {
    let target = Server::with_content("", b"hello");
    let to = target.url("/real/name");
    let server = Server::start(move |_, stream| {
        let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
    });
    let place = Place::new();
    let authorization = Some(Authorization("Bearer secret".to_owned()));
    let fetched = place.fetch(&HttpRequest { authorization, ..request(&server.url("/alias")) }).unwrap();
    assert_eq!(fetched.digest, Digest::of(b"hello"));
    assert_eq!(fetched.file_name.as_deref(), Some("alias"));
    assert!(server.requests()[0].contains("authorization: Bearer secret\r\n"));
    assert!(!target.requests()[0].contains("secret"));
}

#[test]
fn a_loop_of_redirects_ends() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /f\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let error = Place::new().get(&server.url("/f")).unwrap_err();
    assert!(matches!(error, HttpError::Redirects { .. }), "{error}");
}

#[test]
fn half_a_file_is_an_error_and_the_kept_one_stays() {
    let requests = AtomicUsize::new(0);
    let server = Server::start(move |_, stream| {
        let text: &[u8] = match requests.fetch_add(1, Ordering::SeqCst) {
            0 => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"one\"\r\n\r\nall",
            1 => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            2 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            _ => b"HTTP/1.1 304 Not Modified\r\n\r\n",
        };
        stream.write_all(text).unwrap();
    });
    let place = Place::new();
    let url = server.url("/f");
    place.get(&url).unwrap();
    for _ in 0..2 {
        let error = place.get(&url).unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error}");
        assert_eq!(place.kept(), ["about", "body", "meta.json"]);
    }
    let fetched = place.get(&url).unwrap();
    assert_eq!(
        (fetched.origin, fs::read(fetched.path).unwrap().as_slice()),
        (Origin::Unchanged, &b"all"[..])
    );
}

#[test]
fn a_fetch_is_given_up_while_the_server_is_silent() {
    // Silent at once, and after a part of the body.
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"] {
        let asked = Arc::new(AtomicBool::new(false));
        let server = Server::start({
            let asked = Arc::clone(&asked);
            move |_, stream| {
                stream.write_all(part.as_bytes()).unwrap();
                asked.store(true, Ordering::SeqCst);
                let _ = stream.read(&mut [0]);
            }
        });
        let place = Place::new();
        let received = AtomicBool::new(false);
        let is_canceled = || {
            let is_far_enough = part.is_empty() || received.load(Ordering::SeqCst);
            asked.load(Ordering::SeqCst) && is_far_enough
        };
        let watch = Watch {
            is_canceled: &is_canceled,
            log: &|_| (),
            received: &|bytes, total| {
                assert_eq!((bytes, total), (4, Some(1000)));
                received.store(true, Ordering::SeqCst);
            },
        };
        let into = place.new_path();
        let error = HttpClient::default()
            .fetch(&request(&server.url("/f")), &place.keep(), &into, &watch)
            .unwrap_err();
        assert!(matches!(error, HttpError::Canceled { .. }), "{error}");
        assert_eq!(place.kept(), [] as [&str; 0]);
        assert!(!into.exists());
    }
}

#[test]
fn a_server_that_stays_silent_is_an_error() {
    let server = Server::start(|_, stream| drop(stream.read(&mut [0])));
    let place = Place::new();
    let client = HttpClient { stall_timeout: Duration::from_millis(50), ..HttpClient::default() };
    let error = client
        .fetch(&request(&server.url("/f")), &place.keep(), &place.new_path(), &Watch::nothing())
        .unwrap_err();
    assert!(matches!(error, HttpError::Timeout { .. }), "{error}");
}

#[test]
fn a_host_that_is_unknown_and_one_without_tls_are_told_apart() {
    let place = Place::new();
    let error = place.get("http://nowhere.invalid/f").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot fetch `http://nowhere.invalid/f`: host `nowhere.invalid` was not found"
    );
    let server = Server::with_content("", b"hello");
    let error = place.get(&server.url("/f").replace("http://", "https://")).unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error}");
}

#[test]
fn requests_go_through_the_proxy_but_for_excepted_hosts() {
    let proxy = Server::with_content("", b"by proxy");
    let direct = Server::with_content("", b"direct");
    let place = Place::new();
    let fetch = |url: &str| {
        let proxies = Proxies {
            http: Some(proxy.url("").replace("http://", "http://user:secret@")),
            no_proxy: Some("127.0.0.1".to_owned()),
            ..Proxies::default()
        };
        let client = HttpClient { proxies, ..HttpClient::default() };
        client.fetch(&request(url), &place.keep(), &place.new_path(), &Watch::nothing()).unwrap().digest
    };
    assert_eq!(fetch("http://nowhere.invalid/f"), Digest::of(b"by proxy"));
    assert_eq!(fetch(&direct.url("/f")), Digest::of(b"direct"));
    let head = &proxy.requests()[0];
    assert!(head.starts_with("GET http://nowhere.invalid/f HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{head}");
}

#[test]
fn a_proxy_that_makes_no_sense_is_not_shown() {
    let proxies = Proxies { http: Some("http://user:secret@[".to_owned()), ..Proxies::default() };
    let client = HttpClient { proxies: proxies.clone(), ..HttpClient::default() };
    let place = Place::new();
    let error = client
        .fetch(&request("http://h/f"), &place.keep(), &place.new_path(), &Watch::nothing())
        .unwrap_err();
    assert!(matches!(error, HttpError::Proxy { .. }), "{error}");
    assert!(!format!("{error} {error:?} {proxies:?}").contains("secret"));
}

#[test]
fn of_several_that_want_a_file_one_downloads_it() {
    let server = Server::start(|head, stream| {
        let text: &[u8] = if head.contains("if-none-match") {
            b"HTTP/1.1 304 Not Modified\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"one\"\r\n\r\nall"
        };
        stream.write_all(text).unwrap();
    });
    let place = Place::new();
    let intos: Vec<PathBuf> = (0..4).map(|_| place.new_path()).collect();
    let (url, keep) = (server.url("/f"), place.keep());
    let origins: Vec<Origin> = std::thread::scope(|scope| {
        let fetch = |into| {
            let fetched =
                HttpClient::default().fetch(&request(&url), &keep, into, &Watch::nothing()).unwrap();
            assert_eq!(fs::read(&fetched.path).unwrap(), b"all");
            fetched.origin
        };
        let threads: Vec<_> = intos.iter().map(|into| scope.spawn(move || fetch(into))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(origins.iter().filter(|origin| **origin == Origin::Downloaded).count(), 1);
}
