//! Fetches one document: bounded in size and time, over TLS, without following anybody anywhere.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem, pem::PemObject},
};

use crate::{
    address::{Address, DangerousHttp},
    limits, words,
};

/// How keys are fetched from a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPolicy {
    /// Trust roots (PEM) for the provider; `None` is the system's. With a file, only its
    /// certificates count.
    pub ca: Option<PathBuf>,
    /// Whether `http` to another host will do. Whoever sits on the way can then let anybody in.
    pub dangerous_http: DangerousHttp,
    /// How long keys are fresh where the provider's `Cache-Control` does not say. Default:
    /// [`limits::REFRESH`].
    pub refresh: Duration,
    /// How long the last good keys count when no newer ones can be had; a withdrawn key counts that
    /// long for whoever can cut us off from the provider. Default: [`limits::MAX_STALE`].
    pub max_stale: Duration,
    /// At most one fetch in this time for what clients present. Default: [`limits::COOL_DOWN`].
    pub cool_down: Duration,
    /// Time to connect. Default: [`limits::CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Time for everything. Default: [`limits::FETCH_TIMEOUT`].
    pub timeout: Duration,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            ca: None,
            dangerous_http: DangerousHttp::Refused,
            refresh: limits::REFRESH,
            max_stale: limits::MAX_STALE,
            cool_down: limits::COOL_DOWN,
            connect_timeout: limits::CONNECT_TIMEOUT,
            timeout: limits::FETCH_TIMEOUT,
        }
    }
}

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    /// How long it is fresh, where the provider says so (RFC 9111 sections 4.2 and 5.2.2.1).
    pub(crate) max_age: Option<Duration>,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot connect to {address}")]
    Connect { address: Address, source: Box<dyn Error + Send + Sync> },
    #[error("{address} did not answer in {limit:?}")]
    Timeout { address: Address, limit: Duration },
    #[error("{address} broke off its answer")]
    Broken { address: Address, source: Box<dyn Error + Send + Sync> },
    #[error(
        "{address} redirects ({status}) to {location}, and redirects are not followed: configure \
         the final address"
    )]
    Redirect { address: Address, status: u16, location: String },
    #[error("{address} answered with status {status}")]
    Status { address: Address, status: u16 },
    #[error("the answer of {address} is longer than {most} bytes")]
    TooLarge { address: Address, most: usize },
    #[error("the answer of {address} is compressed, which was not asked for")]
    Encoded { address: Address },
}

/// Why a fetcher cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The `ca` file.
    #[error("cannot read certificates from {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate in the `ca` file.
    #[error("a certificate in {} cannot be a trust root", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The system has none.
    #[error("this system has no trust roots: install its ca-certificates, or set `ca`")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Fetches documents, each over a connection of its own: they are minutes apart, and a pooled
/// connection would belong to the runtime of whoever happened to fetch first.
#[derive(Clone)]
pub(crate) struct Fetcher {
    client: Client<Connector, Empty<Bytes>>,
    limit: Duration,
}

impl Fetcher {
    /// Reads the trust roots.
    pub(crate) fn new(policy: &FetchPolicy, roots: RootCertStore) -> Result<Self, TrustError> {
        let connector = connector(policy, roots)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(limits::HEAD_BYTES)
            .http1_max_headers(limits::HEAD_FIELDS)
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { client, limit: policy.timeout })
    }

    /// Fetches a document. Anything but a 200 is an error.
    pub(crate) async fn get(&self, address: &Address) -> Result<Document, FetchError> {
        match tokio::time::timeout(self.limit, self.exchange(address)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Timeout { address: address.clone(), limit: self.limit }),
        }
    }

    async fn exchange(&self, address: &Address) -> Result<Document, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = address.uri().clone();
        request.headers_mut().insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, application/jwk-set+json"),
        );
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        let response = self.client.request(request).await;
        let (head, body) =
            response.map_err(|error| unreached(error, address.clone()))?.into_parts();
        check_head(head.status, &head.headers, || address.clone())?;
        let bytes = whole(body, limits::DOCUMENT_BYTES, || address.clone()).await?;
        Ok(Document { bytes, max_age: max_age(&head.headers) })
    }
}

/// Whom a provider is told that asks.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION")));

/// The way to a provider.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Connects over TLS by these roots; or without, where an [`Address`] says so.
pub(crate) fn connector(
    policy: &FetchPolicy,
    roots: RootCertStore,
) -> Result<Connector, TrustError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(policy.connect_timeout));
    // `https_or_http`: `Address` decided already which of them may be used.
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}

/// There was no answer.
pub(crate) fn unreached(error: legacy::Error, address: Address) -> FetchError {
    let connect = error.is_connect();
    let source = error.into();
    if connect {
        FetchError::Connect { address, source }
    } else {
        FetchError::Broken { address, source }
    }
}

/// The body of an answer, up to a length.
pub(crate) async fn whole(
    body: Incoming,
    most: usize,
    address: impl Fn() -> Address,
) -> Result<Bytes, FetchError> {
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(FetchError::TooLarge { address: address(), most });
    }
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(FetchError::TooLarge { address: address(), most })
        }
        Err(source) => Err(FetchError::Broken { address: address(), source }),
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, limit } = self;
        f.debug_struct("Fetcher").field("limit", limit).finish_non_exhaustive()
    }
}

impl FetchError {
    /// Whether the provider was there and said no to this address, so that another may be tried.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Redirect { .. } | Self::Status { .. } => true,
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::TooLarge { .. }
            | Self::Encoded { .. } => false,
        }
    }
}

/// Anything but a plain 200 is an error.
pub(crate) fn check_head(
    status: StatusCode,
    headers: &HeaderMap,
    address: impl Fn() -> Address,
) -> Result<(), FetchError> {
    if status == StatusCode::OK {
        if headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return Err(FetchError::Encoded { address: address() });
        }
        return Ok(());
    }
    if status.is_redirection() {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map_or_else(|| "nowhere".to_owned(), words::quote);
        return Err(FetchError::Redirect { address: address(), status: status.as_u16(), location });
    }
    Err(FetchError::Status { address: address(), status: status.as_u16() })
}

/// `max-age` less `Age`. What cannot be read counts as not said, and `no-store` and its like do not
/// matter: they ask for what the default does anyway.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directive = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))?;
    let fresh: u64 = directive.1.trim_matches('"').parse().ok()?;
    let age = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    let age: u64 = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(Duration::from_secs(fresh.saturating_sub(age)))
}

/// The certificates of a file, all of which must be usable.
pub(crate) fn roots_of(path: &Path) -> Result<RootCertStore, TrustError> {
    let fault = |source| TrustError::File { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(fault)? {
        roots
            .add(certificate.map_err(fault)?)
            .map_err(|source| TrustError::Certificate { path: path.to_owned(), source })?;
    }
    if roots.is_empty() {
        return Err(fault(pem::Error::NoItemsFound));
    }
    Ok(roots)
}

/// The certificates of the system, less those that rustls cannot use.
pub(crate) fn system_roots() -> (RootCertStore, Vec<io::Error>) {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_used, _ignored) = roots.add_parsable_certificates(found.certs);
    (roots, found.errors.into_iter().map(io::Error::other).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&'static str, &str)], expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{fields:?}");
    }

    #[test]
    fn freshness_is_what_the_provider_says_less_the_age_in_caches() {
        check(&[], None);
        check(&[("cache-control", "no-store")], None);
        check(&[("cache-control", "public, max-age=600, must-revalidate")], Some(600));
        check(&[("cache-control", "public"), ("cache-control", "Max-Age=\"60\"")], Some(60));
        check(&[("cache-control", "max-age=600"), ("age", "100")], Some(500));
        check(&[("cache-control", "max-age=600"), ("age", "1000")], Some(0));
        check(&[("cache-control", "s-maxage=5")], None);
        check(&[("cache-control", "max-age=-1")], None);
        check(&[("cache-control", "max-age=99999999999999999999999")], None);
    }
}
