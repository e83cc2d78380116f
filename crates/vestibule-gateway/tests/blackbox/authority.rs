//! An authority that signs clients' certificates, and clients that show them.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use vestibule_testkit::{Peer, Role};

/// Seconds from now on, or before.
pub(crate) type Seconds = i64;

const HOUR: Seconds = 3600;

/// Signs certificates and lists of those that it has withdrawn.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A client's certificate and key, both PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
    serial: u64,
}

/// What a certificate is to say.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<SanType>,
    pub(crate) common_name: Option<&'static str>,
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    /// From when to when, seen from now.
    pub(crate) dates: (Seconds, Seconds),
}

impl Wanted {
    /// For a client with these names, for an hour.
    pub(crate) fn named(names: Vec<SanType>) -> Self {
        Self {
            names,
            common_name: None,
            purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
            dates: (-HOUR, HOUR),
        }
    }
}

/// A URI among the alternative names.
pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// A DNS name among them.
pub(crate) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

impl Authority {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a device of this name.
    pub(crate) fn device(&self, name: &str) -> anyhow::Result<Identity> {
        self.issue(&Wanted::named(vec![uri(&format!("spiffe://example.org/device/{name}"))]))
    }

    pub(crate) fn issue(&self, wanted: &Wanted) -> anyhow::Result<Identity> {
        let Wanted { names, common_name, purposes, dates: (from, to) } = wanted;
        let mut params = CertificateParams::new([])?;
        params.subject_alt_names.clone_from(names);
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.extended_key_usages.clone_from(purposes);
        (params.not_before, params.not_after) = (
            date_time_ymd(1970, 1, 1) + since_1970(*from),
            date_time_ymd(1970, 1, 1) + since_1970(*to),
        );
        let key = KeyPair::generate()?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)?;
        let serial = u64::from_be_bytes(random) >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        let cert = params.signed_by(&key, &self.0)?;
        let der = cert.der().to_vec();
        Ok(Identity { cert: cert.pem(), key: key.serialize_pem(), der, serial })
    }

    /// A list of what is withdrawn, which counts for so long.
    pub(crate) fn withdrawn(
        &self,
        identities: &[&Identity],
        lasts: Seconds,
    ) -> anyhow::Result<String> {
        let revoked = |identity: &&Identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: date_time_ymd(1970, 1, 1) + since_1970(-HOUR),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_1970(-2 * HOUR),
            next_update: date_time_ymd(1970, 1, 1) + since_1970(lasts),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: identities.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.0)?.pem()?)
    }
}

fn since_1970(from_now: Seconds) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Duration::from_secs(now.saturating_add_signed(from_now))
}

/// A client of a gateway whose certificate is this, by TLS of these versions.
pub(crate) fn connect_by(
    address: SocketAddr,
    trusted: &str,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> anyhow::Result<(Peer, Option<[u8; 32]>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes())?)?;
    let config =
        ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes())?];
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
            config.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(vestibule_testkit::GUARD))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    let exporter =
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok();
    let stream = StreamOwned::new(connection, tcp.try_clone()?);
    Ok((Peer::over(stream, tcp, Role::Client)?, exporter))
}

/// The same by any version.
pub(crate) fn connect(
    address: SocketAddr,
    trusted: &str,
    identity: Option<&Identity>,
) -> anyhow::Result<Peer> {
    Ok(connect_by(address, trusted, identity, rustls::ALL_VERSIONS)?.0)
}
