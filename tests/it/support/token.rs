//! A server of tokens, as big registries have one (the distribution project's token authentication): a registry sends
//! its clients here, and believes what this server signs.
//!
//! Anybody gets the right to pull from repositories below `public/`; [`USER`] gets whatever is asked for. A right that
//! is not given is left out of the token, and the registry then refuses.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD as BASE64, BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{self, Request};
use super::registry::{PASSWORD, USER, make_certificate};

/// What [`USER`] gets once for all, instead of giving the password every time.
pub(crate) const IDENTITY_TOKEN: &str = "an identity token";

const SERVICE: &str = "registry of a test";
const ISSUER: &str = "a test";

/// A server that runs until the tests end.
pub(crate) struct TokenServer {
    dir: TempDir,
    realm: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Anonymous,
    User,
}

impl TokenServer {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let args = ["-keyout", "token.key", "-out", "token.crt", "-subj", "/CN=Tokens of a test"];
        make_certificate(dir.path(), &args, "keyUsage=digitalSignature");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let address = http::serve({
            let (dir, requests) = (dir.path().to_owned(), Arc::clone(&requests));
            move |request| {
                let (answer, line) = answer(&dir, request);
                requests.lock().unwrap().push(line);
                Ok(answer)
            }
        });
        Self { dir, realm: format!("http://{address}/token"), requests }
    }

    /// What a registry has to know.
    pub(crate) fn settings(&self) -> Value {
        let bundle: PathBuf = self.dir.path().join("token.crt");
        json!({"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle})
    }

    /// What was asked for since the last time: who with what, and for which rights.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

/// The answer, and a line about the request.
fn answer(dir: &Path, request: &Request) -> (Vec<u8>, String) {
    let rights: Vec<String> =
        request.parameters("scope").iter().flat_map(|text| text.split(' ').map(str::to_owned)).collect();
    let (with, client) = client(request);
    let line = format!("{} {with} {}", request.method, rights.join(" ")).trim_end().to_owned();
    let Some(client) = client else {
        let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]});
        return (http::json("401 Unauthorized", &body), line);
    };
    let token = token(dir, client, &rights);
    let mut body = json!({"token": token, "access_token": token, "expires_in": 300});
    let wants_identity =
        request.parameters("offline_token") == ["true"] || request.parameters("access_type") == ["offline"];
    if client == Client::User && wants_identity {
        body["refresh_token"] = IDENTITY_TOKEN.into();
    }
    (http::json("200 OK", &body), line)
}

/// What the client shows, and who it is then.
fn client(request: &Request) -> (&'static str, Option<Client>) {
    let first = |name: &str| request.parameters(name).into_iter().next().unwrap_or_default();
    let user_if = |is: bool| is.then_some(Client::User);
    if request.method == "POST" {
        return match first("grant_type").as_str() {
            "refresh_token" => ("identity token", user_if(first("refresh_token") == IDENTITY_TOKEN)),
            "password" => ("password", user_if(first("username") == USER && first("password") == PASSWORD)),
            _ => ("nothing", None),
        };
    }
    match request.header("authorization").split_once(' ') {
        Some(("Basic", given)) => ("password", user_if(given == BASE64.encode(format!("{USER}:{PASSWORD}")))),
        _ => ("nothing", Some(Client::Anonymous)),
    }
}

/// A JSON web token with those of the rights that the client may have.
fn token(dir: &Path, client: Client, rights: &[String]) -> String {
    let certificate = std::fs::read_to_string(dir.join("token.crt")).unwrap();
    let der: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [der]});
    let now = jiff::Timestamp::now().as_second();
    let access: Vec<Value> = rights.iter().filter_map(|right| grant(client, right)).collect();
    let claims = json!({
        "iss": ISSUER, "aud": SERVICE, "sub": if client == Client::User { USER } else { "" },
        "iat": now, "nbf": now - 60, "exp": now + 300, "jti": "one", "access": access,
    });
    let signed = [header, claims].map(|part| BASE64URL.encode(part.to_string())).join(".");
    let signature = raw_signature(&sign(&dir.join("token.key"), signed.as_bytes()));
    format!("{signed}.{}", BASE64URL.encode(signature))
}

/// What is given of a right: `repository:public/a:pull,push`.
fn grant(client: Client, right: &str) -> Option<Value> {
    let (kind, rest) = right.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let is_given = |action: &&str| {
        client == Client::User || (kind == "repository" && name.starts_with("public/") && *action == "pull")
    };
    let actions: Vec<&str> = actions.split(',').filter(is_given).collect();
    (!actions.is_empty()).then(|| json!({"type": kind, "name": name, "actions": actions}))
}

fn sign(key: &Path, text: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-sign"]).arg(key).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// The two numbers of a signature by themselves, 32 bytes each, out of DER: a sequence of two integers.
fn raw_signature(der: &[u8]) -> Vec<u8> {
    let mut numbers = &der[2..];
    let mut raw = Vec::new();
    while let [2, length, rest @ ..] = numbers {
        let (number, rest) = rest.split_at(usize::from(*length));
        let digits = &number[number.len().saturating_sub(32)..];
        raw.extend(vec![0; 32 - digits.len()]);
        raw.extend(digits);
        numbers = rest;
    }
    raw
}
