//! What was written, and where: the file's tree, with what the environment puts in its place.

use std::{ffi::OsString, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fault::{Fault, Place, Report},
    keys::{Key, Kind, Section, Shape},
    suggest,
};

/// Longest configuration file, in bytes.
pub const FILE_BYTES: usize = 1024 * 1024;
/// Most faults of syntax that are reported.
const SYNTAX_FAULTS: usize = 16;
/// Most tables of one array.
pub(super) const TABLES: usize = 1024;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What was written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(String, u32),
    Flag(bool),
    /// A number with a fraction, or a date: no key takes one.
    Other(&'static str),
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// For people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(..) => "an integer",
            Self::Flag(_) => "a boolean",
            Self::Other(name) => name,
            Self::List(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// Entries in the order of the file; no key twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The node of the key, made by `make` at `place` where there is none.
    fn slot(&mut self, key: &str, place: &Place, make: Value) -> Option<&mut Node> {
        if self.get(key).is_none() {
            let node = Node { value: make, place: place.clone() };
            self.entries.push(Entry { key: key.to_owned(), place: place.clone(), node });
        }
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }
}

/// A configuration as it was written, not yet understood.
#[derive(Clone, Debug)]
pub struct RawConfig {
    pub(super) root: Table,
    pub(super) report: Report,
    pub(super) reading: Reading,
}

/// Whether the tree is what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is, but for single values.
    Whole,
    /// Nobody knows where its keys belong.
    Broken,
}

impl RawConfig {
    /// Reads the text of a file called `name`. Faults of syntax are kept for the report.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut report = Report::new(name, text);
        if text.len() > FILE_BYTES {
            let message = format!("the file is longer than {FILE_BYTES} bytes");
            report = Report::new(name, "");
            report.push(Fault::new(message, Place::Whole));
            return Self { root: Table::default(), report, reading: Reading::Broken };
        }
        let (tree, errors) = DeTable::parse_recoverable(text);
        let mut reading = Reading::Whole;
        for error in errors.iter().take(SYNTAX_FAULTS) {
            let span = error.span();
            // Below a broken header, keys end up in the wrong table: more would be said than is so.
            let before = span.as_ref().and_then(|span| text.get(..span.start));
            let line = before.and_then(|before| before.rsplit('\n').next());
            if line.is_none_or(|line| line.trim_start().starts_with('[') || line.is_empty()) {
                reading = Reading::Broken;
            }
            report.push_syntax(Fault::new(error.message(), span.map_or(Place::Whole, Place::File)));
        }
        Self { root: table(tree.get_ref()), report, reading }
    }

    /// Puts the values of `VESTIBULE_SECTION__KEY` variables in the place of the file's. Variables
    /// without a double underscore are somebody else's: Kubernetes writes
    /// `VESTIBULE_SERVICE_HOST` for a service of that name.
    #[must_use]
    pub fn with_environment(
        mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut variables: Vec<_> = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__"))
            .collect();
        variables.sort_by(|(a, _), (b, _)| natural(a).cmp(&natural(b)));
        for (name, value) in variables {
            if let Err(fault) = self.set(&name, value) {
                self.report.push(*fault);
            }
        }
        self
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), Box<Fault>> {
        // A name that is not known may hold anything, so its value is not shown.
        let bare = Place::Variable(format!("{name}=…").into(), 0..name.len());
        let path = address(name, &bare)?;
        let value = value
            .into_string()
            .map_err(|_| Fault::new("the value of the variable is not UTF-8", bare.clone()))?;
        let variable = Variable { text: format!("{name}={value}").into(), start: name.len() + 1 };
        let place = variable.place(0..value.len());
        let section = path.section;
        let slot = match section.shape() {
            Shape::Once => self.root.slot(section.name(), &bare, Value::Table(Table::default())),
            Shape::Many => self.root.slot(section.name(), &bare, Value::List(Vec::new())),
        };
        let node = match (slot, path.index) {
            (Some(node), None) => node,
            (Some(Node { value: Value::List(items), .. }), Some(index)) => {
                if index >= items.len() {
                    if index > items.len() || index >= TABLES {
                        return Err(Box::new(gap(section, items.len(), bare)));
                    }
                    let value = Value::Table(Table::default());
                    items.push(Node { value, place: bare.clone() });
                }
                match items.get_mut(index) {
                    Some(node) => node,
                    None => return Ok(()),
                }
            }
            // A section of the wrong type is reported by whoever reads it.
            (Some(_), Some(_)) | (None, _) => return Ok(()),
        };
        if let Value::Table(table) = &mut node.value {
            path.put(table, &bare, variable.node(path.kind(), &value, place));
        }
        Ok(())
    }
}

const PREFIX: &str = "VESTIBULE_";

/// Orders `…__2__…` before `…__10__…`.
fn natural(name: &str) -> Vec<(usize, &str)> {
    name.split("__").map(|part| (part.parse().unwrap_or(usize::MAX), part)).collect()
}

/// Which value a variable means.
#[derive(Debug)]
struct Address {
    section: Section,
    index: Option<usize>,
    key: &'static Key,
    /// A key within a table, or a close code.
    inner: Option<String>,
}

impl Address {
    fn kind(&self) -> Kind {
        match (self.key.kind, &self.inner) {
            (Kind::Table(section), Some(inner)) => {
                section.keys().find(|key| key.name == inner).map_or(Kind::Text, |key| key.kind)
            }
            (Kind::Codes, Some(_)) => Kind::Integer,
            (kind, _) => kind,
        }
    }

    fn put(&self, table: &mut Table, place: &Place, node: Node) {
        let Self { key, inner, .. } = self;
        let Some(inner) = inner else {
            if let Some(slot) = table.slot(key.name, place, Value::Other("")) {
                *slot = node;
            }
            return;
        };
        let made = Value::Table(Table::default());
        if let Some(Node { value: Value::Table(table), .. }) = table.slot(key.name, place, made)
            && let Some(slot) = table.slot(inner, place, Value::Other(""))
        {
            *slot = node;
        }
    }
}

/// Takes the name of a variable apart.
fn address(name: &str, place: &Place) -> Result<Address, Box<Fault>> {
    let fault = |message: String| Fault::new(message, place.clone());
    let rest = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
    let mut parts = rest.split("__");
    let first = parts.next().unwrap_or_default();
    let Some(section) = Section::TOP.iter().copied().find(|section| section.name() == first) else {
        return Err(Box::new(suggest::unknown_section(first, place.clone())));
    };
    let index = match section.shape() {
        Shape::Once => None,
        Shape::Many => {
            let digits = parts.next().unwrap_or_default();
            let Ok(index) = digits.parse::<usize>() else {
                let upper = section.name().to_ascii_uppercase();
                let message = format!("the variable does not say which of the {}", section.name());
                let help = format!("the first is `{PREFIX}{upper}__0__…`");
                return Err(Box::new(fault(message).help(help)));
            };
            Some(index)
        }
    };
    let written = parts.next().unwrap_or_default();
    let Some(key) = section.keys().find(|key| key.name == written) else {
        return Err(Box::new(suggest::unknown_key(written, section, place.clone())));
    };
    let inner = parts.next().map(str::to_owned);
    let fits = match (key.kind, &inner) {
        (Kind::Table(_) | Kind::Codes, Some(_)) => true,
        (Kind::Table(_) | Kind::Codes, None) => false,
        (_, inner) => inner.is_none(),
    };
    if let (Kind::Table(section), Some(inner)) = (key.kind, &inner)
        && !section.keys().any(|key| key.name == inner)
    {
        return Err(Box::new(suggest::unknown_key(inner, section, place.clone())));
    }
    if !fits || parts.next().is_some() {
        let message = format!("`{written}` is {} and not set like this", article(key.kind));
        let help = match key.kind {
            Kind::Table(section) => {
                let mut help = String::from("there are ");
                help.push_str(&suggest::join(section.keys().map(|key| key.name)));
                format!("{help} below it, as `{name}__…`")
            }
            Kind::Codes => format!("write one code in each variable, as `{name}__4401`"),
            Kind::Text
            | Kind::File
            | Kind::Duration
            | Kind::Integer
            | Kind::Flag
            | Kind::List
            | Kind::TextOrList
            | Kind::FileOrList => "the name ends with the key".to_owned(),
        };
        return Err(Box::new(fault(message).help(help)));
    }
    Ok(Address { section, index, key, inner })
}

fn article(kind: Kind) -> String {
    let name = kind.name();
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        format!("an {name}")
    } else {
        format!("a {name}")
    }
}

fn gap(section: Section, present: usize, place: Place) -> Fault {
    let name = section.name();
    let message = format!("the variable leaves a gap: there are {present} {name} before it");
    Fault::new(message, place).help(format!("the next number is {present}"))
}

/// The value of a variable, and where it begins.
struct Variable {
    text: Arc<str>,
    start: usize,
}

impl Variable {
    fn place(&self, within: Range<usize>) -> Place {
        Place::Variable(Arc::clone(&self.text), self.start + within.start..self.start + within.end)
    }

    /// Reads the value as the key wants it. What does not fit stays a string, and is reported by
    /// whoever reads it.
    fn node(&self, kind: Kind, value: &str, place: Place) -> Node {
        let text = || Value::Text(value.to_owned());
        let value = match kind {
            Kind::Text | Kind::File | Kind::Duration | Kind::Table(_) | Kind::Codes => text(),
            Kind::Integer => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    Value::Integer(value.to_owned(), 10)
                } else {
                    text()
                }
            }
            Kind::Flag => match value {
                "true" => Value::Flag(true),
                "false" => Value::Flag(false),
                _ => text(),
            },
            Kind::List | Kind::TextOrList | Kind::FileOrList => Value::List(self.items(value)),
        };
        Node { value, place }
    }

    fn items(&self, value: &str) -> Vec<Node> {
        let mut items = Vec::new();
        let mut start = 0;
        for part in value.split(',') {
            let trimmed = part.trim();
            let from = start + (part.len() - part.trim_start().len());
            if !trimmed.is_empty() {
                let place = self.place(from..from + trimmed.len());
                items.push(Node { value: Value::Text(trimmed.to_owned()), place });
            }
            start += part.len() + 1;
        }
        items
    }
}

fn table(tree: &DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = tree
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: Place::File(key.span()),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| match &entry.place {
        Place::File(span) => span.start,
        Place::Variable(..) | Place::Whole => usize::MAX,
    });
    Table { entries }
}

// The parser bounds how deep values are nested.
fn node(spanned: &Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(number.as_str().to_owned(), number.radix()),
        DeValue::Float(_) => Value::Other("a float"),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Node { value, place: Place::File(spanned.span()) }
}
