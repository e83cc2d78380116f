//! The files that a configuration names: where they are, and, in a second step, whether they can be
//! used.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use vestibule_verify::{
    jwk::{KeySet, Symmetric},
    jwt::Algorithm,
    mint::Signer,
};
use zeroize::Zeroizing;

use super::{
    fault::{Fault, Place, Report},
    read::{Complaint, Reader, Written},
};

/// Longest file that a configuration may name, in bytes.
pub const NAMED_FILE_BYTES: u64 = 1024 * 1024;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The certificate chain of the public side.
    Certificates,
    /// Its private key.
    PrivateKey,
    /// The private key that signs assertions.
    SigningKey,
    /// A JWK set.
    Jwks,
    /// A secret for HMAC, of so many bytes at least.
    Secret(usize),
    /// The secret by which an issuer knows us.
    ClientSecret,
    /// A bearer token for the same.
    ClientToken,
    /// Certificates to trust.
    TrustRoots,
    /// Certificates of the authorities that clients' certificates are by.
    ClientRoots,
    /// Lists of what those have withdrawn.
    Revocations,
}

impl Purpose {
    /// Whether it is for nobody else to read.
    fn is_secret(self) -> bool {
        match self {
            Self::PrivateKey
            | Self::SigningKey
            | Self::Secret(_)
            | Self::ClientSecret
            | Self::ClientToken => true,
            Self::Certificates
            | Self::Jwks
            | Self::TrustRoots
            | Self::ClientRoots
            | Self::Revocations => false,
        }
    }
}

/// A file that was named, and where.
#[derive(Clone, Debug)]
struct Named {
    path: PathBuf,
    purpose: Purpose,
    place: Place,
}

/// All files that were named.
#[derive(Clone, Debug)]
pub(super) struct Files {
    base: PathBuf,
    named: Vec<Named>,
}

impl Files {
    /// For a configuration file of this name: other names begin at its directory.
    pub(super) fn beside(name: &Path) -> Self {
        let base = name.parent().map(Path::to_path_buf).unwrap_or_default();
        Self { base, named: Vec::new() }
    }

    /// Takes the name of a file from a key. Nothing is opened.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        purpose: Purpose,
    ) -> Option<PathBuf> {
        let written = reader.parsed(key, |text| self.name(key, text))?;
        Some(self.named(written, purpose))
    }

    /// The same for a key with one name or several.
    pub(super) fn read_some(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        purpose: Purpose,
    ) -> Option<Vec<PathBuf>> {
        let written = reader.some(key, |text| self.name(key, text))?;
        Some(written.into_iter().map(|written| self.named(written, purpose)).collect())
    }

    fn named(&mut self, written: Written<PathBuf>, purpose: Purpose) -> PathBuf {
        let Written { value: path, place } = written;
        self.named.push(Named { path: path.clone(), purpose, place });
        path
    }

    fn name(&self, key: &str, text: &str) -> Result<PathBuf, Complaint> {
        if text.is_empty() || text.contains('\0') {
            return Err(Complaint::new(format!("`{key}` is not the name of a file")));
        }
        if text.contains("-----BEGIN") || text.contains('\n') {
            let complaint = Complaint::secretive(format!("`{key}` holds what belongs in a file"));
            return Err(complaint.help("write it to a file, and the file's name here"));
        }
        Ok(self.base.join(text))
    }

    /// Takes the name of a file that is made where it is not there.
    pub(super) fn make(&self, reader: &mut Reader<'_>, key: &str) -> Option<PathBuf> {
        let written = reader.parsed(key, |text| {
            if text.is_empty() || text.contains(['\0', '\n']) {
                return Err(Complaint::new(format!("`{key}` is not the name of a file")));
            }
            Ok(self.beside_it(text))
        })?;
        Some(written.value)
    }

    /// The file of that name beside the configuration.
    pub(super) fn beside_it(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// Opens every file, and reports those that cannot be used.
    pub(super) fn check(&self, report: &mut Report) {
        let mut chain: Option<(Vec<CertificateDer<'static>>, &Place)> = None;
        let mut authorities: Option<Arc<RootCertStore>> = None;
        for Named { path, purpose, place } in &self.named {
            let bytes = match contents(path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let message = format!("cannot read {}", path.display());
                    report.push(Fault::new(message, place.clone()).label(error.to_string()));
                    continue;
                }
            };
            let outcome = match purpose {
                Purpose::Certificates => certificates(&bytes).map(|certificates| {
                    chain = Some((certificates, place));
                }),
                Purpose::PrivateKey => private_key(&bytes, chain.take().map(|chain| chain.0)),
                Purpose::SigningKey => signs(&bytes),
                Purpose::Jwks => jwks(&bytes),
                Purpose::Secret(least) => secret(&bytes, *least),
                Purpose::ClientSecret => login(&bytes, |_| true),
                Purpose::ClientToken => login(&bytes, |byte| byte.is_ascii_graphic()),
                Purpose::TrustRoots => trust_roots(&bytes).map(drop),
                Purpose::ClientRoots => trust_roots(&bytes).map(|roots| {
                    authorities = Some(roots.into());
                }),
                Purpose::Revocations => revocations(&bytes, authorities.clone()),
            };
            if let Err(complaint) = outcome {
                let fault = complaint.at(place, report);
                report.push(fault.label(path.display().to_string()));
            }
            if purpose.is_secret() && is_open(path) {
                let message = format!("everybody on this machine can read {}", path.display());
                let fault = Fault::warning(message, place.clone());
                report.push(fault.help(format!("chmod o-rwx {}", path.display())));
            }
        }
    }
}

fn contents(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let too_long = || io::Error::other(format!("longer than {NAMED_FILE_BYTES} bytes"));
    if length > NAMED_FILE_BYTES {
        return Err(too_long());
    }
    // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
    let room = usize::try_from(length).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(NAMED_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > NAMED_FILE_BYTES) {
        return Err(too_long());
    }
    Ok(bytes)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Complaint> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Complaint::new(format!("the file is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(Complaint::new("the file has no certificate")
            .help("it begins with `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(chain)
}

fn private_key(pem: &[u8], chain: Option<Vec<CertificateDer<'static>>>) -> Result<(), Complaint> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Complaint::new("the file has no private key")
            .help("it begins with `-----BEGIN PRIVATE KEY-----`, and is not encrypted")
    })?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match chain {
        Some(chain) => CertifiedKey::from_der(chain, key, &provider).map(drop).map_err(|error| {
            Complaint::new(format!("the certificate and the key cannot be used: {error}"))
        }),
        None => provider.key_provider.load_private_key(key).map(drop).map_err(Complaint::from),
    }
}

/// The key of a PKCS#8 document, for the algorithm that it can do; `None` where it can do neither.
pub fn signing_key(pem: &[u8]) -> Option<Signer> {
    let text = std::str::from_utf8(pem).ok()?;
    let algorithms = [Algorithm::EdDsa, Algorithm::Es256];
    algorithms.into_iter().find_map(|algorithm| Signer::from_pem(algorithm, text).ok())
}

fn signs(pem: &[u8]) -> Result<(), Complaint> {
    signing_key(pem).map(drop).ok_or_else(|| {
        Complaint::new("the file has no private key of Ed25519 or P-256")
            .help("make one: openssl genpkey -algorithm ED25519 -out assertion.pem")
    })
}

fn trust_roots(pem: &[u8]) -> Result<RootCertStore, Complaint> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots
            .add(certificate)
            .map_err(|error| Complaint::new(format!("a certificate cannot be used: {error}")))?;
    }
    Ok(roots)
}

/// Every list of a PEM file.
pub fn revocation_lists(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the file is not PEM: {error}"))?;
    if lists.is_empty() {
        return Err("the file has no list; one begins with `-----BEGIN X509 CRL-----`".to_owned());
    }
    Ok(lists)
}

fn revocations(pem: &[u8], authorities: Option<Arc<RootCertStore>>) -> Result<(), Complaint> {
    let lists = revocation_lists(pem).map_err(Complaint::new)?;
    // Whose they are was complained about already.
    let Some(authorities) = authorities else { return Ok(()) };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(authorities, provider)
        .with_crls(lists)
        .build()
        .map(drop)
        .map_err(|error| Complaint::new(format!("a list cannot be used: {error}")))
}

fn jwks(json: &[u8]) -> Result<(), Complaint> {
    let keys = KeySet::from_jwks(json, Symmetric::Refused)
        .map_err(|fault| Complaint::new(format!("the file is no usable JWK set: {fault}")))?;
    if keys.is_empty() {
        let reasons: Vec<_> =
            keys.ignored().iter().take(4).map(|ignored| ignored.reason.as_str()).collect();
        let complaint = Complaint::new("the JWK set has no key that can be used");
        return Err(if reasons.is_empty() {
            complaint
        } else {
            complaint.help(format!("left out: {}", reasons.join("; ")))
        });
    }
    Ok(())
}

/// The bytes of a secret file, less one newline at the end.
pub fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn secret(bytes: &[u8], least: usize) -> Result<(), Complaint> {
    let length = without_newline(bytes).len();
    if length < least {
        // RFC 7518 section 3.2: a key of the size of the hash output or larger must be used.
        return Err(Complaint::new(format!(
            "the secret has {length} bytes, and must have at least {least} (RFC 7518 section 3.2)"
        ))
        .help("openssl rand -base64 48 makes one of 64 bytes"));
    }
    Ok(())
}

/// What an issuer knows us by, which has to fit into a header field.
fn login(bytes: &[u8], is_fit: impl Fn(u8) -> bool) -> Result<(), Complaint> {
    let secret = without_newline(bytes);
    let most = vestibule_authority::limits::LOGIN_BYTES;
    if secret.is_empty() {
        return Err(Complaint::new("the file is empty"));
    }
    if secret.len() >= most {
        return Err(Complaint::new(format!("the file is longer than {most} bytes")));
    }
    if !secret.iter().copied().all(is_fit) {
        let complaint = Complaint::new("the file holds something that cannot be sent");
        return Err(complaint.help("it holds the token alone, on one line"));
    }
    Ok(())
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}
