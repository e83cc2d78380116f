use std::{io::Write, time::Duration};

use rustls::RootCertStore;
use tempfile::NamedTempFile;

use super::provider::{Answer, Provider};
use crate::{
    address::{Address, DangerousHttp},
    fetch::{self, FetchPolicy, Fetcher},
    limits,
    origin::Origin,
    words,
};

fn policy() -> FetchPolicy {
    FetchPolicy { timeout: Duration::from_millis(300), ..FetchPolicy::default() }
}

async fn get(url: &str, fetcher: &Fetcher) -> Result<Vec<u8>, String> {
    let address = Address::parse(url, DangerousHttp::Refused).unwrap();
    let document = fetcher.get(&address).await.map_err(|error| words::of(&error))?;
    Ok(document.bytes.to_vec())
}

/// Asks for `/keys` of a provider that answers so.
async fn ask(answer: Answer) -> Result<Vec<u8>, String> {
    let provider = Provider::start();
    provider.at("/keys", answer);
    let fetcher = Fetcher::new(&policy(), RootCertStore::empty()).unwrap();
    get(&provider.url("/keys"), &fetcher).await
}

async fn refuses(answer: Answer, words: &str) {
    let error = ask(answer).await.unwrap_err();
    assert!(error.contains(words), "{error:?} should say {words:?}");
}

fn raw(bytes: &str) -> Answer {
    Answer::Raw(bytes.as_bytes().to_vec())
}

#[tokio::test]
async fn a_document_arrives_as_it_is() {
    assert_eq!(ask(Answer::json(&"{}")).await.unwrap(), b"{}");
    let chunked = raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    assert_eq!(ask(chunked).await.unwrap(), b"{}");
}

#[tokio::test]
async fn a_key_set_comes_with_its_freshness() {
    let provider = Provider::start();
    let fields = "cache-control: max-age=600\r\nage: 60\r\n";
    provider.at("/keys", Answer::with("200 OK", fields, r#"{"keys":[]}"#));
    let keys = Address::parse(&provider.url("/keys"), DangerousHttp::Refused).unwrap();
    let fetcher = Fetcher::new(&policy(), RootCertStore::empty()).unwrap();
    let loaded = Origin::Url { keys, fetcher }.load().await.unwrap();
    assert_eq!(loaded.max_age, Some(Duration::from_mins(9)));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    for status in ["301 a", "302 a", "303 a", "307 a", "308 a"] {
        let provider = Provider::start();
        let field = format!("location: {}\r\n", provider.url("/other"));
        provider.at("/keys", Answer::with(status, &field, ""));
        provider.at("/other", Answer::json(&"{}"));
        let fetcher = Fetcher::new(&policy(), RootCertStore::empty()).unwrap();
        let error = get(&provider.url("/keys"), &fetcher).await.unwrap_err();
        assert!(error.contains("not followed") && error.contains("/other"), "{error}");
        assert_eq!(provider.hits("/other"), 0);
    }
}

#[tokio::test]
async fn only_a_200_is_an_answer() {
    for status in ["201 a", "203 a", "204 a", "206 a", "400 a", "401 a", "404 a", "500 a", "503 a"]
    {
        refuses(Answer::status(status), "answered with status").await;
    }
    refuses(Answer::status("304 a"), "redirects (304) to nowhere").await;
}

#[tokio::test]
async fn an_answer_has_a_longest_length_whether_it_is_told_ahead_or_not() {
    let most = vec![b' '; limits::DOCUMENT_BYTES];
    assert_eq!(ask(Answer::with("200 OK", "", &most)).await.unwrap(), most);
    let more = [&most[..], b" "].concat();
    refuses(Answer::with("200 OK", "", &more), "longer than").await;
    let until_close = [b"HTTP/1.1 200 OK\r\n\r\n", &more[..]].concat();
    refuses(Answer::Raw(until_close), "longer than").await;
    // A length beyond all bounds is not waited for.
    refuses(raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"), "longer than").await;
}

#[tokio::test]
async fn neither_silence_nor_a_trickle_holds_us() {
    refuses(Answer::Hang, "did not answer in 300ms").await;
    refuses(Answer::Trickle, "did not answer in 300ms").await;
}

#[tokio::test]
async fn half_an_answer_is_none() {
    refuses(raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"), "broke off").await;
    refuses(raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"), "broke off")
        .await;
    refuses(raw("{}"), "broke off").await;
    refuses(raw(""), "broke off").await;
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(4 * limits::HEAD_BYTES));
    refuses(raw(&long), "broke off").await;
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(limits::HEAD_FIELDS + 1));
    refuses(raw(&many), "broke off").await;
}

#[tokio::test]
async fn what_is_compressed_was_not_asked_for() {
    refuses(Answer::with("200 OK", "content-encoding: gzip\r\n", "x"), "compressed").await;
    let identity = Answer::with("200 OK", "content-encoding: identity\r\n", "{}");
    assert!(ask(identity).await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_told_with_the_cause() {
    let provider = Provider::start();
    let url = provider.url("/keys");
    drop(provider);
    let fetcher = Fetcher::new(&policy(), RootCertStore::empty()).unwrap();
    let error = get(&url, &fetcher).await.unwrap_err();
    assert!(error.contains("cannot connect") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_certificate_counts_only_with_the_configured_roots_and_for_its_host() {
    let (provider, ca) = Provider::start_tls();
    let (_stranger, other_ca) = Provider::start_tls();
    provider.at("/keys", Answer::json(&"{}"));
    let fetcher = |pem: &str| {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        Fetcher::new(&policy(), fetch::roots_of(file.path()).unwrap()).unwrap()
    };
    let url = provider.url("/keys");
    assert_eq!(get(&url, &fetcher(&ca)).await.unwrap(), b"{}");
    let unknown = get(&url, &fetcher(&other_ca)).await.unwrap_err();
    assert!(unknown.contains("certificate"), "{unknown}");
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let error = get(&elsewhere, &fetcher(&ca)).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(provider.hits("/keys"), 1);
}

#[test]
fn a_ca_file_must_hold_certificates() {
    let refuses = |text: &str| {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let error = fetch::roots_of(file.path()).unwrap_err();
        assert!(words::of(&error).contains(&file.path().display().to_string()), "{text}");
    };
    refuses("");
    refuses("hello");
    refuses("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refuses("-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert!(fetch::roots_of("/nowhere/ca.pem".as_ref()).is_err());
}
