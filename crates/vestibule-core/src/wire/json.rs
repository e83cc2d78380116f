//! JSON (RFC 8259) that is found and not made into anything: where a value ends, byte for byte, and
//! that it is one.

/// Reads from the front of a text that is UTF-8. Every method gives `None` where the grammar is
/// broken; what is left of the text then means nothing.
#[derive(Clone, Debug)]
pub(crate) struct Json<'a> {
    text: &'a [u8],
    at: usize,
}

/// Most arrays and objects inside of each other: as many as there are bits in [`Nesting`].
pub(crate) const DEPTH: u32 = u64::BITS;

impl<'a> Json<'a> {
    /// At the beginning.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Passes over white space.
    pub(crate) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Takes a byte.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Takes this byte.
    pub(crate) fn eat(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Takes the name of a member, as it was written between its quotes, and the colon.
    pub(crate) fn name(&mut self) -> Option<&'a [u8]> {
        let name = self.string()?;
        self.space();
        self.eat(b':')?;
        self.space();
        Some(name)
    }

    /// Takes a string: what was written between its quotes.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let from = self.at;
        loop {
            let rest = self.text.get(self.at..)?;
            self.at +=
                rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
            match self.next()? {
                b'"' => return self.text.get(from..self.at - 1),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.next().filter(u8::is_ascii_hexdigit)?;
                        }
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// Takes any value: its text, without the white space around it. Not one that is nested deeper
    /// than [`DEPTH`].
    pub(crate) fn value(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        let mut nesting = Nesting::default();
        loop {
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    nesting.enter(Kind::Object)?;
                    self.space();
                    if self.peek()? != b'}' {
                        self.name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    nesting.enter(Kind::Array)?;
                    self.space();
                    if self.peek()? != b']' {
                        continue;
                    }
                }
                b'"' => {
                    self.string()?;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            if self.ends(&mut nesting)? == Ended::All {
                return self.text.get(from..self.at);
            }
        }
    }

    /// Behind a value, or where an empty array or object ends: leaves all that end here, up to the
    /// next value.
    fn ends(&mut self, nesting: &mut Nesting) -> Option<Ended> {
        loop {
            let Some(kind) = nesting.innermost() else { return Some(Ended::All) };
            self.space();
            match (kind, self.next()?) {
                (Kind::Object, b'}') | (Kind::Array, b']') => nesting.leave(),
                (kind, b',') => {
                    self.space();
                    match kind {
                        Kind::Object => {
                            self.name()?;
                        }
                        Kind::Array => {}
                    }
                    return Some(Ended::One);
                }
                (Kind::Object | Kind::Array, _) => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        Some(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        let end = self.at + word.len();
        (self.text.get(self.at..end)? == word).then(|| self.at = end)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

/// How much has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Another value follows.
    One,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
}

/// What is open, the innermost as the lowest bit: 1 is an object.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    bits: u64,
    depth: u32,
}

impl Nesting {
    fn enter(&mut self, kind: Kind) -> Option<()> {
        if self.depth >= DEPTH {
            return None;
        }
        let bit = match kind {
            Kind::Object => 1,
            Kind::Array => 0,
        };
        *self = Self { bits: self.bits << 1 | bit, depth: self.depth + 1 };
        Some(())
    }

    fn leave(&mut self) {
        *self = Self { bits: self.bits >> 1, depth: self.depth.saturating_sub(1) };
    }

    fn innermost(self) -> Option<Kind> {
        (self.depth > 0).then_some(if self.bits & 1 == 1 { Kind::Object } else { Kind::Array })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found at the front, and what is left behind it.
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let mut json = Json::new(text.as_bytes());
        let found = json.value().map(|value| str::from_utf8(value).unwrap());
        let found = found.map(|value| (value, text.get(json.at..).unwrap()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        for value in [
            "0",
            "-0",
            "10",
            "-1.5e+10",
            "1E9",
            "0.0e-0",
            "true",
            "false",
            "null",
            r#""""#,
            r#""a\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            "\"\u{7f}é😀\"",
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1,2]",
            "[ [ ] , { } ]",
            r#"{"a":1}"#,
            "{ \"a\" : [ 1 ,\t{\"b\":\r\nnull} ] }",
            r#"{"a":1,"a":2}"#,
        ] {
            for behind in ["", ",", " ", "}", "]x"] {
                check(&format!("{value}{behind}"), Some((value, behind)));
            }
        }
    }

    #[test]
    fn what_is_no_value_is_not_found() {
        for text in [
            "",
            " 1",
            "-",
            "+1",
            ".5",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "-a",
            "tru",
            "True",
            "nul",
            "\"",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123",
            "\"a\nb\"",
            "\"\t\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1]",
            "{\"a\" 1}",
            "{1:1}",
            "NaN",
            "Infinity",
            "'a'",
            "/**/1",
        ] {
            check(text, None);
        }
        // The rest is whoever reads on's to judge.
        check("01", Some(("0", "1")));
        check("1.5.2", Some(("1.5", ".2")));
    }

    #[test]
    fn values_are_nested_so_deep_and_no_deeper() {
        let deepest = usize::try_from(DEPTH).unwrap();
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = |depth: usize| {
                let inner = if close == "}" { "0" } else { "" };
                format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
            };
            check(&nested(deepest), Some((&nested(deepest), "")));
            check(&nested(deepest + 1), None);
            check(&open.repeat(1_000_000), None);
        }
        let mixed = |depth: usize| format!("{}0{}", r#"[{"a":"#.repeat(depth), "}]".repeat(depth));
        check(&mixed(deepest / 2), Some((&mixed(deepest / 2), "")));
        check(&mixed(deepest / 2 + 1), None);
        let crossed = mixed(deepest / 2).replace("0}]", "0]}");
        check(&crossed, None);
    }
}
