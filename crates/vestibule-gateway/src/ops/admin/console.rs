//! The console: a page for operators. Its files are part of the program, hold nothing of the gateway's,
//! and load nothing from elsewhere; what they show they ask the API for, with the token.

use http::{HeaderValue, Method, StatusCode, header};

use super::{Answer, reply};

/// A file.
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const FILES: &[File] = &[
    File {
        path: "/console/",
        kind: "text/html; charset=utf-8",
        content: include_str!("../console/assets/index.html"),
    },
    File {
        path: "/console/console.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../console/assets/console.js"),
    },
    File {
        path: "/console/console.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../console/assets/console.css"),
    },
    File {
        path: "/console/icon.svg",
        kind: "image/svg+xml",
        content: include_str!("../console/assets/icon.svg"),
    },
];

/// Nothing but the own files and the own API; no script but ours, wherever text would become one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The answer for a path of the console; `None` for one that is not.
pub(super) fn answer(method: &Method, path: &str) -> Option<Answer> {
    let mut answer = if path == "/console" || path == "/" {
        let mut answer = reply(StatusCode::PERMANENT_REDIRECT, "text/plain", String::new());
        answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/console/"));
        answer
    } else if let Some(file) = FILES.iter().find(|file| file.path == path) {
        let File { path: _, kind, content } = file;
        // The length is that of the file for HEAD, too; hyper leaves the body out.
        reply(StatusCode::OK, kind, (*content).to_owned())
    } else {
        return None;
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let words = "only GET and HEAD\n".to_owned();
        return Some(reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", words));
    }
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_page_names_is_there_and_nothing_is_inline() {
        let page = FILES[0].content;
        for inline in
            ["<style", " style=", " onclick=", " onload=", "javascript:", "http://", "https://"]
        {
            assert!(!page.contains(inline), "{inline}");
        }
        assert!(page.split("<script").skip(1).all(|tag| tag.contains("></script>")));
        for part in page.split("src=\"").chain(page.split("href=\"")).skip(1) {
            let path = part.split('"').next().unwrap_or_default();
            if path.starts_with('/') {
                let answer = answer(&Method::GET, path).unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{path}");
            }
        }
    }

    #[test]
    fn every_file_forbids_what_is_not_its_own() {
        for file in FILES {
            let answer = answer(&Method::GET, file.path).unwrap();
            let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        }
        assert!(answer(&Method::GET, "/console/../admin.token").is_none());
        assert_eq!(answer(&Method::POST, "/console/").unwrap().status(), 405);
    }
}
