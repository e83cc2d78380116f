//! Two small sites: the page of the demonstration, which is the issuer too, and a foreign one.

/// Whether another page is behind a request: browsers say so, and programs say nothing.
fn is_elsewheres<B>(request: &Request<B>) -> bool {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests;

use core::{convert::Infallible, error::Error, time::Duration};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{
    DemoError, Places, commands,
    configuration::{AUTH_DEADLINE, COOKIE, EXPIRY_WARNING},
    issuer::{Issuer, Order, User, now},
    people::{Operator, People},
    places::Place,
};

/// Most connections at once, for each site.
const VISITORS: usize = 128;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest body of a request, in bytes: a public key.
const BODY_BYTES: usize = 2 * 1024;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A file that is part of the program. They are built from `console/`.
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const STYLE: File =
    File { path: "/page.css", kind: CSS, content: include_str!("../assets/page.css") };
const OWN: &[File] = &[
    File { path: "/", kind: HTML, content: include_str!("../assets/index.html") },
    File { path: "/page.js", kind: SCRIPT, content: include_str!("../assets/page.js") },
    STYLE,
];
const FOREIGN: &[File] = &[
    File { path: "/", kind: HTML, content: include_str!("../assets/foreign.html") },
    File { path: "/foreign.js", kind: SCRIPT, content: include_str!("../assets/foreign.js") },
    STYLE,
];

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Us,
    Stranger,
}

/// What the own page wants an operator to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish<'a> {
    /// Revoke what a connection came by, "from the other side".
    Revoke(&'a str),
    /// Register a public key with a user.
    Register(User),
    /// Withdraw a token that says nothing itself.
    Withdraw,
}

/// A site.
#[derive(Debug)]
pub(super) struct Site {
    owner: Owner,
    places: Places,
    issuer: Arc<Issuer>,
    operator: Arc<Operator>,
    folder: PathBuf,
}

type Answer = Response<Full<Bytes>>;

impl Site {
    /// The page, and the issuer. `folder` has the files that commands name.
    pub(super) fn own(
        places: Places,
        issuer: Arc<Issuer>,
        operator: Arc<Operator>,
        folder: PathBuf,
    ) -> Self {
        Self { owner: Owner::Us, places, issuer, operator, folder }
    }

    /// The page of somebody else.
    pub(super) fn foreign(places: Places, issuer: Arc<Issuer>, operator: Arc<Operator>) -> Self {
        Self { owner: Owner::Stranger, places, issuer, operator, folder: PathBuf::new() }
    }

    /// Serves for ever.
    pub(super) async fn serve(self, listener: TcpListener) {
        let site = Arc::new(self);
        let mut visitors = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if visitors.len() < VISITORS => {
                    if let Ok((stream, _)) = accepted {
                        visitors.spawn(visit(Arc::clone(&site), stream));
                    }
                }
                Some(_) = visitors.join_next(), if !visitors.is_empty() => {}
            }
        }
    }

    fn place(&self) -> Place {
        match self.owner {
            Owner::Us => self.places.page,
            Owner::Stranger => self.places.foreign,
        }
    }

    async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        let mut answer = match self.wish(&request) {
            Some(Wish::Revoke(connection)) => self.revoke(connection).await,
            Some(Wish::Register(user)) => self.register(user, body).await,
            Some(Wish::Withdraw) => self.withdraw(body).await,
            None if self.is_question(&request) => self.introspect(&request, body).await,
            None => self.route(&request).unwrap_or_else(|_| {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the token cannot be made\n".to_owned())
            }),
        };
        let fields = answer.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) = HeaderValue::from_str(&self.content_policy()) {
            fields.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        answer
    }

    fn wish<'a>(&self, request: &'a Request<()>) -> Option<Wish<'a>> {
        let may = self.owner == Owner::Us
            && *request.method() == Method::POST
            && self.elsewhere(request).is_none()
            && self.is_own_page(request);
        if may && request.uri().path() == "/withdraw" {
            return Some(Wish::Withdraw);
        }
        let (name, value) = request.uri().query().filter(|_| may)?.split_once('=')?;
        match (request.uri().path(), name) {
            ("/revoke", "connection") => Some(Wish::Revoke(value)),
            ("/keys", "user") => User::from_name(value).map(Wish::Register),
            _ => None,
        }
    }

    async fn revoke(&self, connection: &str) -> Answer {
        match self.operator.revoke(connection).await {
            Ok(()) => plain(StatusCode::OK, "revoked\n".to_owned()),
            Err(reason) => plain(StatusCode::BAD_GATEWAY, format!("{reason}\n")),
        }
    }

    async fn register<B>(&self, user: User, body: B) -> Answer
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let Ok(key) = read(body).await else { return too_long() };
        match self.operator.register(user, &String::from_utf8_lossy(&key)).await {
            Ok(added) => plain(StatusCode::OK, format!("{}\n", added.fingerprint)),
            Err(reason) => plain(StatusCode::BAD_GATEWAY, format!("{reason}\n")),
        }
    }

    async fn withdraw<B>(&self, body: B) -> Answer
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let Ok(token) = read(body).await else { return too_long() };
        self.issuer.opaque().withdraw(&String::from_utf8_lossy(&token));
        plain(StatusCode::OK, "withdrawn\n".to_owned())
    }

    /// Whether the gateway asks about a token.
    fn is_question(&self, request: &Request<()>) -> bool {
        self.owner == Owner::Us
            && *request.method() == Method::POST
            && self.elsewhere(request).is_none()
            && request.uri().path() == "/introspect"
    }

    async fn introspect<B>(&self, request: &Request<()>, body: B) -> Answer
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let Ok(form) = read(body).await else { return too_long() };
        let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        match self.issuer.opaque().answer(shown, &form, now()) {
            Some(said) => content(StatusCode::OK, JSON, said.to_string()),
            None => plain(StatusCode::UNAUTHORIZED, "that is for the gateway\n".to_owned()),
        }
    }

    /// What the pages may load: their own files, the gateway, and the foreign page in a frame.
    fn content_policy(&self) -> String {
        let Places { gateway, page, foreign, .. } = &self.places;
        let common = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src \
             'self' ws://{gateway} http://{gateway}; base-uri 'none'; form-action 'none'"
        );
        match self.owner {
            Owner::Us => format!("{common}; frame-src http://{foreign}; frame-ancestors 'none'"),
            Owner::Stranger => format!("{common}; frame-ancestors http://{page}"),
        }
    }

    fn route<B>(&self, request: &Request<B>) -> Result<Answer, DemoError> {
        if let Some(elsewhere) = self.elsewhere(request) {
            return Ok(elsewhere);
        }
        let path = request.uri().path();
        let files = match self.owner {
            Owner::Us => OWN,
            Owner::Stranger => FOREIGN,
        };
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            if let Some(file) = files.iter().find(|file| file.path == path) {
                return Ok(content(StatusCode::OK, file.kind, file.content.to_owned()));
            }
            if path == "/settings.json" {
                return Ok(content(StatusCode::OK, JSON, self.settings()));
            }
        }
        match (self.owner, request.method(), path) {
            (Owner::Us, &Method::GET, "/.well-known/jwks.json") => {
                Ok(content(StatusCode::OK, JSON, self.issuer.jwks().to_string()))
            }
            (Owner::Us, &Method::GET, "/token") if is_elsewheres(request) => {
                Ok(plain(StatusCode::FORBIDDEN, "not from that page\n".to_owned()))
            }
            (Owner::Us, &Method::GET, "/token") => {
                self.token(request, |token| plain(StatusCode::OK, format!("{token}\n")))
            }
            (Owner::Us, &Method::POST, "/session") if self.is_own_page(request) => {
                self.token(request, |token| cookie(&token))
            }
            (Owner::Us, &Method::DELETE, "/session") if self.is_own_page(request) => {
                Ok(cookie("; Max-Age=0"))
            }
            (Owner::Us, &(Method::POST | Method::DELETE), "/session") => {
                Ok(plain(StatusCode::FORBIDDEN, "not from that page\n".to_owned()))
            }
            (Owner::Us | Owner::Stranger, _, _) => {
                Ok(plain(StatusCode::NOT_FOUND, "nothing is there\n".to_owned()))
            }
        }
    }

    /// The answer to a request for another host: a browser at `127.0.0.1` is sent to the site where
    /// its cookies and passkeys are, and a name that was bent to this address (DNS rebinding) gets no
    /// token.
    fn elsewhere<B>(&self, request: &Request<B>) -> Option<Answer> {
        let place = self.place();
        let host = request.headers().get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
        if host == place.to_string().as_bytes() {
            return None;
        }
        let mut answer = plain(StatusCode::MISDIRECTED_REQUEST, format!("see http://{place}/\n"));
        if host == place.address().to_string().as_bytes()
            && *request.method() == Method::GET
            && let Ok(location) = HeaderValue::from_str(&format!("http://{place}/"))
        {
            *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            answer.headers_mut().insert(header::LOCATION, location);
        }
        Some(answer)
    }

    fn is_own_page<B>(&self, request: &Request<B>) -> bool {
        let own = format!("http://{}", self.places.page);
        request.headers().get(header::ORIGIN).is_some_and(|origin| *origin == *own)
    }

    fn token<B>(
        &self,
        request: &Request<B>,
        said: impl FnOnce(String) -> Answer,
    ) -> Result<Answer, DemoError> {
        match Order::parse(request.uri().query().unwrap_or_default()) {
            Ok(order) => self.issuer.token(&order).map(said),
            Err(bad) => Ok(plain(StatusCode::BAD_REQUEST, format!("{bad}\n"))),
        }
    }

    /// What the scripts need to know.
    fn settings(&self) -> String {
        let Places { gateway, page, foreign, admin, .. } = &self.places;
        let people = self.operator.people().filter(|_| self.owner == Owner::Us);
        let passwords = people.map(|people| people.passwords().collect::<BTreeMap<_, _>>());
        let commands = commands::all(&self.places, people, &self.folder);
        let commands = commands::shown(if self.owner == Owner::Us { &commands } else { &[] });
        json!({
            "commands": commands,
            "passwords": passwords,
            "api_key": people.map(People::key),
            "console": format!("http://{admin}/console/"),
            "endpoints": format!("http://{gateway}/auth"),
            "gateway": format!("ws://{gateway}"),
            "page": format!("http://{page}"),
            "foreign": format!("http://{foreign}"),
            "auth_deadline": AUTH_DEADLINE,
            "expiry_warning": EXPIRY_WARNING,
        })
        .to_string()
    }
}

async fn read<B>(body: B) -> Result<Bytes, Unread>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    match timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) | Err(_) => Err(Unread),
    }
}

/// A body that is too long, or does not come.
struct Unread;

fn too_long() -> Answer {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "nothing here is that long\n".to_owned())
}

async fn visit(site: Arc<Site>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A visitor that goes away is no fault.
    drop(connection.await);
}

fn content(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn plain(status: StatusCode, body: String) -> Answer {
    content(status, TEXT, body)
}

/// Signs in, or out. `Strict` is as much as a cookie can ask of a browser, and does not keep it
/// from a page at another port of this machine: to `SameSite` that is the same site.
fn cookie(value: &str) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let field = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(mut field) = HeaderValue::from_str(&field) {
        field.set_sensitive(true);
        answer.headers_mut().insert(header::SET_COOKIE, field);
    }
    answer
}
