//! The way to the server: connect, TLS where asked, and the opening handshake.

use std::{fs, io, path::Path, sync::Arc};

use http::{HeaderName, HeaderValue, Response, header};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use vestibule_core::{authn::Secret, limits};
use zeroize::Zeroizing;

use super::{
    ConnectError,
    args::{CarrierChoice, Plan, Security, Target},
};

/// Longest body of a refusal that is read, in bytes.
const BODY_BYTES: usize = 16 * 1024;

/// Bytes in both directions, with or without TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects, and speaks TLS where the URL asks for it.
pub(super) async fn open(
    target: &Target,
    ca: Option<&Path>,
) -> Result<Box<dyn Duplex>, ConnectError> {
    // A literal IPv6 address stands in brackets in a URL only.
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let unreachable =
        |source| ConnectError::Unreachable { host: target.host.clone(), port: target.port, source };
    let socket = TcpStream::connect((host, target.port)).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    match target.security {
        Security::Plain => Ok(Box::new(socket)),
        Security::Tls => {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| ConnectError::Usage("the URL's host has no valid name".to_owned()))?;
            let connector = TlsConnector::from(Arc::new(tls(ca)?));
            let stream = connector.connect(name, socket).await.map_err(ConnectError::Tls)?;
            Ok(Box::new(stream))
        }
    }
}

fn tls(ca: Option<&Path>) -> Result<ClientConfig, ConnectError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let unusable = |source| ConnectError::Ca { path: path.to_owned(), source };
        let text = fs::read(path).map_err(unusable)?;
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| unusable(io::Error::other(error)))?;
            roots.add(certificate).map_err(|error| unusable(io::Error::other(error)))?;
        }
        if roots.is_empty() {
            return Err(unusable(io::Error::other("it holds no certificate")));
        }
    } else {
        // Some systems list a certificate or two that cannot be parsed: the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The opening handshake, with the token where its carrier is part of it.
pub(super) fn request(
    plan: &Plan,
    token: Option<&Secret>,
) -> Result<http::Request<()>, ConnectError> {
    let mut request = plan
        .target
        .uri
        .clone()
        .into_client_request()
        .map_err(|_| ConnectError::Usage("the URL cannot be asked for".to_owned()))?;
    let fields = request.headers_mut();
    if let Some(origin) = &plan.origin {
        fields.insert(header::ORIGIN, origin.clone());
    }
    let mut offered: Vec<&str> = plan.subprotocols.iter().map(String::as_str).collect();
    let text = Zeroizing::new(match token {
        Some(token) => String::from_utf8_lossy(token.expose()).into_owned(),
        None => String::new(),
    });
    let mut entry = Zeroizing::new(String::new());
    match plan.carrier {
        CarrierChoice::Header if token.is_some() => {
            fields.insert(header::AUTHORIZATION, sensitive("Bearer ", &text)?);
        }
        CarrierChoice::Cookie if token.is_some() => {
            let name = plan.cookie_name.as_deref().unwrap_or_default();
            if text.contains([';', ',', '"', '\\']) {
                return Err(ConnectError::Token("it cannot stand in a cookie"));
            }
            fields.append(header::COOKIE, sensitive(&format!("{name}="), &text)?);
        }
        CarrierChoice::Subprotocol if token.is_some() => {
            // A server has to choose one of the offers, and must not choose the token: without a
            // real subprotocol, `bearer` is the marker that can be chosen.
            if offered.is_empty() {
                offered.push("bearer");
                offered.push(&text);
            } else {
                *entry = format!("vestibule.bearer.{}", *text);
                offered.push(&entry);
            }
        }
        CarrierChoice::Header
        | CarrierChoice::Cookie
        | CarrierChoice::Subprotocol
        | CarrierChoice::Message => {}
    }
    if !offered.is_empty() {
        let offer = Zeroizing::new(offered.join(", "));
        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, sensitive("", &offer)?);
    }
    for (name, value) in &plan.headers {
        place(fields, name, value);
    }
    Ok(request)
}

/// `Host` has one value; everything else may be said more than once.
fn place(fields: &mut http::HeaderMap, name: &HeaderName, value: &HeaderValue) {
    if *name == header::HOST {
        fields.insert(name.clone(), value.clone());
    } else {
        fields.append(name.clone(), value.clone());
    }
}

fn sensitive(before: &str, secret: &str) -> Result<HeaderValue, ConnectError> {
    let text = Zeroizing::new(format!("{before}{secret}"));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| ConnectError::Usage("a value cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body of a refusal: what came with the head, and as much more as was announced.
pub(super) async fn body(
    refusal: &mut Response<Option<Vec<u8>>>,
    stream: &mut Box<dyn Duplex>,
) -> Vec<u8> {
    let mut body = refusal.body_mut().take().unwrap_or_default();
    let length = refusal
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|digits| digits.parse::<usize>().ok())
        .unwrap_or(0)
        .min(BODY_BYTES);
    let missing = u64::try_from(length.saturating_sub(body.len())).unwrap_or(0);
    let mut rest = stream.take(missing);
    // What has come by then is shown: a body only explains.
    drop(timeout(limits::CLOSE_TIMEOUT, rest.read_to_end(&mut body)).await);
    body.truncate(BODY_BYTES);
    body
}
