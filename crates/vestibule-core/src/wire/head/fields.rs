//! The fields of a head.

use core::{fmt, str};

use zeroize::Zeroizing;

use crate::{rejection::Rejection, wire::token};

/// The fields of a head as they came, in one buffer that is wiped: it may hold credentials.
pub(crate) struct Fields {
    text: Zeroizing<Vec<u8>>,
    spans: Vec<Span>,
}

/// Where in the buffer a name begins, where its value begins, and where that ends.
struct Span {
    name: usize,
    value: usize,
    end: usize,
}

impl Fields {
    pub(super) fn of(headers: &[httparse::Header<'_>]) -> Self {
        let length = headers.iter().map(|field| field.name.len() + field.value.len()).sum();
        // Never grown: a buffer that moves leaves a copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        let mut spans = Vec::with_capacity(headers.len());
        for field in headers {
            let name = text.len();
            text.extend_from_slice(field.name.as_bytes());
            let value = text.len();
            text.extend_from_slice(field.value);
            spans.push(Span { name, value, end: text.len() });
        }
        Self { text, spans }
    }

    /// Every field: name as written, value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pairs().map(|(name, value)| (str::from_utf8(name).unwrap_or_default(), value))
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| {
            let name = self.text.get(span.name..span.value).unwrap_or_default();
            (name, self.text.get(span.value..span.end).unwrap_or_default())
        })
    }

    /// The values of a name, whatever its case.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.pairs()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value of a name that may stand once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&[u8]>, Rejection> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Rejection::MalformedHandshake),
        }
    }

    /// The elements of a list, over all fields of that name.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(token::elements)
    }

    /// Whether a list has this element, whatever its case.
    pub(crate) fn lists(&self, name: &str, wanted: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(wanted.as_bytes()))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
