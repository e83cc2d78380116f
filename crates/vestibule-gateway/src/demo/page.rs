//! Two small sites: the page of the demonstration, which is the issuer too, and a foreign one.

use core::{convert::Infallible, net::SocketAddr, time::Duration};
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    DemoError, Places,
    configuration::{AUTH_DEADLINE, COOKIE, EXPIRY_WARNING},
    issuer::{Issuer, Order},
    people::{Operator, People},
};

/// Most connections at once, for each site.
const VISITORS: usize = 128;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A file that is part of the program.
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const STYLE: File = File { path: "/page.css", kind: CSS, content: include_str!("assets/page.css") };
const WORDS: File =
    File { path: "/words.js", kind: SCRIPT, content: include_str!("assets/words.js") };
const OWN: &[File] = &[
    File { path: "/", kind: HTML, content: include_str!("assets/page.html") },
    File { path: "/page.js", kind: SCRIPT, content: include_str!("assets/page.js") },
    File { path: "/connection.js", kind: SCRIPT, content: include_str!("assets/connection.js") },
    File { path: "/gateway.js", kind: SCRIPT, content: include_str!("assets/gateway.js") },
    File { path: "/issuer.js", kind: SCRIPT, content: include_str!("assets/issuer.js") },
    WORDS,
    STYLE,
];
const FOREIGN: &[File] = &[
    File { path: "/", kind: HTML, content: include_str!("assets/foreign.html") },
    File { path: "/foreign.js", kind: SCRIPT, content: include_str!("assets/foreign.js") },
    STYLE,
];

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Us,
    Stranger,
}

/// A site.
#[derive(Debug)]
pub(super) struct Site {
    owner: Owner,
    places: Places,
    issuer: Arc<Issuer>,
    operator: Arc<Operator>,
}

type Answer = Response<Full<Bytes>>;

impl Site {
    /// The page, and the issuer.
    pub(super) fn own(places: Places, issuer: Arc<Issuer>, operator: Arc<Operator>) -> Self {
        Self { owner: Owner::Us, places, issuer, operator }
    }

    /// The page of somebody else.
    pub(super) fn foreign(places: Places, issuer: Arc<Issuer>, operator: Arc<Operator>) -> Self {
        Self { owner: Owner::Stranger, places, issuer, operator }
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

    fn address(&self) -> SocketAddr {
        match self.owner {
            Owner::Us => self.places.page,
            Owner::Stranger => self.places.foreign,
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let mut answer = match self.revoked(request) {
            Some(connection) => self.revoke(connection).await,
            None => self.route(request).unwrap_or_else(|_| {
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

    /// Which connection the own page asks to be revoked, "from the other side".
    fn revoked<'a, B>(&self, request: &'a Request<B>) -> Option<&'a str> {
        let asks = self.owner == Owner::Us
            && *request.method() == Method::POST
            && request.uri().path() == "/revoke"
            && self.elsewhere(request).is_none()
            && self.is_own_page(request);
        if asks { request.uri().query()?.strip_prefix("connection=") } else { None }
    }

    async fn revoke(&self, connection: &str) -> Answer {
        match self.operator.revoke(connection).await {
            Ok(()) => plain(StatusCode::OK, "revoked\n".to_owned()),
            Err(reason) => plain(StatusCode::BAD_GATEWAY, format!("{reason}\n")),
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

    /// The answer to a request for another host: a browser at `localhost` is sent to the site where
    /// its cookies are, and a name that was bent to this address (DNS rebinding) gets no token.
    fn elsewhere<B>(&self, request: &Request<B>) -> Option<Answer> {
        let address = self.address().to_string();
        let host = request.headers().get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
        if host == address.as_bytes() {
            return None;
        }
        let mut answer = plain(StatusCode::MISDIRECTED_REQUEST, format!("see http://{address}/\n"));
        let local = format!("localhost:{}", self.address().port());
        if host == local.as_bytes()
            && *request.method() == Method::GET
            && let Ok(location) = HeaderValue::from_str(&format!("http://{address}/"))
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
            Ok(order) => self.issuer.token(order).map(said),
            Err(bad) => Ok(plain(StatusCode::BAD_REQUEST, format!("{bad}\n"))),
        }
    }

    /// What the scripts need to know.
    fn settings(&self) -> String {
        let Places { gateway, page, foreign, upstream: _, admin } = &self.places;
        let people = self.operator.people().filter(|_| self.owner == Owner::Us);
        let passwords = people.map(|people| people.passwords().collect::<BTreeMap<_, _>>());
        json!({
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

async fn visit(site: Arc<Site>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(&request).await) }
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    struct Asked {
        status: u16,
        fields: http::HeaderMap,
        body: String,
    }

    fn sites() -> [Site; 2] {
        let issuer = Arc::new(Issuer::new("http://127.0.0.1:8000".to_owned()).unwrap());
        let places = Places::usual();
        let operator = Arc::new(Operator::default());
        [
            Site::own(places.clone(), Arc::clone(&issuer), Arc::clone(&operator)),
            Site::foreign(places, issuer, operator),
        ]
    }

    async fn ask(site: &Site, line: &str, fields: &[(&'static str, &str)]) -> Asked {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target);
        let host = ("host", site.address().to_string());
        if !fields.iter().any(|(name, _)| *name == "host") {
            request = request.header(host.0, host.1);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = site.answer(&request.body(()).unwrap()).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Asked { status: head.status.as_u16(), fields: head.headers, body }
    }

    #[tokio::test]
    async fn every_answer_keeps_scripts_of_others_out() {
        for site in sites() {
            for line in ["GET /", "GET /page.css", "GET /settings.json", "GET /nothing"] {
                let policy = ask(&site, line, &[]).await.fields["content-security-policy"].clone();
                let policy = policy.to_str().unwrap();
                assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
                assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors"));
            }
        }
    }

    #[tokio::test]
    async fn every_file_that_a_page_names_is_served_and_none_is_inline() {
        for site in sites() {
            let page = ask(&site, "GET /", &[]).await.body;
            assert!(!page.contains("<style") && !page.contains(" style="), "inline style");
            for part in page.split("src=\"").chain(page.split("href=\"")).skip(1) {
                let Some(path) = part.split('"').next().filter(|path| path.starts_with('/')) else {
                    continue;
                };
                assert_eq!(ask(&site, &format!("GET {path}"), &[]).await.status, 200, "{path}");
            }
            assert!(page.split("<script").skip(1).all(|tag| tag.contains("></script>")));
        }
    }

    #[tokio::test]
    async fn tokens_are_the_issuers_and_cookies_the_pages() {
        let [own, foreign] = sites();
        let token = ask(&own, "GET /token?user=alice&ttl=30", &[]).await;
        assert_eq!((token.status, token.body.trim().split('.').count()), (200, 3));
        assert!(!token.fields.contains_key("access-control-allow-origin"));
        assert_eq!(ask(&own, "GET /token?user=mallory", &[]).await.status, 400);
        assert_eq!(ask(&foreign, "GET /token?user=alice", &[]).await.status, 404);

        let origin = ("origin", "http://127.0.0.1:8000");
        let session = ask(&own, "POST /session?user=alice", &[origin]).await;
        let set = session.fields["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("demo_token=eyJ") && set.contains("HttpOnly"), "no cookie");
        for fields in [&[][..], &[("origin", "http://127.0.0.1:8001")], &[("origin", "null")]] {
            assert_eq!(ask(&own, "POST /session?user=alice", fields).await.status, 403);
        }
        for (site, fields, wanted) in [
            (&own, &[origin][..], 502),
            (&own, &[], 404),
            (&own, &[("origin", "http://127.0.0.1:8001")], 404),
            (&own, &[origin, ("host", "evil.example:8000")], 421),
            (&foreign, &[origin], 404),
        ] {
            let asked = ask(site, "POST /revoke?connection=c-1", fields).await;
            assert_eq!(asked.status, wanted, "{fields:?}");
        }
        let out = ask(&own, "DELETE /session", &[origin]).await;
        assert!(out.fields["set-cookie"].to_str().unwrap().starts_with("demo_token=; Max-Age=0"));
        let keys = ask(&own, "GET /.well-known/jwks.json", &[]).await.body;
        assert!(keys.contains("\"keys\"") && !keys.contains("\"d\""), "{keys}");
    }

    #[tokio::test]
    async fn another_host_gets_no_token() {
        let [own, _] = sites();
        for host in ["evil.example:8000", "127.0.0.1:8001", "127.0.0.1", ""] {
            let asked = ask(&own, "GET /token?user=alice", &[("host", host)]).await;
            assert_eq!(asked.status, 421, "{host}");
        }
        let asked = ask(&own, "GET /", &[("host", "localhost:8000")]).await;
        assert_eq!(
            (asked.status, &asked.fields["location"]),
            (307, &"http://127.0.0.1:8000/".parse().unwrap())
        );
    }
}
