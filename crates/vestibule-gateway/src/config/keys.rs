//! The one table of keys: what may be written, what it means, and what holds where nothing is
//! written. Suggestions, `vestibule init` and the reference page all read it.

pub use super::section::{Section, Shape};

/// What is written behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string that names a file, from the directory of the configuration file.
    File,
    /// A string such as `"30s"`.
    Duration,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// An array of strings.
    List,
    /// A string, or an array of strings.
    TextOrList,
    /// A string that names a file, or an array of them.
    FileOrList,
    /// A table of a section's own.
    Table(Section),
    /// A table of close codes.
    Codes,
}

impl Kind {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::File => "file",
            Self::Duration => "duration",
            Self::Integer => "integer",
            Self::Flag => "boolean",
            Self::List => "list of strings",
            Self::TextOrList => "string or list of strings",
            Self::FileOrList => "file or list of files",
            Self::Table(_) => "table",
            Self::Codes => "table of integers",
        }
    }
}

/// What holds where nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It must be written.
    Required,
    /// This TOML value.
    Value(&'static str),
    /// Something that is no value: in words.
    Words(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands.
    pub section: Section,
    /// Its name.
    pub name: &'static str,
    /// What is written behind it.
    pub kind: Kind,
    /// What holds without it.
    pub absent: Absent,
    /// A TOML value that could be written.
    pub example: &'static str,
    /// What it does: whole sentences.
    pub doc: &'static str,
}

macro_rules! keys {
    ($($section:ident: $($name:literal $kind:expr, $absent:expr, $example:literal, $doc:literal;)+)+) => {
        /// All keys, section by section, in the order in which they are explained.
        pub const KEYS: &[Key] = &[$($(Key {
            section: Section::$section,
            name: $name,
            kind: $kind,
            absent: $absent,
            example: $example,
            doc: $doc,
        },)+)+];
    };
}

use Absent::{Required, Value, Words};
use Kind::{Codes, Duration, File, FileOrList, Flag, Integer, List, Table, Text, TextOrList};

keys! {
    Server:
    "listen" TextOrList, Value("\"127.0.0.1:8080\""), "\"127.0.0.1:8080\"",
        "Addresses to listen on, each `address:port`. `0.0.0.0:8080` is every IPv4 address of the \
         machine, `[::]:8080` every address.";
    "tls" Table(Section::Tls), Words("no TLS"), "{ cert = \"cert.pem\", key = \"key.pem\" }",
        "The certificate for all of these addresses: two PEM files, the chain with the own \
         certificate first, and its private key. Without it, something in front has to speak TLS.";
    "trusted_proxies" List, Value("[]"), "[\"10.0.0.0/8\"]",
        "Proxies in front, as addresses or CIDR blocks. Only from them are `X-Forwarded-For`, \
         `-Proto` and `-Host` believed; from everybody else these fields are dropped.";
    "workers" Integer, Words("one for each core"), "4",
        "Threads that carry connections, 1 to 1024.";
    "drain" Duration, Value("\"10s\""), "\"10s\"",
        "Over this span, at most an hour, a stopping gateway closes its connections, so that the \
         clients do not all come back at once.";
    "pending_per_address" Integer, Value("64"), "64",
        "Most connections of one address (IPv6: of one /64) that are not authenticated yet.";
    "pending" Integer, Value("4096"), "4096",
        "Most connections in all that are not authenticated yet.";
    "assertion_key" File, Words("a new key at each start"), "\"assertion.pem\"",
        "The private key (PKCS#8, PEM; Ed25519 or P-256) that signs `X-Vestibule-Assertion`. Give \
         every node the same one, or an upstream must ask each for its own key set.";

    Tls:
    "cert" File, Required, "\"cert.pem\"",
        "The certificate chain (PEM), the own certificate first.";
    "key" File, Required, "\"key.pem\"",
        "The private key (PEM).";
    "client_ca" File, Words("clients are asked for no certificate"), "\"clients-ca.pem\"",
        "Certificates (PEM) of the authorities that clients' certificates are by. Each of them can \
         vouch for every name that `[[certificates]]` takes.";
    "client_crl" FileOrList, Words("nothing is looked up"), "[\"clients.crl\"]",
        "Lists (PEM) of certificates that these authorities have withdrawn. There must be one of each \
         authority in a chain; what no list is about is refused, and so is everything when its list is \
         over. Read anew within a minute when they change.";
    "client_auth" Text, Words("`optional`"), "\"optional\"",
        "`optional` asks clients for a certificate, and lets them go on without; `required` ends TLS \
         without one, on every path. A certificate that is not good ends TLS either way.";

    Log:
    "level" Text, Value("\"info\""), "\"info\"",
        "`off`, `error`, `warn`, `info`, `debug` or `trace`; or directives for parts of the \
         program, such as `info,vestibule_gateway::http=debug`.";
    "format" Text, Value("\"auto\""), "\"auto\"",
        "`text` for people, `json` for machines; `auto` is text on a terminal and JSON elsewhere.";

    Issuers:
    "name" Text, Required, "\"idp\"",
        "What routes, logs and metrics call this issuer.";
    "issuer" Text, Words("`iss` is not looked at"), "\"https://idp.example.com/\"",
        "The `iss` that its tokens must have, to the letter. Where neither `jwks_url`, `jwks_file` \
         nor `secret_file` nor `introspection_url` is written, the keys are found through the \
         metadata at this address (OpenID Connect Discovery, RFC 8414).";
    "jwks_url" Text, Words("see `issuer`"), "\"https://idp.example.com/keys.json\"",
        "The address of its JWK set (RFC 7517).";
    "jwks_file" File, Words("see `issuer`"), "\"jwks.json\"",
        "A file with its JWK set.";
    "secret_file" File, Words("see `issuer`"), "\"issuer.secret\"",
        "A file with the secret for HMAC: its bytes as they are, less one newline at the end; at \
         least 32 bytes for HS256, 48 for HS384, 64 for HS512. Everybody who can check such a token \
         can also make one.";
    "introspection_url" Text, Words("it is not asked"), "\"https://idp.example.com/introspect\"",
        "The address at which it is asked about each token (RFC 7662), for tokens that say nothing \
         themselves. Excludes `jwks_url`, `jwks_file` and `secret_file`. A JWT that a key-set issuer \
         of the route may have issued is not asked about.";
    "client_id" Text, Words("see `token_file`"), "\"vestibule\"",
        "What it calls the gateway, which has to say who asks; with `client_secret_file`.";
    "client_secret_file" File, Words("see `token_file`"), "\"introspection.secret\"",
        "A file with the gateway's secret there: its bytes as they are, less one newline at the end. \
         Read again when the issuer does not take it.";
    "token_file" File, Words("`client_id` and `client_secret_file`"), "\"introspection.token\"",
        "A file with a bearer token that lets the gateway ask, where it is known by that.";
    "cache" Duration, Value("\"10s\""), "\"10s\"",
        "How long its yes counts without asking again, at most 5 minutes, and not beyond the token's \
         end: a token that it withdraws opens new connections for so much longer.";
    "recheck" Duration, Value("\"60s\""), "\"60s\"",
        "How often it is asked about a token by which somebody is connected, 100 ms to a day: after \
         so long at the most, a connection by a withdrawn token is closed.";
    "max_lifetime" Duration, Value("\"1h\""), "\"1h\"",
        "How long a token counts of which it does not say when it ends, from the moment at which it \
         was asked; at most 30 days.";
    "timeout" Duration, Value("\"3s\""), "\"3s\"",
        "Time for it to answer a question, at most 30 seconds. Less than `auth_deadline`, or clients \
         are told of that first.";
    "rate" Integer, Value("200"), "200",
        "Most questions a second about tokens that nobody knows, all clients together. Those beyond \
         are told to come again.";
    "audiences" List, Words("`aud` is not looked at"), "[\"https://chat.example.com\"]",
        "A token's `aud` must have one of these. Without it, a token that was issued for another \
         service of the same issuer is let in.";
    "algorithms" List, Words("those of its keys; HS256 for a secret"), "[\"RS256\", \"ES256\"]",
        "Signature algorithms that count: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, \
         EdDSA; for a secret HS256, HS384, HS512.";
    "clock_skew" Duration, Value("\"30s\""), "\"30s\"",
        "How wrong its clock may be, at most 10 minutes: a token counts so much earlier and longer.";
    "types" List, Words("`at+jwt`, `JWT`, or none"), "[\"at+jwt\", \"JWT\"]",
        "Values of the header's `typ` that count; `\"\"` stands for none. With `introspection_url`, \
         values of `token_type` in the answer; there, `Bearer` alone is the default.";
    "subject_claim" Text, Value("\"sub\""), "\"sub\"",
        "The claim that says who it is.";
    "scope_claim" Text, Words("`scope` or `scp`"), "\"scope\"",
        "The claim with the scopes: a string with spaces, or a list.";
    "groups_claim" Text, Words("`groups` or `roles`"), "\"groups\"",
        "The claim with the groups: a list.";
    "ca" File, Words("the system's"), "\"idp-ca.pem\"",
        "Trust roots (PEM) for fetching its keys.";
    "dangerous_allow_http" Flag, Value("false"), "false",
        "Fetches its keys without TLS. Whoever sits on the way can then make keys of his own count. \
         Not needed for an issuer on this machine.";
    "refresh" Duration, Value("\"5m\""), "\"5m\"",
        "How often its keys are fetched where their answer does not say how long it is fresh; at most a day.";
    "max_stale" Duration, Value("\"24h\""), "\"24h\"",
        "How long fetched keys count when they cannot be fetched again, at most 7 days. Not less \
         than `refresh`. With `introspection_url`, how long a connection stays while the issuer cannot \
         be asked; there, until its lease ends is the default, and not less than `recheck`.";

    Certificates:
    "name" Text, Required, "\"devices\"",
        "What routes and logs call it.";
    "subject_from" Text, Required, "\"san-uri\"",
        "Where the subject is: `san-dns`, `san-uri` or `san-email`, a subject alternative name of that \
         kind; `common-name`. The certificate must have exactly one of the kind.";
    "allowed" List, Required, "[\"spiffe://example.com/device/*\"]",
        "Subjects that count. `*` stands for one character or more, but for no dot of a DNS name, no \
         slash of a URI, no `@` of a mail address; `\"*\"` alone is every name.";
    "issuer" Text, Words("`name`"), "\"https://devices.example.com\"",
        "The issuer of its principals, as the upstream and revocations call it.";
    "scopes" List, Value("[]"), "[\"telemetry\"]",
        "What its principals may do.";
    "groups" List, Value("[]"), "[\"devices\"]",
        "The groups that its principals are in.";

    Routes:
    "path" Text, Required, "\"/\"",
        "The path, with everything below it at a `/`.";
    "upstream" TextOrList, Required, "\"ws://127.0.0.1:9000/socket\"",
        "The WebSocket server behind it, `ws://` or `wss://`; several are tried in turn. What \
         follows the route's path, and the client's query, is appended.";
    "ca" File, Words("the system's"), "\"upstream-ca.pem\"",
        "Trust roots (PEM) for `wss://` upstreams.";
    "origins" List, Words("the own host alone"), "[\"https://app.example.com\"]",
        "Pages that may open a socket: `scheme://host[:port]`, `https://*.example.com` for every \
         subdomain, `*` for every page of the world (never with a cookie). Clients other than \
         browsers send no origin and are not affected.";
    "hosts" List, Words("every host"), "[\"ws.example.com\"]",
        "Host names that are served. Without it the `Host` field is believed.";
    "accept" List, Value("[\"header\", \"subprotocol\", \"message\"]"),
        "[\"header\", \"cookie\", \"subprotocol\", \"message\"]",
        "Where a credential may travel: `header` (`Authorization: Bearer`), `cookie`, \
         `subprotocol`, `message` (the first message), `query` (for a `ticket`; for an access token \
         only with `dangerous_token_in_query`), `tls` (a client certificate, for `external`). Of \
         `cookie` and `tls`, which a browser sends by itself, the first one here counts. Or \
         `per-message` alone: each message carries its own.";
    "cookie" Text, Words("with `[auth]` the one that login sets, else no cookie"), "\"session\"",
        "The cookie that holds a token; `accept` must have `cookie`.";
    "mechanisms" List, Value("[\"bearer\"]"), "[\"bearer\", \"ticket\", \"session\"]",
        "How identity may be proven: `bearer`, an access token; with `[auth]` also `ticket`, \
         bought with another credential and good once; `session`, a session token; `api-key`; \
         `public-key`, whose client signs a challenge; `webauthn`, a passkey; `scram-sha-256`, a \
         password that does not travel; where the gateway ends TLS `scram-sha-256-plus`, the same \
         bound to the connection; `external`, a client certificate, required where it is alone; \
         `dpop`, a token with a proof of its key; `oauthbearer`, one by SASL.";
    "dpop_nonce" Text, Value("\"required\""), "\"required\"",
        "Whether a proof for `dpop` by header must have a nonce of the gateway's: `required`, or `off`. \
         Without one, whoever can use the key for a moment can make proofs for later.";
    "sessions" Text, Value("\"off\""), "\"issue\"",
        "Whether `accepted` hands out a session token, which authenticates a reconnect to this route: \
         `issue`; `rotate` replaces it each time it is used; `off`. `mechanisms` must have `session`.";
    "issuers" List, Words("all of them"), "[\"idp\"]",
        "Names of the issuers whose tokens count here; the gateway's own is called `local`.";
    "certificates" List, Words("all of them"), "[\"devices\"]",
        "Names of the `[[certificates]]` that count here, with the mechanism `external`.";
    "scopes" List, Value("[]"), "[\"chat\"]",
        "What a token must allow; all of these.";
    "acr" List, Value("[]"), "[\"urn:example:gold\"]",
        "Authentication context classes that count: the `acr` of a token must be one of these (RFC \
         9470). They have no order: list every one that will do.";
    "amr" List, Value("[]"), "[\"mfa\"]",
        "Authentication methods, in the names of RFC 8176, of which a credential must show one: `mfa`, \
         `hwk`, `pop`, `otp`, `pwd` … A token shows those of its `amr`; the gateway's own mechanisms \
         show what they are.";
    "step_up" Table(Section::StepUp), Words("none is asked for"),
        "{ mechanisms = [\"public-key\"], within = \"60s\" }",
        "A second proof that is asked for once somebody is in; `accept` must have `message`. See \
         `[routes.step_up]`.";
    "dialect" Text, Value("\"native\""), "\"native\"",
        "The language of in-band messages: `native`.";
    "auth_deadline" Duration, Value("\"5s\""), "\"5s\"",
        "Time to authenticate, from the moment at which the connection was accepted; at most 5 minutes.";
    "expiry_grace" Duration, Value("\"30s\""), "\"30s\"",
        "Time, at most an hour, that a connection may outlive its credential.";
    "expiry_warning" Duration, Value("\"30s\""), "\"30s\"",
        "How long before the end, at most an hour, the client is told that it comes: that is, \
         before expiry and grace are over, and not in the first half of that time.";
    "max_lifetime" Duration, Words("as long as it is authenticated"), "\"12h\"",
        "Longest life of a connection.";
    "idle_timeout" Duration, Words("any silence is fine"), "\"10m\"",
        "Longest silence in both directions.";
    "max_message" Integer, Value("65536"), "65536",
        "Longest message in bytes, 1024 to 16777216, where each carries its own credential (`accept = \
         [\"per-message\"]`). Each connection, also before it is authenticated, can have one kept.";
    "reject" Text, Value("\"auto\""), "\"auto\"",
        "How a failed handshake is answered: `http` with a status, `close` with a close code after \
         the upgrade; `auto` is `close` for browsers, which show nothing else, and `http` for others.";
    "announce" Flag, Value("false"), "false",
        "Sends `required` on connect, and `accepted` to clients that did not speak in band.";
    "subprotocols" List, Words("the first one offered"), "[\"chat.v1\"]",
        "Subprotocols of the upstream, for handshakes that must be answered before it is asked.";
    "compression" Text, Value("\"auto\""), "\"auto\"",
        "`auto` lets client and upstream agree on extensions; where in-band messages are accepted, on \
         compression that lets the gateway read them, and on none where one has to be awaited. `off` \
         never does.";
    "identity" Text, Value("\"vestibule\""), "\"vestibule\"",
        "The header fields that tell the upstream who is there: `vestibule` (`X-Vestibule-…`), \
         `oauth2-proxy` (`X-Forwarded-User` …), `authelia` (`Remote-User` …), `none`.";
    "assertion" Text, Words("`signed`; `off` with `identity = \"none\"`"), "\"signed\"",
        "`signed` tells the upstream with a short signed token, too (`X-Vestibule-Assertion`); \
         `off` does not.";
    "forward_credential" Flag, Value("false"), "false",
        "Leaves `Authorization` and the cookie in the handshake that the upstream gets. Whoever reads \
         its logs can then act for its users.";
    "dangerous_token_in_query" Flag, Value("false"), "false",
        "Takes `access_token` from the query; `accept` must have `query`. It ends up in logs, \
         histories and the `Referer` field (RFC 6750 section 2.3).";
    "close_codes" Codes, Value("{}"), "{ 4401 = 3000, 4403 = 3003 }",
        "Close codes that are sent as others, for clients that know others.";

    StepUp:
    "mechanisms" List, Required, "[\"public-key\"]",
        "By what, in order of preference. Not `ticket` and `session`, which prove once more what they \
         were issued for; an access token (`bearer`) only with `acr` or `amr`.";
    "within" Duration, Value("\"60s\""), "\"60s\"",
        "How long there is for it, at most 10 minutes.";
    "acr" List, Value("[]"), "[\"urn:example:gold\"]",
        "Context classes of which the second proof must have one.";
    "amr" List, Value("[]"), "[\"hwk\"]",
        "Methods of which the second proof must show one.";

    Store:
    "backend" Text, Value("\"embedded\""), "\"embedded\"",
        "`embedded` is a file, for one gateway; `memory` forgets everything when the gateway ends.";
    "path" File, Value("\"vestibule.db\""), "\"vestibule.db\"",
        "The file. Whoever can read it can sign tokens: keep it from others.";

    Auth:
    "path" Text, Value("\"/auth\""), "\"/auth\"",
        "The path above the endpoints: `login`, `ticket`, `refresh`, `logout`, `verify`, `webauthn`. No \
         route may be below it.";
    "issuer" Text, Value("\"vestibule\""), "\"https://ws.example.com\"",
        "The `iss` of its access tokens, and the issuer of its users and API keys.";
    "access_token" Duration, Value("\"15m\""), "\"15m\"",
        "How long an access token is good, at most a day.";
    "refresh_token" Duration, Value("\"30d\""), "\"30d\"",
        "How long a login can be refreshed, at most a year. Each refresh token is good once.";
    "session" Duration, Value("\"12h\""), "\"12h\"",
        "How long a session token is good, in a cookie or on a reconnect; at most a year.";
    "ticket" Duration, Value("\"20s\""), "\"20s\"",
        "How long a ticket is good, at most 5 minutes.";
    "tickets_per_principal" Integer, Value("16"), "16",
        "Most tickets of one principal that were not redeemed.";
    "tickets" Integer, Value("65536"), "65536",
        "Most tickets in all that were not redeemed.";
    "key_rotation" Duration, Value("\"30d\""), "\"30d\"",
        "How often access tokens are signed with a new key, an hour to a year. The old one counts \
         for as long as a token of it could live.";
    "webauthn" Table(Section::Webauthn), Words("no passkeys"), "{ rp_id = \"example.com\" }",
        "What the gateway is to authenticators, for the mechanism `webauthn`.";

    Webauthn:
    "rp_id" Text, Required, "\"example.com\"",
        "The domain that passkeys are for: the host of every page that uses them, or a domain that it \
         is in. Whoever changes it makes all passkeys useless.";
    "rp_name" Text, Words("`rp_id`"), "\"Example\"",
        "What people see it called when they make a passkey.";
    "origins" List, Words("`https://` and `rp_id`"), "[\"https://app.example.com\"]",
        "Pages that may make and use passkeys, as browsers write their origins. `https` alone, but for \
         `localhost`. To open a socket they must be in the route's `origins`, too.";
    "user_verification" Text, Value("\"required\""), "\"required\"",
        "Whether an authenticator must know its user, by a PIN or a finger: `required`; `preferred` asks, \
         and takes a touch all the same; `discouraged` takes a touch. With these two whoever finds a \
         security key is its owner.";

    Admin:
    "listen" Text, Value("\"127.0.0.1:9480\""), "\"127.0.0.1:9480\"",
        "The address to listen on. Everybody who reaches it can read the metrics.";
    "token_file" File, Value("\"admin.token\""), "\"admin.token\"",
        "A file with the token that the admin API demands. Made at the first start, for its owner \
         alone to read.";
    "audit_log" File, Words("the log"), "\"audit.log\"",
        "A file to which every admin action is appended as a line of JSON.";
}
