//! Signed content (RFC 7515).
