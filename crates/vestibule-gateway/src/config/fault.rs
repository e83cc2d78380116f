//! Everything that is wrong with a configuration, at once, each with its place, as a person reads
//! it.

use std::{ops::Range, sync::Arc};

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle,
};

/// Most faults that are shown.
const SHOWN: usize = 64;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file, these bytes.
    File(Range<usize>),
    /// In an environment variable: these bytes of `NAME=value`.
    Variable(Arc<str>, Range<usize>),
    /// Nowhere: it is missing from the whole.
    Whole,
}

impl Place {
    fn touches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => one.start <= two.end && two.start <= one.end,
            (Self::File(_) | Self::Variable(..) | Self::Whole, _) => false,
        }
    }

    fn order(&self) -> (u8, usize, &str) {
        match self {
            Self::File(span) => (0, span.start, ""),
            Self::Variable(text, span) => (1, span.start, text),
            Self::Whole => (2, 0, ""),
        }
    }
}

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Fault,
    /// It can, and may not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to say at the place itself; may be empty.
    pub label: String,
    /// Another place that belongs to it, and what to say there.
    pub related: Option<(Place, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Fault {
    /// Something that must be put right.
    pub(super) fn new(message: impl Into<String>, place: Place) -> Self {
        let (label, related, help) = (String::new(), None, None);
        Self { severity: Severity::Fault, message: message.into(), place, label, related, help }
    }

    /// Something that is better put right.
    pub(super) fn warning(message: impl Into<String>, place: Place) -> Self {
        Self { severity: Severity::Warning, ..Self::new(message, place) }
    }

    #[must_use]
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    #[must_use]
    pub(super) fn related(self, place: Place, label: impl Into<String>) -> Self {
        Self { related: Some((place, label.into())), ..self }
    }
}

/// The faults and warnings of one configuration, with the text that they point into.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    name: String,
    text: String,
    /// Faults of syntax, until [`Report::sort`].
    syntax: Vec<Fault>,
    faults: Vec<Fault>,
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a file, a pipe, a log.
    Plain,
    /// For a terminal.
    Styled,
}

impl Report {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (syntax, faults) = (Vec::new(), Vec::new());
        Self { name: name.into(), text: text.into(), syntax, faults }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The same text without a fault.
    pub(super) fn emptied(&self) -> Self {
        Self { faults: Vec::new(), ..self.clone() }
    }

    /// A fault of syntax: about the same place there is nothing more to say.
    pub(super) fn push_syntax(&mut self, fault: Fault) {
        self.syntax.push(fault);
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Makes what stands at `place` unreadable in the report, and says where it stands now.
    /// Somebody may have written a secret where none belongs.
    pub(super) fn hide(&mut self, place: &Place) -> Place {
        let span = match place {
            Place::File(span) => span.clone(),
            Place::Variable(text, span) => {
                let name = text.get(..span.start).unwrap_or_default();
                return Place::Variable(format!("{name}…").into(), span.start..span.start + 1);
            }
            Place::Whole => return Place::Whole,
        };
        let start = self.text.floor_char_boundary(span.start);
        let span = start..self.text.ceil_char_boundary(span.end).max(start);
        let Some(written) = self.text.get(span.clone()) else { return place.clone() };
        // As many bytes as before, so that all other places stay right.
        let hidden: String = written
            .bytes()
            .map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' })
            .collect();
        self.text.replace_range(span, &hidden);
        place.clone()
    }

    /// Brings the report into the order of the file.
    pub(super) fn sort(&mut self) {
        let syntax = std::mem::take(&mut self.syntax);
        self.faults.retain(|fault| !syntax.iter().any(|broken| broken.place.touches(&fault.place)));
        self.faults.extend(syntax);
        self.faults.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        self.faults.dedup();
    }

    /// What is wrong, in the order of the file.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many of this kind there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.faults.iter().filter(|fault| fault.severity == severity).count()
    }

    /// Whether the configuration cannot be used.
    pub fn is_fatal(&self) -> bool {
        self.count(Severity::Fault) > 0
    }

    /// Line and column of a fault in the file, both from 1, columns in characters.
    pub fn position(&self, fault: &Fault) -> Option<(usize, usize)> {
        let Place::File(span) = &fault.place else { return None };
        let before = self.text.get(..clamp(&self.text, span).start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }

    /// The whole report as a person reads it: each fault with its place, ending in a line break;
    /// empty where nothing is wrong.
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Plain => Renderer::plain().decor_style(DecorStyle::Ascii),
            Colour::Styled => Renderer::styled().decor_style(DecorStyle::Ascii),
        };
        let mut out = String::new();
        for fault in self.faults.iter().take(SHOWN) {
            out.push_str(&renderer.render(&[self.group(fault)]));
            out.push_str("\n\n");
        }
        if let Some(more) = self.faults.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            out.push_str("… and ");
            out.push_str(&more.to_string());
            out.push_str(" more\n\n");
        }
        out
    }

    fn group<'a>(&'a self, fault: &'a Fault) -> Group<'a> {
        let Fault { severity, message, place, label, related, help } = fault;
        let level = match severity {
            Severity::Fault => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(message.as_str());
        let mut marks = vec![(place, AnnotationKind::Primary, label.as_str())];
        if let Some((place, label)) = related {
            marks.push((place, AnnotationKind::Context, label.as_str()));
        }
        let mut group = Group::with_title(title);
        while let Some((place, ..)) = marks.first().copied() {
            let same = |other: &Place| match (place, other) {
                (Place::File(_), Place::File(_)) => true,
                (Place::Variable(one, _), Place::Variable(two, _)) => one == two,
                (Place::File(_) | Place::Variable(..) | Place::Whole, _) => false,
            };
            let (here, elsewhere) = marks.iter().copied().partition::<Vec<_>, _>(|m| same(m.0));
            group = match place {
                Place::File(_) => group.element(snippet(&self.text, &self.name, &here)),
                Place::Variable(text, _) => group.element(snippet(text, "environment", &here)),
                Place::Whole => group.element(Origin::path(self.name.as_str())),
            };
            marks = match place {
                Place::File(_) | Place::Variable(..) => elsewhere,
                Place::Whole => marks.split_off(1),
            };
        }
        match help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }
}

// The text may hold what nobody should read; a rendered report hides it.
impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, text: _, syntax: _, faults } = self;
        f.debug_struct("Report").field("name", name).field("faults", faults).finish_non_exhaustive()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(Colour::Plain))
    }
}

impl std::error::Error for Report {}

type Mark<'a> = (&'a Place, AnnotationKind, &'a str);

fn snippet<'a>(text: &'a str, path: &'a str, marks: &[Mark<'a>]) -> Snippet<'a, Annotation<'a>> {
    let annotations = marks.iter().filter_map(|(place, kind, label)| {
        let span = match place {
            Place::File(span) | Place::Variable(_, span) => clamp(text, span),
            Place::Whole => return None,
        };
        let annotation = kind.span(span);
        Some(if label.is_empty() { annotation } else { annotation.label(*label) })
    });
    Snippet::source(text).path(path).annotations(annotations)
}

/// The same span, within the text and between characters; of a span over several lines, the first
/// line.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end).max(start);
    let first = text.get(start..end).and_then(|part| part.find(['\n', '\r']));
    start..first.map_or(end, |length| start.saturating_add(length))
}
