//! Puts one question, and reads the answer.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::RootCertStore;
use tokio::time::timeout;
use tracing::warn;
use vestibule_core::authn::Secret;
use vestibule_verify::introspection::{Answer, Malformed};
use zeroize::Zeroizing;

use super::{breaker::Health, login::Credentials, text};
use crate::{
    address::Address,
    fetch::{self, Connector, FetchError, FetchPolicy, TrustError},
    limits, words,
};

/// Why there is no answer about the token.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{address} does not take our credentials (status {status})")]
    Login { address: Address, status: u16 },
    #[error("the answer of {address} is of type {found}, and not application/json")]
    Kind { address: Address, found: String },
    #[error("the answer of {address} is none about a token")]
    Malformed { address: Address, source: Malformed },
    #[error("our credentials cannot be sent")]
    Credentials(#[source] header::InvalidHeaderValue),
    #[error("too many questions are waiting")]
    Crowded,
    #[error("the question was broken off")]
    Interrupted,
}

impl AskError {
    /// Whether the issuer is to be left alone if this goes on. What a stranger can bring about by
    /// the choice of a token must not count: else he could shut out everybody.
    pub(super) fn health(&self) -> Health {
        match self {
            Self::Fetch(
                FetchError::Connect { .. }
                | FetchError::Timeout { .. }
                | FetchError::Broken { .. }
                | FetchError::Redirect { .. }
                | FetchError::Encoded { .. },
            )
            | Self::Login { .. }
            | Self::Kind { .. }
            | Self::Credentials(_) => Health::Bad,
            Self::Fetch(FetchError::Status { status, .. }) if *status >= 500 || *status == 429 => {
                Health::Bad
            }
            Self::Fetch(FetchError::Status { .. } | FetchError::TooLarge { .. })
            | Self::Malformed { .. }
            | Self::Crowded
            | Self::Interrupted => Health::Unknown,
        }
    }
}

/// Asks one issuer, over connections that are kept for the next question.
pub(crate) struct Asker {
    client: Client<Connector, Full<Bytes>>,
    address: Address,
    credentials: Credentials,
    policy: FetchPolicy,
}

impl Asker {
    pub(crate) fn new(
        address: Address,
        credentials: Credentials,
        policy: FetchPolicy,
        roots: RootCertStore,
    ) -> Result<Self, TrustError> {
        let connector = fetch::connector(&policy, roots)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::POOLED)
            .pool_max_idle_per_host(limits::QUESTIONS_AT_ONCE)
            .http1_max_buf_size(limits::HEAD_BYTES)
            .http1_max_headers(limits::HEAD_FIELDS)
            .build(connector);
        Ok(Self { client, address, credentials, policy })
    }

    /// One question. A connection that the issuer had given up unnoticed is no reason to fail: then
    /// it is put once more.
    pub(super) async fn ask(&self, token: &Secret) -> Result<Answer, AskError> {
        let both = async {
            match self.exchange(token).await {
                Err(AskError::Fetch(FetchError::Broken { .. })) => self.exchange(token).await,
                result => result,
            }
        };
        let limit = self.policy.timeout;
        let late = || FetchError::Timeout { address: self.address.clone(), limit };
        let result = timeout(limit, both).await.unwrap_or_else(|_| Err(late().into()));
        if let Err(AskError::Login { .. }) = &result
            && let Err(error) = self.credentials.reread()
        {
            warn!(cause = %words::of(&error), "no other credentials for introspection");
        }
        result
    }

    async fn exchange(&self, token: &Secret) -> Result<Answer, AskError> {
        let address = || self.address.clone();
        let response = self.client.request(self.request(token)?).await;
        let response = response.map_err(|error| fetch::unreached(error, address()))?;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::UNAUTHORIZED || head.status == StatusCode::FORBIDDEN {
            return Err(AskError::Login { address: address(), status: head.status.as_u16() });
        }
        fetch::check_head(head.status, &head.headers, address)?;
        if let Err(found) = json(&head.headers) {
            return Err(AskError::Kind { address: address(), found });
        }
        let bytes = fetch::whole(body, limits::ANSWER_BYTES, address).await?;
        Answer::parse(&bytes).map_err(|source| AskError::Malformed { address: address(), source })
    }

    /// RFC 7662 section 2.1.
    fn request(&self, token: &Secret) -> Result<Request<Full<Bytes>>, AskError> {
        let token = text::form(token.expose());
        let form = ["token=", &token, "&token_type_hint=access_token"].concat();
        // Wiped when the last of it was sent.
        let body = Full::new(Bytes::from_owner(Zeroizing::new(form.into_bytes())));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.uri().clone();
        let fields = request.headers_mut();
        let credentials = self.credentials.field().map_err(AskError::Credentials)?;
        fields.insert(header::AUTHORIZATION, credentials);
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        fields.insert(header::CONTENT_TYPE, form);
        fields.insert(header::USER_AGENT, fetch::USER_AGENT);
        Ok(request)
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, address, credentials, policy: _ } = self;
        f.debug_struct("Asker")
            .field("address", address)
            .field("credentials", credentials)
            .finish_non_exhaustive()
    }
}

/// Whether the answer says that it is JSON; else what it says. A proxy's page of apologies is none,
/// whatever its status.
fn json(headers: &HeaderMap) -> Result<(), String> {
    let mut said = headers.get_all(header::CONTENT_TYPE).iter();
    let (said, more) = (said.next().and_then(|value| value.to_str().ok()), said.next());
    let Some(said) = said else { return Err("none".to_owned()) };
    let kind = said.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") && more.is_none() {
        return Ok(());
    }
    Err(words::quote(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_say_that_it_is_json_is_none() {
        let kind = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
            }
            json(&headers).is_ok()
        };
        assert!(kind(&["application/json"]));
        assert!(kind(&["Application/JSON; charset=utf-8"]));
        for values in [
            &[][..],
            &["text/html"],
            &["application/jsonp"],
            &["application/token-introspection+jwt"],
            &["text/plain, application/json"],
            &["application/json", "text/html"],
        ] {
            assert!(!kind(values), "{values:?}");
        }
    }
}
