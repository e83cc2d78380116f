//! What is presented. Never printable, wiped when dropped.

use core::{fmt, future::Future};

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use vestibule_core::authn::Mechanism;
use vestibule_verify::dpop::ProofKey;
use zeroize::Zeroizing;

use super::{
    Unavailable,
    answer::{Answerer, Answering, Signature, member},
};
use crate::{
    handshake::Handshake,
    limits,
    machine::{Demand, Presentation},
};

/// Where the credential travels (`docs/protocol.md`, section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The first message, and later ones to refresh it. Nothing secret is in the handshake.
    Message,
    /// `Authorization: Bearer`.
    Header,
    /// An entry of `Sec-WebSocket-Protocol`.
    Subprotocol,
    /// A parameter of the query, `ticket` for a ticket. Addresses are written to logs on the way:
    /// for tickets alone, which are worth nothing a moment later.
    Query {
        /// The parameter.
        name: String,
    },
    /// The client certificate of the connection ([`Tls::showing`](crate::handshake::Tls::showing)): a
    /// server that asks for one sees it, and nothing else is sent.
    Tls,
    /// Each message, which must be JSON, around it: for servers that keep no state.
    PerMessage,
    /// A cookie. It counts only with an `Origin` that the route allows.
    Cookie {
        /// The cookie.
        name: String,
    },
}

/// A token that cannot be one. The text is not in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the credential is not of the form of RFC 6750 section 2.1, or longer than any that is accepted"
)]
pub struct Malformed;

/// A token, and the mechanism it is meant for; or what begins an exchange, and who answers in it.
#[derive(Clone)]
pub struct Credential {
    mechanism: Mechanism,
    token: Zeroizing<String>,
    answerer: Answerer,
}

impl Credential {
    /// An access token.
    pub fn bearer(token: impl Into<String>) -> Result<Self, Malformed> {
        Self::new(Mechanism::Bearer, token)
    }

    /// A ticket.
    pub fn ticket(token: impl Into<String>) -> Result<Self, Malformed> {
        Self::new(Mechanism::Ticket, token)
    }

    /// The token of a session.
    pub fn session(token: impl Into<String>) -> Result<Self, Malformed> {
        Self::new(Mechanism::Session, token)
    }

    /// An API key.
    pub fn api_key(token: impl Into<String>) -> Result<Self, Malformed> {
        Self::new(Mechanism::ApiKey, token)
    }

    /// A key that stays where it is: `sign` makes a signature of the bytes that it is given, raw or
    /// as SSH does. `fingerprint` names the key as OpenSSH shows it, `SHA256:` and Base64. It travels
    /// in a message, by no other carrier.
    pub fn public_key<F, Fut>(fingerprint: impl Into<String>, sign: F) -> Result<Self, Malformed>
    where
        F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
    {
        let named = Self::opaque(Mechanism::PublicKey, fingerprint)?;
        Ok(Self { answerer: Answerer::key(sign), ..named })
    }

    /// An access token that is bound to a key (RFC 9449), and the key: `jwk` is its public half, a JSON
    /// Web Key of Ed25519 or P-256, and `sign` makes a raw signature of the bytes that it is given. It
    /// travels in a message, by no other carrier.
    pub fn dpop<F, Fut>(token: impl Into<String>, jwk: &str, sign: F) -> Result<Self, Malformed>
    where
        F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
    {
        let bare = Self::new(Mechanism::Dpop, token)?;
        let key = ProofKey::from_jwk(jwk.as_bytes()).ok_or(Malformed)?;
        let answerer = Answerer::bound(bare.token.clone(), key, sign);
        Ok(Self { answerer, ..bare })
    }

    /// A password that does not travel: SCRAM-SHA-256, for one exchange. It travels in a message,
    /// by no other carrier.
    pub fn scram(user: &str, password: &str) -> Result<Self, Malformed> {
        let (answerer, first) = Answerer::password(user, password)?;
        if first.len() > limits::CREDENTIAL_BYTES {
            return Err(Malformed);
        }
        Ok(Self { mechanism: Mechanism::ScramSha256, token: Zeroizing::new(first), answerer })
    }

    /// The same, bound to the connection: SCRAM-SHA-256-PLUS, which nobody between client and server
    /// can pass on. Needs TLS 1.3 that ends at the gateway itself.
    pub fn scram_plus(user: &str, password: &str) -> Result<Self, Malformed> {
        let (answerer, first) = Answerer::bound_password(user, password)?;
        if first.len() > limits::CREDENTIAL_BYTES {
            return Err(Malformed);
        }
        Ok(Self { mechanism: Mechanism::ScramSha256Plus, token: Zeroizing::new(first), answerer })
    }

    /// The client certificate of the connection, which holds all there is of it.
    pub fn certificate() -> Self {
        let (mechanism, token) = (Mechanism::External, Zeroizing::new(String::new()));
        Self { mechanism, token, answerer: Answerer::Nobody }
    }

    /// The control message that answers a challenge on a connection of this handshake with that
    /// [`exporter`](crate::handshake::Socket::exporter). Must be awaited in a runtime of tokio's.
    pub fn respond(
        &self,
        demand: Demand,
        handshake: &Handshake,
        exporter: Option<[u8; 32]>,
    ) -> Answering {
        self.answerer.respond(demand, handshake, exporter)
    }

    /// Whether it can travel in a message alone, because it answers.
    pub(crate) fn answers(&self) -> bool {
        !matches!(self.answerer, Answerer::Nobody)
    }

    /// A credential as the gateway takes it: of the form of RFC 6750 section 2.1, and not longer
    /// than [`limits::CREDENTIAL_BYTES`].
    pub fn new(mechanism: Mechanism, token: impl Into<String>) -> Result<Self, Malformed> {
        let token = Zeroizing::new(token.into());
        let body = token.trim_end_matches('=');
        let fits = !body.is_empty() && token.len() <= limits::CREDENTIAL_BYTES;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if !fits || !body.bytes().all(legal) {
            return Err(Malformed);
        }
        Ok(Self { mechanism, token, answerer: Answerer::Nobody })
    }

    /// Any text of visible ASCII, for a server that takes others than the gateway does, or to see
    /// what it does with it.
    pub fn opaque(mechanism: Mechanism, token: impl Into<String>) -> Result<Self, Malformed> {
        let token = Zeroizing::new(token.into());
        let fits = (1..=limits::CREDENTIAL_BYTES).contains(&token.len());
        if !fits || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Malformed);
        }
        Ok(Self { mechanism, token, answerer: Answerer::Nobody })
    }

    /// How it is to be checked.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> usize {
        self.token.len()
    }

    /// Only a certificate is, which is shown elsewhere.
    pub fn is_empty(&self) -> bool {
        self.token.is_empty()
    }

    /// The token itself, for those who send it.
    pub(crate) fn expose(&self) -> &str {
        &self.token
    }

    /// Whether it is the same one. Two exchanges are never the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        !self.answers()
            && self.mechanism == other.mechanism
            && bool::from(self.token.as_bytes().ct_eq(other.token.as_bytes()))
    }

    /// The control message that presents it (`docs/protocol.md`, section 6.2).
    pub fn message(&self, presentation: Presentation) -> Zeroizing<String> {
        let kind = match presentation {
            Presentation::Authenticate => "authenticate",
            Presentation::Refresh => "refresh",
        };
        let name = self.mechanism.name();
        // By hand and at once, so that no copies are left behind in buffers that grew.
        let mut text = Zeroizing::new(String::with_capacity(self.token.len().saturating_add(80)));
        for part in ["{\"auth\":{\"type\":\"", kind, "\",\"mechanism\":\"", name, "\""] {
            text.push_str(part);
        }
        if let Some(member) = member(self.mechanism) {
            for part in [",\"", member, "\":\""] {
                text.push_str(part);
            }
            self.quote(&mut text);
            text.push('"');
        }
        text.push_str("}}");
        text
    }

    /// A message that carries it: `{"auth":{"token":…},"data":…}`.
    pub(crate) fn around(&self, data: &str) -> Zeroizing<String> {
        let room = self.token.len().saturating_add(data.len()).saturating_add(40);
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push_str("{\"auth\":{\"token\":\"");
        self.quote(&mut text);
        text.push_str("\"},\"data\":");
        text.push_str(data);
        text.push('}');
        text
    }

    /// Visible ASCII needs no more than these two escapes.
    fn quote(&self, text: &mut String) {
        for character in self.token.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
    }

    /// What to offer beside the real subprotocols (`docs/protocol.md`, section 4.4); `None` where
    /// the server would have nothing to answer with.
    pub(crate) fn offer(&self, subprotocols: &[String]) -> Option<Zeroizing<String>> {
        let mut offer = Zeroizing::new(String::with_capacity(self.token.len().saturating_mul(2)));
        for name in subprotocols {
            offer.push_str(name);
            offer.push_str(", ");
        }
        match (self.token.bytes().all(is_tchar), subprotocols) {
            (true, []) => offer.push_str("bearer, "),
            (true, [_, ..]) => offer.push_str("vestibule.bearer."),
            (false, []) => return None,
            (false, [_, ..]) => {
                offer.push_str("base64url.bearer.authorization.k8s.io.");
                offer.push_str(&Zeroizing::new(BASE64URL_NOPAD.encode(self.token.as_bytes())));
                return Some(offer);
            }
        }
        offer.push_str(&self.token);
        Some(offer)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, token: _, answerer: _ } = self;
        write!(f, "Credential({})", mechanism.name())
    }
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_gateway_could_take_is_a_credential() {
        let longest = "a".repeat(limits::CREDENTIAL_BYTES);
        for token in ["a", "eyJ.eyJ.sig", "a+b/c==", "~-._", &longest] {
            assert!(Credential::bearer(token).is_ok(), "{token}");
        }
        let longer = "a".repeat(limits::CREDENTIAL_BYTES + 1);
        for token in ["", "=", "a b", "a=b", "a\"b", "ä", "a\n", &longer] {
            assert_eq!(Credential::bearer(token).err(), Some(Malformed), "{token}");
        }
    }

    #[test]
    fn a_credential_is_not_printed() {
        let credential = Credential::bearer("s3cret").unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(bearer)");
        assert!(
            !format!("{:?} {Malformed}", Credential::bearer("s3cret s3cret").err())
                .contains("s3cret")
        );
    }

    #[test]
    fn two_credentials_are_one_if_mechanism_and_token_are() {
        let bearer = Credential::bearer("a").unwrap();
        assert!(bearer.is(&bearer.clone()));
        assert!(!bearer.is(&Credential::bearer("b").unwrap()));
        assert!(!bearer.is(&Credential::session("a").unwrap()));
    }

    #[test]
    fn a_control_message_begins_with_the_prefix_and_is_json() {
        let credential = Credential::opaque(Mechanism::ApiKey, r#"a"b\c"#).unwrap();
        let text = credential.message(Presentation::Authenticate);
        assert!(crate::machine::is_control(&text), "{}", *text);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let auth = json!({"type": "authenticate", "mechanism": "api-key", "token": r#"a"b\c"#});
        assert_eq!(read, json!({ "auth": auth }));
    }

    #[test]
    fn a_certificate_is_named_and_nothing_of_it_is_in_the_message() {
        let text = Credential::certificate().message(Presentation::Authenticate);
        assert_eq!(&**text, r#"{"auth":{"type":"authenticate","mechanism":"external"}}"#);
    }

    #[test]
    fn an_offer_can_always_be_answered_without_the_token() {
        let chat = [String::from("chat.v1"), String::from("chat.v2")];
        for (token, subprotocols, expected) in [
            ("a.b", &[][..], "bearer, a.b"),
            ("a.b", &chat, "chat.v1, chat.v2, vestibule.bearer.a.b"),
            ("a/b=", &chat[..1], "chat.v1, base64url.bearer.authorization.k8s.io.YS9iPQ"),
        ] {
            let credential = Credential::bearer(token).unwrap();
            assert_eq!(credential.offer(subprotocols).unwrap().as_str(), expected);
        }
        assert!(Credential::bearer("a/b=").unwrap().offer(&[]).is_none());
    }
}
