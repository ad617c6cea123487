//! One request and its response.
//!
//! A thread of its own talks to the server, because the client cannot be interrupted while it looks up a host,
//! connects or waits for bytes. The caller takes what comes from a short queue, and looks in between whether it was
//! canceled; then it goes away, and the thread ends at its next step or timeout. The thread touches no file.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use url::Url;

use crate::web::{USER_AGENT, innermost, install_ciphers};

use super::super::Watch;
use super::error::About;
use super::{HttpClient, HttpError, HttpRequest};

/// After how many redirects it is taken for a loop.
pub(super) const MAX_REDIRECTS: usize = 10;

/// How much is read at once. With [`QUEUED`] it bounds the memory of a fetch.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait for the caller.
const QUEUED: usize = 4;

/// How often the caller looks whether it was canceled.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What to ask for.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: HttpClient,
    pub(super) request: HttpRequest,
    /// Of the copy that is kept, if there is one.
    pub(super) conditions: Option<Conditions>,
}

/// What a server compares a kept copy by.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// The beginning of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The usual words for the status.
    pub(super) reason: String,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// How many bytes will come, if that is known.
    pub(super) length: Option<u64>,
}

enum Event {
    Head(Head),
    Chunk(Vec<u8>),
    End,
}

type Message = Result<Event, HttpError>;

/// The caller's end.
pub(super) struct Connection<'w> {
    messages: Receiver<Message>,
    watch: Watch<'w>,
    about: About,
}

impl<'w> Connection<'w> {
    /// Starts the thread that talks.
    pub(super) fn start(exchange: Exchange, watch: &Watch<'w>) -> Result<Self, HttpError> {
        let about = About {
            url: exchange.request.url.redacted(),
            host: exchange.request.url.host().to_owned(),
            stall_timeout: exchange.client.stall_timeout,
            connect_timeout: exchange.client.connect_timeout,
        };
        let (sender, messages) = sync_channel(QUEUED);
        let thread_about = about.clone();
        thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || talk(&exchange, &thread_about, &sender))
            .map_err(|error| HttpError::Client { reason: error.to_string() })?;
        Ok(Self { messages, watch: *watch, about })
    }

    /// Waits for the response to begin.
    pub(super) fn head(&mut self) -> Result<Head, HttpError> {
        match self.next()? {
            Event::Head(head) => Ok(head),
            Event::Chunk(_) | Event::End => Err(self.ended()),
        }
    }

    /// Waits for the next piece of the body; `None` after the last one.
    pub(super) fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        match self.next()? {
            Event::Chunk(chunk) => Ok(Some(chunk)),
            Event::End => Ok(None),
            Event::Head(_) => Err(self.ended()),
        }
    }

    fn next(&mut self) -> Message {
        loop {
            if (self.watch.is_canceled)() {
                return Err(HttpError::Canceled { url: self.about.url.clone() });
            }
            match self.messages.recv_timeout(BETWEEN_LOOKS) {
                Ok(message) => return message,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            }
        }
    }

    /// The thread ended without saying why: it panicked.
    fn ended(&self) -> HttpError {
        HttpError::Broken { url: self.about.url.clone(), reason: "the HTTP client failed".to_owned() }
    }
}

/// The thread: nobody listening any more is the only reason to end early without a word.
fn talk(exchange: &Exchange, about: &About, sender: &SyncSender<Message>) {
    let response = match send(exchange, about) {
        Ok(response) => response,
        Err(error) => return drop(sender.send(Err(error))),
    };
    if sender.send(Ok(Event::Head(head(&response)))).is_ok() {
        pass_on(response, about, sender);
    }
}

/// Passes the body on, a chunk at a time.
fn pass_on(mut response: Response, about: &About, sender: &SyncSender<Message>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let message = match response.read(&mut chunk) {
            Ok(0) => Ok(Event::End),
            Ok(n) => {
                chunk.truncate(n);
                Ok(Event::Chunk(chunk))
            }
            Err(error) => Err(about.error(&error)),
        };
        let is_last = !matches!(message, Ok(Event::Chunk(_)));
        if sender.send(message).is_err() || is_last {
            return;
        }
    }
}

fn send(exchange: &Exchange, about: &About) -> Result<Response, HttpError> {
    let url = Url::parse(exchange.request.url.as_str())
        .map_err(|error| HttpError::Url { url: about.url.clone(), reason: error.to_string() })?;
    let client = client(&exchange.client, url.scheme() == "https")?;
    let headers = headers(exchange, about)?;
    client.get(url).headers(headers).send().map_err(|error| about.error(&error))
}

fn client(options: &HttpClient, is_secure: bool) -> Result<Client, HttpError> {
    let failed = |error: &reqwest::Error| HttpError::Client { reason: innermost(error) };
    let proxies = options.proxies.list().map_err(|error| HttpError::Proxy { reason: innermost(&error) })?;
    let builder = || {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
            .connect_timeout(options.connect_timeout)
            // Only a redirect could use a connection again, and the server may be closing it.
            .pool_max_idle_per_host(0)
            // For the response to begin, and then for each read.
            .timeout(options.stall_timeout)
            .no_proxy();
        proxies.iter().cloned().fold(builder, reqwest::blocking::ClientBuilder::proxy)
    };
    install_ciphers();
    match builder().build() {
        // A machine without authorities can still speak to servers that need none.
        Err(_) if !is_secure => builder().tls_certs_only([]).build().map_err(|error| failed(&error)),
        result => result.map_err(|error| failed(&error)),
    }
}

fn headers(exchange: &Exchange, about: &About) -> Result<HeaderMap, HttpError> {
    let authorization = exchange.request.authorization.as_ref().map(|value| value.0.as_str());
    let conditions = exchange.conditions.as_ref();
    let values = [
        (AUTHORIZATION, authorization),
        (IF_NONE_MATCH, conditions.and_then(|conditions| conditions.etag.as_deref())),
        (IF_MODIFIED_SINCE, conditions.and_then(|conditions| conditions.last_modified.as_deref())),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        let Some(value) = value else { continue };
        let mut value = HeaderValue::from_str(value).map_err(|_| HttpError::Broken {
            url: about.url.clone(),
            reason: format!("the value of the header `{name}` has characters that no header may have"),
        })?;
        value.set_sensitive(name == AUTHORIZATION);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn head(response: &Response) -> Head {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Head {
        status: response.status().as_u16(),
        reason: response.status().canonical_reason().unwrap_or_default().to_owned(),
        etag: header(ETAG),
        last_modified: header(LAST_MODIFIED),
        length: response.content_length(),
    }
}
