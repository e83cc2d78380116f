//! Everything that the admin API says no with, in one shape.

use http::StatusCode;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: String,
    /// After how many seconds it can be tried again.
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), retry_after: None }
    }

    /// The request makes no sense.
    pub(super) fn invalid(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// No token, or not the right one.
    pub(super) fn unauthorized(error: &'static str, description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error, description)
    }

    /// A page that was rebound to this address, or a proxy that is set up wrongly.
    pub(super) fn misdirected() -> Self {
        let description = "the Host must be an address of this machine, or localhost";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", description)
    }

    /// Wrong tokens come too fast.
    pub(super) fn slow_down(seconds: u64) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "too many requests with a wrong token",
        );
        Self { retry_after: Some(seconds), ..problem }
    }

    /// There is no such thing.
    pub(super) fn not_found(description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", description)
    }

    /// Not in this way.
    pub(super) fn method_not_allowed() -> Self {
        let description = "this path does not take the method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", description)
    }

    /// It is a WebSocket.
    pub(super) fn upgrade_required() -> Self {
        let description = "this is a WebSocket of version 13";
        Self::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", description)
    }

    /// Another page than our own.
    pub(super) fn foreign_page() -> Self {
        let description = "only the page of this listener may open it";
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", description)
    }

    /// The body is longer than the bound.
    pub(super) fn too_large() -> Self {
        let description = "the body is too long";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", description)
    }

    /// The body did not come in time.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request", "the body did not come in time")
    }

    /// It is there already, or has changed meanwhile.
    pub(super) fn conflict(description: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", description)
    }

    /// The gateway was not set up for it.
    pub(super) fn unavailable(description: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description)
    }
}
