//! Takes values out of one table. What does not fit is reported, and counts as not written: whoever
//! reads goes on, so that all faults are found at once.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    fault::{Fault, Place, Report},
    keys::{Absent, Kind, Section},
    raw::{Node, Table, Value},
    suggest,
};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Written<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Why a value does not fit, and what to do.
#[derive(Debug)]
pub(super) struct Complaint {
    message: String,
    help: Option<String>,
    line: Line,
}

/// Whether the report may show what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Shown,
    Hidden,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, line: Line::Shown }
    }

    /// About a value that holds a secret where none belongs.
    pub(super) fn secretive(message: impl Into<String>) -> Self {
        Self { line: Line::Hidden, ..Self::new(message) }
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The fault at its place.
    pub(super) fn at(self, place: &Place, report: &mut Report) -> Fault {
        let Self { message, help, line } = self;
        let place = match line {
            Line::Shown => place.clone(),
            Line::Hidden => report.hide(place),
        };
        Fault { help, ..Fault::new(message, place) }
    }
}

impl<E: std::error::Error> From<E> for Complaint {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Reads one table of a section.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    section: Section,
    table: &'a Table,
    /// The table itself, or its header.
    pub(super) place: &'a Place,
    pub(super) report: &'a mut Report,
}

impl<'a> Reader<'a> {
    /// Reports keys that the section does not have; `None` where the node is no table.
    pub(super) fn new(section: Section, node: &'a Node, report: &'a mut Report) -> Option<Self> {
        let Node { value, place } = node;
        let Value::Table(table) = value else {
            let message = format!("`{}` is a table, and this is {}", section.name(), value.name());
            report.push(Fault::new(message, place.clone()));
            return None;
        };
        for entry in &table.entries {
            if !section.keys().any(|key| key.name == entry.key) {
                if suggest::is_secretive(&entry.key) {
                    report.hide(&entry.node.place);
                }
                report.push(suggest::unknown_key(&entry.key, section, entry.place.clone()));
            }
        }
        Some(Self { section, table, place, report })
    }

    fn kind(&self, key: &str) -> Kind {
        self.section.keys().find(|known| known.name == key).map_or(Kind::Text, |key| key.kind)
    }

    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.section.keys().any(|known| known.name == key), "{key} is in the table");
        self.table.get(key)
    }

    /// Where the key's value stands; the table, where it stands nowhere.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or_else(|| self.place.clone(), |node| node.place.clone())
    }

    /// Reports that a value does not fit the key's type.
    pub(super) fn wrong_type(&mut self, key: &str, node: &Node) {
        let wanted = match self.kind(key) {
            Kind::Text | Kind::File => "a string",
            Kind::Duration => "a duration, such as \"30s\"",
            Kind::Integer => "an integer",
            Kind::Flag => "true or false",
            Kind::List => "an array of strings",
            Kind::TextOrList | Kind::FileOrList => "a string or an array of strings",
            Kind::Table(_) => "a table",
            Kind::Codes => "a table of integers",
        };
        let message = format!("`{key}` is {wanted}, and this is {}", node.value.name());
        self.report.push(Fault::new(message, node.place.clone()));
    }

    /// Reports that a key must be there.
    pub(super) fn missing(&mut self, key: &str) {
        let header = self.section.header();
        let example =
            self.section.keys().find(|known| known.name == key).map_or("…", |key| key.example);
        let fault = Fault::new(format!("`{key}` is missing in {header}"), self.place.clone());
        self.report.push(fault.help(format!("write, for instance, `{key} = {example}`")));
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str) -> Option<Written<&'a str>> {
        let node = self.node(key)?;
        if let Value::Text(text) = &node.value {
            return Some(Written { value: text, place: node.place.clone() });
        }
        self.wrong_type(key, node);
        None
    }

    /// A string that means something.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<Written<T>> {
        let Written { value, place } = self.text(key)?;
        match parse(value) {
            Ok(value) => Some(Written { value, place }),
            Err(complaint) => {
                let fault = complaint.at(&place, self.report);
                self.report.push(fault);
                None
            }
        }
    }

    /// One of some names.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, names: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| choose(key, text, names)).map(|written| written.value)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        if let Value::Flag(flag) = node.value {
            return Some(flag);
        }
        self.wrong_type(key, node);
        None
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, key: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let node = self.node(key)?;
        if !matches!(node.value, Value::Integer(..)) {
            self.wrong_type(key, node);
            return None;
        }
        let number = integer(&node.value).filter(|number| bounds.contains(number));
        if number.is_none() {
            let (least, most) = bounds.into_inner();
            let message = format!("`{key}` is a number from {least} to {most}");
            self.report.push(Fault::new(message, node.place.clone()));
        }
        number
    }

    /// A span of time within bounds.
    pub(super) fn duration(
        &mut self,
        key: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Written<Duration>> {
        self.parsed(key, |text| {
            let span = humantime::parse_duration(text).map_err(|_| {
                Complaint::new(format!("{text:?} is no duration"))
                    .help("write a number with its unit: `500ms`, `30s`, `5m`, `12h`, `7d`")
            })?;
            if bounds.contains(&span) {
                return Ok(span);
            }
            let words = |span: &Duration| humantime::format_duration(*span).to_string();
            let (least, most) = (words(bounds.start()), words(bounds.end()));
            Err(Complaint::new(format!("`{key}` is at least {least} and at most {most}")))
        })
    }

    /// An array of strings, or one string where the key takes that; each means something, none is
    /// there twice.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        mut parse: impl FnMut(&str) -> Result<T, Complaint>,
    ) -> Option<Vec<Written<T>>> {
        let node = self.node(key)?;
        let items = match (&node.value, self.kind(key)) {
            (Value::List(items), _) => items.as_slice(),
            (Value::Text(_), Kind::TextOrList | Kind::FileOrList) => std::slice::from_ref(node),
            _ => {
                self.wrong_type(key, node);
                return None;
            }
        };
        let mut list = Vec::new();
        let mut seen: Vec<(&str, &Place)> = Vec::new();
        for item in items {
            let Value::Text(text) = &item.value else {
                self.wrong_type(key, item);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| other == text) {
                let fault = Fault::new(format!("{text:?} is there twice"), item.place.clone());
                self.report.push(fault.related((*first).clone(), "the first time"));
                continue;
            }
            seen.push((text, &item.place));
            match parse(text) {
                Ok(value) => list.push(Written { value, place: item.place.clone() }),
                Err(complaint) => {
                    let fault = complaint.at(&item.place, self.report);
                    self.report.push(fault);
                }
            }
        }
        Some(list)
    }

    /// The same, and at least one.
    pub(super) fn some<T>(
        &mut self,
        key: &str,
        parse: impl FnMut(&str) -> Result<T, Complaint>,
    ) -> Option<Vec<Written<T>>> {
        let faults = self.report.faults().len();
        let list = self.list(key, parse)?;
        if list.is_empty() && self.report.faults().len() == faults {
            let known = self.section.keys().find(|known| known.name == key);
            let fault = Fault::new(format!("`{key}` is empty"), self.place_of(key));
            self.report.push(match known.map(|known| known.absent) {
                Some(Absent::Required) | None => fault,
                Some(Absent::Value(_) | Absent::Words(_)) => {
                    fault.help("leave the key out for its default")
                }
            });
        }
        (!list.is_empty()).then_some(list)
    }
}

/// The whole number of a value, where it fits.
pub(super) fn integer(value: &Value) -> Option<u32> {
    match value {
        Value::Integer(digits, radix @ 2..=36) => {
            u32::from_str_radix(digits.trim_start_matches('+'), *radix).ok()
        }
        Value::Integer(..)
        | Value::Text(_)
        | Value::Flag(_)
        | Value::Other(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}

/// One of some names.
pub(super) fn choose<T: Copy>(key: &str, text: &str, names: &[(&str, T)]) -> Result<T, Complaint> {
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let known = names.iter().map(|(name, _)| *name);
    let help = match suggest::nearest(text, known.clone()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("there is {}", suggest::join(known)),
    };
    Err(Complaint::new(format!("`{key}` cannot be {text:?}")).help(help))
}

/// Without the places.
pub(super) fn values<T, C: FromIterator<T>>(list: Vec<Written<T>>) -> C {
    list.into_iter().map(|written| written.value).collect()
}

/// A claim, a name: not empty, not long, nothing that cannot be seen.
pub(super) fn word(what: &'static str) -> impl Fn(&str) -> Result<Box<str>, Complaint> + Copy {
    move |text| {
        if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
            let message = format!("{what} has 1 to 256 characters, all of which can be seen");
            return Err(Complaint::new(message));
        }
        Ok(text.into())
    }
}

/// A token of HTTP (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
