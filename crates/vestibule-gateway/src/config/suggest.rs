//! "Did you mean": the nearest of some names, and what to say about a key that is not known.

use super::{
    fault::{Fault, Place},
    keys::{KEYS, Section},
};

/// Words that a name with a secret behind it may contain.
const SECRETIVE: &[&str] =
    &["secret", "password", "passwd", "token", "private", "key", "credential"];

/// Sections that the design has and this version has not.
const LATER_SECTIONS: &[&str] = &["users", "tickets", "sessions"];

/// The name that was probably meant: at most a third of the letters differ.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    let length = written.chars().count();
    // Nobody mistypes a long text into one of the names.
    if length > 64 {
        return None;
    }
    // Half a name is meant to be the whole: `secret` for `secret_file`.
    let begun = |name: &str| written.len() > 3 && name.starts_with(&*written);
    names
        .map(|name| (if begun(name) { 1 } else { distance(&written, name) }, name))
        .filter(|(distance, name)| *distance <= length.max(name.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a`, `b` and `c`, each in backquotes.
pub(super) fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A key that the section does not have.
pub(super) fn unknown_key(written: &str, section: Section, place: Place) -> Fault {
    let header = section.header();
    let fault = Fault::new(format!("there is no key {written:?} in {header}"), place);
    let elsewhere: Vec<_> =
        KEYS.iter().filter(|key| key.name == written).map(|key| key.section.header()).collect();
    if let Some(name) = nearest(written, section.keys().map(|key| key.name)) {
        fault.help(format!("did you mean `{name}`?"))
    } else if elsewhere.is_empty() {
        fault.help(format!("its keys are {}", join(section.keys().map(|key| key.name))))
    } else {
        fault.help(format!("that is a key of {}", elsewhere.join(" and of ")))
    }
}

/// A section, or a key above all sections, that there is not.
pub(super) fn unknown_section(written: &str, place: Place) -> Fault {
    if LATER_SECTIONS.contains(&written) {
        return Fault::new(format!("`{written}` is not available yet"), place);
    }
    let names = Section::TOP.iter().map(|section| section.name());
    let fault = Fault::new(format!("there is no section {written:?}"), place);
    let elsewhere = KEYS.iter().filter(|key| key.name == written).map(|key| key.section.header());
    let elsewhere: Vec<_> = elsewhere.collect();
    if !elsewhere.is_empty() {
        let headers = elsewhere.join(" or ");
        return fault.help(format!("it is a key, and stands below {headers}"));
    }
    match nearest(written, names.clone()) {
        Some(name) => fault.help(format!("did you mean `{name}`?")),
        None => fault.help(format!("the sections are {}", join(names))),
    }
}

/// Whether what stands behind this name may be something that nobody should read.
pub(super) fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETIVE.iter().any(|word| name.contains(word))
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=two.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in two.iter().enumerate() {
            let at =
                |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column).saturating_add(usize::from(letter != *other));
            let added = at(&line, column).saturating_add(1);
            let dropped = at(&last, column + 1).saturating_add(1);
            let swapped = match column.checked_sub(1) {
                Some(before) if previous == Some(*other) && two.get(before) == Some(&letter) => {
                    at(&before_last, before).saturating_add(1)
                }
                Some(_) | None => usize::MAX,
            };
            line.push(replaced.min(added).min(dropped).min(swapped));
        }
        before_last = std::mem::replace(&mut last, line);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_away() {
        let names = || ["listen", "tls", "workers", "trusted_proxies"].into_iter();
        for (written, expected) in [
            ("lsiten", Some("listen")),
            ("listn", Some("listen")),
            ("Worker", Some("workers")),
            ("trusted-proxies", Some("trusted_proxies")),
            ("trusted", Some("trusted_proxies")),
            ("upstream", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names()), expected, "{written}");
        }
    }

    #[test]
    fn a_swap_counts_as_one_slip() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
