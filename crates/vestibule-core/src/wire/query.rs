//! The query of a target, as forms write it (`application/x-www-form-urlencoded`).

use zeroize::Zeroizing;

/// A query whose pairs are sorted into those of one name, and the others as they were written.
#[derive(Debug)]
pub(crate) struct Query {
    /// The values of the name, decoded.
    pub(crate) values: Vec<Zeroizing<Vec<u8>>>,
    /// The other pairs; `None` where there are none.
    pub(crate) left: Option<String>,
}

impl Query {
    /// Takes the pairs of a name out, however the name is encoded and whatever its case: the
    /// upstream may be as lenient.
    pub(crate) fn without(query: Option<&str>, unwanted: &str) -> Self {
        let mut values = Vec::new();
        let mut left: Vec<&str> = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(name).eq_ignore_ascii_case(unwanted.as_bytes()) {
                values.push(decode(value));
            } else {
                left.push(pair);
            }
        }
        let left = Some(left.join("&")).filter(|left| !left.is_empty());
        Self { values, left }
    }
}

/// Decodes; what is not an encoding stands for itself, as everybody reads it.
fn decode(text: &str) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, next) = match (first, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, next @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                (_, _) => (b'%', after),
            },
            (byte, _) => (*byte, after),
        };
        out.push(byte);
        rest = next;
    }
    out
}

/// The value of a hexadecimal digit.
pub(crate) fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, values: &[&str], left: Option<&str>) {
        let found = Query::without(Some(query), "access_token");
        let shown: Vec<&[u8]> = found.values.iter().map(|value| value.as_slice()).collect();
        let expected: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        assert_eq!((shown, found.left.as_deref()), (expected, left), "{query}");
    }

    #[test]
    fn a_name_is_found_in_every_spelling_and_the_rest_stays_as_written() {
        check("a=1&access_token=t&b=%20", &["t"], Some("a=1&b=%20"));
        check("access_token=t", &["t"], None);
        check("access%5Ftoken=%74", &["t"], None);
        check("%61ccess_token=t&ACCESS_TOKEN=u", &["t", "u"], None);
        check("access_token", &[""], None);
        check("access_token=a+b%2", &["a b%2"], None);
        check(
            "my_access_token=t&x=access_token=y",
            &[],
            Some("my_access_token=t&x=access_token=y"),
        );
        check("", &[], None);
    }
}
