//! What came of a run: medians, ratios within a round, a table, JSON, a picture.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    cases::{Case, Figure},
    machine::Machine,
    peers::Peer,
};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Run {
    /// On what.
    pub machine: Machine,
    /// Of whom.
    pub versions: Vec<String>,
    /// `pinned` or `unpinned`.
    pub placement: &'static str,
    /// How often.
    pub rounds: usize,
    /// The share of the cores that the hypervisor gave to others, and the share that was busy
    /// before anything was started.
    pub stolen: f64,
    /// The share of the cores that was busy before anything was started.
    pub busy: f64,
    /// Figures by case and peer, one a round.
    pub rows: Vec<Row>,
}

/// The figures of one peer in one case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// The peer.
    pub peer: Peer,
    /// One a round.
    pub figures: Vec<Figure>,
}

/// From so much on, a ratio would say more about the neighbours than about the proxies.
const NOISY: f64 = 0.10;

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => at(count / 2),
        count => f64::midpoint(at(count / 2 - 1), at(count / 2)),
    }
}

/// Picks what a table shows of a figure.
type Pick = fn(&Figure) -> f64;
/// A kind of table: its title, its cases, its columns.
type Kind = (&'static str, fn(Case) -> bool, &'static [(&'static str, Pick)]);

/// The tables, in their order.
const KINDS: [Kind; 8] = [
    (
        "Relay: CPU µs a round trip",
        |case| matches!(case, Case::Relay { .. }),
        &[("CPU µs", |figure| figure.cpu)],
    ),
    (
        "A token in each message: a round trip",
        |case| matches!(case, Case::PerMessage { .. }),
        &[("CPU µs", |figure| figure.cpu), ("a second", |figure| figure.rate)],
    ),
    (
        "Handshakes: CPU µs each",
        |case| matches!(case, Case::Handshake { .. }),
        &[("CPU µs", |figure| figure.cpu)],
    ),
    (
        "Memory: bytes an idle connection",
        |case| matches!(case, Case::Memory { .. } | Case::Sealed { .. }),
        &[("bytes", |figure| figure.bytes)],
    ),
    (
        "Memory over churn: bytes an idle connection",
        |case| matches!(case, Case::Churn { .. }),
        &[("before", |figure| figure.before), ("after", |figure| figure.bytes)],
    ),
    (
        "Fairness",
        |case| matches!(case, Case::Fairness),
        &[
            ("p99 alone, µs", |figure| figure.before),
            ("p99 beside a flood, µs", |figure| figure.p99),
            ("times as long", |figure| figure.p99 / figure.before),
            ("bytes added in all", |figure| figure.bytes),
        ],
    ),
    (
        "Latency, µs",
        |case| matches!(case, Case::Latency),
        &[
            ("p50", |figure| figure.p50),
            ("p99", |figure| figure.p99),
            ("p999", |figure| figure.p999),
        ],
    ),
    (
        "Expiry",
        |case| matches!(case, Case::Expiry { .. }),
        &[
            ("s from the first close to the last", |figure| figure.spread),
            ("ms that the longest message of 100 others took", |figure| figure.others / 1000.0),
        ],
    ),
];

impl Run {
    /// Whether ratios mean anything.
    pub fn is_quiet(&self) -> bool {
        self.stolen < NOISY && self.busy < NOISY
    }

    /// Cases in order, each with its rows.
    fn cases(&self) -> BTreeMap<Case, Vec<&Row>> {
        let mut cases: BTreeMap<Case, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            cases.entry(row.case).or_default().push(row);
        }
        cases
    }

    /// The tables, in Markdown.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let Machine { processor, cores, kernel, congestion_control, open_files } = &self.machine;
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            text,
            "{processor}, {cores} cores, {kernel}, TCP {congestion_control}, {open_files} open \
             files; {}; {}, {} rounds; {:.1} % of the cores stolen, {:.1} % busy before the run",
            self.versions.join("; "),
            self.placement,
            self.rounds,
            self.stolen * 100.0,
            self.busy * 100.0,
        );
        for (title, belongs, picks) in KINDS {
            let cases: BTreeMap<_, _> =
                self.cases().into_iter().filter(|(case, _)| belongs(*case)).collect();
            if cases.is_empty() {
                continue;
            }
            for (unit, pick) in picks {
                self.table(&mut text, &format!("{title} ({unit})"), &cases, *pick);
            }
        }
        text
    }

    fn table(
        &self,
        text: &mut String,
        title: &str,
        cases: &BTreeMap<Case, Vec<&Row>>,
        pick: fn(&Figure) -> f64,
    ) {
        let peers: Vec<Peer> = Peer::ALL
            .into_iter()
            .filter(|peer| cases.values().flatten().any(|row| row.peer == *peer))
            .collect();
        let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
        let _infallible = writeln!(
            text,
            "\n### {title}\n\n| case | {} | Vestibule to HAProxy | to the relay |",
            names.join(" | ")
        );
        let _infallible = writeln!(text, "|---|{}---|---|", "---|".repeat(peers.len()));
        let mut to_haproxy = Vec::new();
        let mut to_floor = Vec::new();
        for (case, rows) in cases {
            let _infallible = write!(text, "| {} |", case.name());
            for peer in &peers {
                match rows.iter().find(|row| row.peer == *peer) {
                    None => text.push_str(" – |"),
                    Some(row) if row.figures.is_empty() => text.push_str(" failed |"),
                    Some(row) => {
                        let values: Vec<f64> = row.figures.iter().map(pick).collect();
                        let _infallible = write!(text, " {} |", spread(&values));
                    }
                }
            }
            for (other, all) in [(Peer::Haproxy, &mut to_haproxy), (Peer::Floor, &mut to_floor)] {
                let ratio = ratio(rows, other, pick);
                let shown = match ratio {
                    Some(ratio) if self.is_quiet() => {
                        all.push(ratio);
                        format!("{ratio:.2}")
                    }
                    Some(_) => "too noisy".to_owned(),
                    None => "–".to_owned(),
                };
                let _infallible = write!(text, " {shown} |");
            }
            text.push('\n');
        }
        if to_haproxy.len() > 1 {
            let _infallible = writeln!(
                text,
                "| geometric mean |{} {:.2} | {:.2} |",
                " |".repeat(peers.len()),
                geometric(&to_haproxy),
                geometric(&to_floor),
            );
        }
    }

    /// Bars: the relay's CPU, each to HAProxy as it comes.
    pub fn picture(&self) -> String {
        let cases: Vec<(Case, Vec<&Row>)> = self
            .cases()
            .into_iter()
            .filter(|(case, _)| matches!(case, Case::Relay { .. }))
            .collect();
        let shown = [
            Peer::Nginx,
            Peer::Nginx64,
            Peer::Haproxy,
            Peer::Haproxy64,
            Peer::Floor,
            Peer::Vestibule,
        ];
        let mut bars = String::new();
        let mut top = 60.0;
        for peer in shown {
            let ratios: Vec<f64> = cases
                .iter()
                .filter_map(|(_, rows)| ratio_of(rows, peer, Peer::Haproxy, |figure| figure.cpu))
                .collect();
            if ratios.is_empty() {
                continue;
            }
            let mean = geometric(&ratios);
            let width = mean * 320.0;
            let class = if peer == Peer::Vestibule { "ours" } else { "theirs" };
            let _infallible = writeln!(
                bars,
                "<text x=\"150\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"{class}\" x=\"160\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"18\" rx=\"2\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{mean:.2}</text>",
                top + 14.0,
                peer.name(),
                width + 168.0,
                top + 14.0,
            );
            top += 28.0;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {height:.0}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\" \
             aria-label=\"CPU per relayed message, compared\">\n\
             <style>text{{fill:#24292f}}.theirs{{fill:#9aa4b1}}.ours{{fill:#2f6f6a}}\
             @media(prefers-color-scheme:dark){{text{{fill:#d6dde5}}.theirs{{fill:#5c6773}}.ours{{fill:#5fb3ab}}}}</style>\n\
             <text x=\"16\" y=\"24\" font-weight=\"600\">CPU for each relayed message, HAProxy as it comes = 1</text>\n\
             <text x=\"16\" y=\"42\" font-size=\"11\">geometric mean over {count} cases, {placement}; less is better</text>\n\
             {bars}</svg>\n",
            height = top + 10.0,
            count = cases.len(),
            placement = self.placement,
        )
    }
}

/// Ours to another's, as the median of the ratios within each round.
fn ratio(rows: &[&Row], other: Peer, pick: fn(&Figure) -> f64) -> Option<f64> {
    ratio_of(rows, Peer::Vestibule, other, pick)
}

fn ratio_of(rows: &[&Row], ours: Peer, other: Peer, pick: fn(&Figure) -> f64) -> Option<f64> {
    let ours = rows.iter().find(|row| row.peer == ours)?;
    let other = rows.iter().find(|row| row.peer == other)?;
    let pairs = ours.figures.iter().zip(&other.figures);
    let ratio = median(pairs.map(|(ours, other)| pick(ours) / pick(other)));
    ratio.is_finite().then_some(ratio)
}

fn geometric(ratios: &[f64]) -> f64 {
    if ratios.is_empty() {
        return f64::NAN;
    }
    let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (sum / crate::machine::ratio(u64::try_from(ratios.len()).unwrap_or(1), 1)).exp()
}

/// The median, and how far the others lie from it, in percent.
fn spread(values: &[f64]) -> String {
    let middle = median(values.iter().copied());
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    let shown = if middle < 10.0 { format!("{middle:.2}") } else { format!("{middle:.0}") };
    if middle > 0.0 { format!("{shown} ±{:.0}%", (high - low) / middle * 50.0) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).is_nan());
    }
}
