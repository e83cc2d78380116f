//! The configuration that the demonstration runs, as a person would write it.

use std::path::Path;

use super::Places;

/// How long a connection may stay without a credential, in seconds: time to press a button.
pub(super) const AUTH_DEADLINE: u64 = 15;
/// How long before its end a credential is called expiring, in seconds.
pub(super) const EXPIRY_WARNING: u64 = 10;
/// For whom the tokens are meant.
pub(super) const AUDIENCE: &str = "vestibule-demo";
/// What the tokens allow.
pub(super) const SCOPE: &str = "chat";
/// What stands behind the issuer's name where its tokens say nothing themselves.
pub(super) const OPAQUE: &str = "/opaque";
/// The cookie that holds a token.
pub(super) const COOKIE: &str = "demo_token";

/// The text of the configuration file. `log` is the level of `[log]`, `token` where the token of the
/// admin API is made, `secret` what the gateway shows to the issuer of opaque tokens.
pub fn text(places: &Places, log: &str, [token, secret]: [&Path; 2]) -> String {
    let Places { gateway, page, admin, .. } = places;
    let [gateway, admin] = [gateway.address(), admin.address()];
    let (routes, special) = (routes(places), special_routes(places));
    let [token, secret] = [token.display(), secret.display()];
    format!(
        r#"# The configuration of `vestibule demo`.

[server]
listen = "{gateway}"
drain = "0s"                     # Ctrl-C is to end it at once

[log]
level = "{log}"

[admin]
listen = "{admin}"        # /console/, /api/v1, /metrics, /healthz, /readyz
token_file = "{token}"

[store]
backend = "memory"               # nothing outlives the demonstration

# Own users, tickets, sessions, API keys and passkeys.
[auth]
webauthn = {{ rp_id = "localhost", rp_name = "Vestibule demo", origins = ["http://{page}"], user_verification = "preferred" }}

# Who is trusted: tokens of this issuer, for this audience, signed by a key of this set.
[[issuers]]
name = "demo"
issuer = "http://{page}"
jwks_url = "http://{page}/.well-known/jwks.json"
dangerous_allow_http = true      # it does not leave this machine
audiences = ["{AUDIENCE}"]
algorithms = ["EdDSA"]

# The same for tokens that say nothing themselves: it is asked about each, and again while somebody
# is connected by it.
[[issuers]]
name = "demo-opaque"
issuer = "http://{page}{OPAQUE}"
introspection_url = "http://{page}/introspect"
token_file = "{secret}"
dangerous_allow_http = true
audiences = ["{AUDIENCE}"]
cache = "1s"
recheck = "2s"

{routes}
{special}"#
    )
}

/// Those on which a client begins as it likes.
fn routes(places: &Places) -> String {
    let Places { page, upstream, .. } = places;
    let upstream = upstream.address();
    format!(
        r#"# A chat. Its server knows nothing of tokens: it reads who is there in X-Vestibule-Subject.
[[routes]]
path = "/chat"
hosts = ["localhost", "127.0.0.1"]    # a proof is for a name: that of another server is none here
upstream = "ws://{upstream}"
origins = ["http://{page}"]      # the pages that may open it
accept = ["header", "subprotocol", "cookie", "query", "message"]    # query: for tickets alone
mechanisms = [
    "bearer", "ticket", "session", "api-key",    # secrets: whoever has one is in
    "oauthbearer",                               # a bearer token by SASL
    "scram-sha-256", "public-key", "webauthn", "dpop",    # proofs: each is good for one connection
]
sessions = "issue"               # `accepted` hands out what authenticates a reconnect
cookie = "{COOKIE}"
subprotocols = ["chat"]
scopes = ["{SCOPE}"]
auth_deadline = "{AUTH_DEADLINE}s"
expiry_warning = "{EXPIRY_WARNING}s"
expiry_grace = "0s"              # over is over

# The same chat for who has signed in with a password: the cookie is the one that login sets.
[[routes]]
path = "/signed-in"
upstream = "ws://{upstream}"
origins = ["http://{page}"]
accept = ["cookie", "message"]    # message: to log out
mechanisms = ["session"]
announce = true
scopes = ["{SCOPE}"]
expiry_grace = "0s"

# The same chat, which wants a second proof of who came in by a password.
[[routes]]
path = "/second-proof"
upstream = "ws://{upstream}"
origins = ["http://{page}"]
accept = ["message"]
mechanisms = ["scram-sha-256", "public-key", "webauthn"]
step_up = {{ mechanisms = ["public-key", "webauthn"], within = "60s" }}
scopes = ["{SCOPE}"]
auth_deadline = "{AUTH_DEADLINE}s"
"#
    )
}

/// Those on which there is one way in.
fn special_routes(places: &Places) -> String {
    let Places { page, upstream, .. } = places;
    let upstream = upstream.address();
    format!(
        r#"# The same chat for clients that expect the gateway to speak first.
[[routes]]
path = "/announced"
hosts = ["localhost", "127.0.0.1"]
upstream = "ws://{upstream}"
origins = ["http://{page}"]
accept = ["message"]
mechanisms = ["bearer", "oauthbearer", "scram-sha-256", "public-key", "webauthn", "dpop"]
announce = true
scopes = ["{SCOPE}"]
auth_deadline = "{AUTH_DEADLINE}s"
expiry_warning = "{EXPIRY_WARNING}s"
expiry_grace = "0s"

# The same chat for clients that send their token with each message.
[[routes]]
path = "/each-message"
upstream = "ws://{upstream}"
origins = ["http://{page}"]
accept = ["per-message"]
mechanisms = ["bearer", "session", "api-key"]
scopes = ["{SCOPE}"]
auth_deadline = "{AUTH_DEADLINE}s"
expiry_grace = "0s"

# The same chat for clients that can do nothing but put the token in the URL, where logs and
# histories keep it.
[[routes]]
path = "/open-query"
upstream = "ws://{upstream}"
origins = ["http://{page}"]
accept = ["query", "message"]     # message: to refresh, to log out
dangerous_token_in_query = true
announce = true
scopes = ["{SCOPE}"]
expiry_warning = "{EXPIRY_WARNING}s"
expiry_grace = "0s"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_toml_with_its_routes() {
        let text = text(&Places::usual(), "warn", ["admin.token", "secret"].map(Path::new));
        let read: toml::Table = toml::from_str(&text).unwrap();
        let routes = read["routes"].as_array().unwrap();
        let paths: Vec<_> = routes.iter().map(|route| route["path"].as_str().unwrap()).collect();
        assert_eq!(
            paths,
            ["/chat", "/signed-in", "/second-proof", "/announced", "/each-message", "/open-query"]
        );
        assert_eq!(read["issuers"][0]["issuer"].as_str(), Some("http://localhost:8000"));
    }
}
