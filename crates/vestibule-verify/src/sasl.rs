//! Names in messages of SASL mechanisms (`saslname`, RFC 5801 section 4, RFC 5802 section 5.1).

use zeroize::Zeroizing;

/// A name as it is sent.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// A name that was sent. `None` for another escape than the two that there are.
pub(crate) fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let mut pieces = text.split('=');
    let mut name = Zeroizing::new(pieces.next().unwrap_or_default().to_owned());
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was_sent() {
        for name in ["", "alice", "a,b=c", "=2C", ",=3D,", "\u{e9}"] {
            assert_eq!(unescaped(&escaped(name)).unwrap().as_str(), name);
        }
        for text in ["=", "a=", "=2", "=2c", "=3d", "=41", "==2C"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }
}
