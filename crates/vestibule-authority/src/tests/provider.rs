//! A provider in a thread of its own: it answers what the test says, and counts.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{oneshot, watch},
};
use tokio_rustls::TlsAcceptor;

/// What is said at a path.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// A head that promises much, then a byte now and then.
    Trickle,
    /// The answer inside, once the gate is open.
    Gated(watch::Receiver<bool>, Box<Self>),
}

impl Answer {
    pub(crate) fn json(text: &impl ToString) -> Self {
        Self::with("200 OK", "content-type: application/json\r\n", text.to_string())
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::with(status, "", "")
    }

    pub(crate) fn with(status: &str, fields: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Self::Raw([head.as_bytes(), body].concat())
    }
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    seen: Mutex<Vec<String>>,
}

pub(crate) struct Provider {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    hits: watch::Receiver<usize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Provider {
    /// Answers 404 everywhere.
    pub(crate) fn start() -> Self {
        Self::run("http", None)
    }

    /// The same with TLS for `localhost`, and the certificate (PEM) of whoever vouches for it.
    pub(crate) fn start_tls() -> (Self, String) {
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        (Self::run("https", Some(TlsAcceptor::from(Arc::new(config)))), ca.pem())
    }

    fn run(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (count, hits) = watch::channel(0);
        let (stop, stopped) = oneshot::channel();
        let state = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = listen(listener, tls, state, count) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, scheme, shared, hits, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}{path}", self.scheme, self.address.port())
    }

    pub(crate) fn at(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| *seen == path).count()
    }

    /// Waits until the path was asked for so often.
    pub(crate) async fn wait_for(&self, path: &str, hits: usize) {
        let mut changes = self.hits.clone();
        while self.hits(path) < hits {
            changes.changed().await.unwrap();
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn listen(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    count: watch::Sender<usize>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (tls, shared, count) = (tls.clone(), Arc::clone(&shared), count.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(tcp, &shared, &count).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, &shared, &count).await;
                    }
                }
            }
        });
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    count: &watch::Sender<usize>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    shared.seen.lock().unwrap().push(path);
    count.send_modify(|count| *count += 1);
    say(&mut stream, answer.unwrap_or_else(|| Answer::status("404 Not Found"))).await;
}

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), mut answer: Answer) {
    while let Answer::Gated(mut gate, inside) = answer {
        if gate.wait_for(|open| *open).await.is_err() {
            return;
        }
        answer = *inside;
    }
    // The client may be gone by now, which is what some tests want.
    match answer {
        Answer::Raw(bytes) => {
            if stream.write_all(&bytes).await.is_ok() && stream.shutdown().await.is_ok() {
                drain(stream).await;
            }
        }
        Answer::Hang => drain(stream).await,
        Answer::Trickle => {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
            while stream.write_all(bytes).await.is_ok() {
                bytes = b" ";
                tick.tick().await;
            }
        }
        Answer::Gated(_, _) => {}
    }
}

/// Reads until the client is gone, so that nothing it has not read yet is lost to a reset.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; 64];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}
