use super::*;

struct Asked {
    status: u16,
    fields: http::HeaderMap,
    body: String,
}

fn sites() -> [Site; 2] {
    let issuer = Arc::new(Issuer::new("http://localhost:8000".to_owned()).unwrap());
    let places = Places::usual();
    let operator = Arc::new(Operator::default());
    [
        Site::own(places.clone(), Arc::clone(&issuer), Arc::clone(&operator), "/tmp/a".into()),
        Site::foreign(places, issuer, operator),
    ]
}

async fn ask(site: &Site, line: &str, fields: &[(&'static str, &str)]) -> Asked {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    let host = ("host", site.place().to_string());
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header(host.0, host.1);
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = site.answer(request.body(Full::<Bytes>::default()).unwrap()).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Asked { status: head.status.as_u16(), fields: head.headers, body }
}

#[tokio::test]
async fn every_answer_keeps_scripts_of_others_out() {
    for site in sites() {
        for line in ["GET /", "GET /page.css", "GET /settings.json", "GET /nothing"] {
            let policy = ask(&site, line, &[]).await.fields["content-security-policy"].clone();
            let policy = policy.to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors"));
        }
    }
}

#[tokio::test]
async fn every_file_that_a_page_names_is_served_and_none_is_inline() {
    for site in sites() {
        let page = ask(&site, "GET /", &[]).await.body;
        assert!(!page.contains("<style") && !page.contains(" style="), "inline style");
        for part in page.split("src=\"").chain(page.split("href=\"")).skip(1) {
            let Some(path) = part.split('"').next().filter(|path| path.starts_with('/')) else {
                continue;
            };
            assert_eq!(ask(&site, &format!("GET {path}"), &[]).await.status, 200, "{path}");
        }
        assert!(page.split("<script").skip(1).all(|tag| tag.contains("></script>")));
    }
}

#[tokio::test]
async fn tokens_are_the_issuers_and_cookies_the_pages() {
    let [own, foreign] = sites();
    let token = ask(&own, "GET /token?user=alice&ttl=30", &[]).await;
    assert_eq!((token.status, token.body.trim().split('.').count()), (200, 3));
    assert!(!token.fields.contains_key("access-control-allow-origin"));
    assert_eq!(ask(&own, "GET /token?user=mallory", &[]).await.status, 400);
    assert_eq!(ask(&foreign, "GET /token?user=alice", &[]).await.status, 404);

    let origin = ("origin", "http://localhost:8000");
    let session = ask(&own, "POST /session?user=alice", &[origin]).await;
    let set = session.fields["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("demo_token=eyJ") && set.contains("HttpOnly"), "no cookie");
    for fields in [&[][..], &[("origin", "http://localhost:8001")], &[("origin", "null")]] {
        assert_eq!(ask(&own, "POST /session?user=alice", fields).await.status, 403);
    }
    for (site, fields, wanted) in [
        (&own, &[origin][..], 502),
        (&own, &[], 404),
        (&own, &[("origin", "http://localhost:8001")], 404),
        (&own, &[origin, ("host", "evil.example:8000")], 421),
        (&foreign, &[origin], 404),
    ] {
        let asked = ask(site, "POST /revoke?connection=c-1", fields).await;
        assert_eq!(asked.status, wanted, "{fields:?}");
    }
    for (site, line, fields, wanted) in [
        (&own, "POST /keys?user=alice", &[origin][..], 502),
        (&own, "POST /keys?user=mallory", &[origin], 404),
        (&own, "POST /withdraw", &[origin], 200),
        (&own, "POST /withdraw", &[], 404),
        (&foreign, "POST /withdraw", &[origin], 404),
        (&own, "POST /introspect", &[origin], 401),
        (&own, "POST /introspect", &[("authorization", "Bearer x")], 401),
        (&own, "POST /introspect", &[("host", "evil.example:8000")], 421),
        (&foreign, "POST /introspect", &[], 404),
        (&own, "POST /keys?user=alice", &[], 404),
        (&own, "POST /keys?user=alice", &[("origin", "http://localhost:8001")], 404),
        (&own, "POST /keys?user=alice", &[origin, ("host", "evil.example:8000")], 421),
        (&foreign, "POST /keys?user=alice", &[origin], 404),
    ] {
        assert_eq!(ask(site, line, fields).await.status, wanted, "{line} {fields:?}");
    }
    let out = ask(&own, "DELETE /session", &[origin]).await;
    assert!(out.fields["set-cookie"].to_str().unwrap().starts_with("demo_token=; Max-Age=0"));
    let keys = ask(&own, "GET /.well-known/jwks.json", &[]).await.body;
    assert!(keys.contains("\"keys\"") && !keys.contains("\"d\""), "{keys}");
}

#[tokio::test]
async fn another_host_gets_no_token() {
    let [own, _] = sites();
    for host in ["evil.example:8000", "localhost:8001", "localhost", ""] {
        let asked = ask(&own, "GET /token?user=alice", &[("host", host)]).await;
        assert_eq!(asked.status, 421, "{host}");
    }
    let asked = ask(&own, "GET /", &[("host", "127.0.0.1:8000")]).await;
    assert_eq!(
        (asked.status, &asked.fields["location"]),
        (307, &"http://localhost:8000/".parse().unwrap())
    );
}

#[tokio::test]
async fn nobody_makes_it_read_more_than_a_public_key() {
    let [own, _] = sites();
    let request = Request::post("/keys?user=alice")
        .header("host", own.place().to_string())
        .header("origin", "http://localhost:8000")
        .body(Full::<Bytes>::from(vec![b' '; BODY_BYTES + 1]))
        .unwrap();
    assert_eq!(own.answer(request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
