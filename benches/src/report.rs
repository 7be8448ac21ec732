//! What was measured, as text, Markdown and charts.

mod chart;
mod growth;
mod merge;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use chart::{Bar, chart};
pub use growth::{Point, growth};

/// The heading of the part of `BENCHMARKS.md` that the bench `fleet` writes, at its end.
pub const FLEET_HEADING: &str = "## A fleet of verifiers";

/// The heading of the part that the bench `build` writes, before that of the fleet.
pub const BUILD_HEADING: &str = "## A build from nothing";

/// Splits `BENCHMARKS.md` into what the suite writes and what other benches write.
#[must_use]
pub fn without_others(text: &str) -> (&str, &str) {
    let at = [BUILD_HEADING, FLEET_HEADING].iter().filter_map(|heading| text.find(heading)).min();
    text.split_at(at.unwrap_or(text.len()))
}

/// Splits `BENCHMARKS.md` into what other benches write and what the bench `fleet` writes.
#[must_use]
pub fn without_fleet(text: &str) -> (&str, &str) {
    text.split_at(text.find(FLEET_HEADING).unwrap_or(text.len()))
}

/// `BENCHMARKS.md` with this as the part of the bench `build`.
#[must_use]
pub fn with_build(text: &str, part: &str) -> String {
    let (of_suite, _) = without_others(text);
    let (_, of_fleet) = without_fleet(text);
    let text = format!("{}\n\n{}\n\n{of_fleet}", of_suite.trim_end(), part.trim_end());
    text.trim_end().to_owned() + "\n"
}

/// Everything that the suite found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    tables: Vec<Table>,
    goals: Vec<Goal>,
    #[serde(skip)]
    bars: Vec<Bar>,
    points: Vec<Point>,
}

/// A table with a title and a sentence about it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    pub note: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Goal {
    what: String,
    goal: String,
    measured: String,
    is_met: bool,
}

impl Report {
    /// Adds a table and shows it at once.
    pub fn table(&mut self, title: &str, note: &str, head: &[&str], rows: Vec<Vec<String>>) {
        let head = head.iter().map(ToString::to_string).collect();
        let table = Table { title: title.into(), note: note.into(), head, rows };
        println!("\n{title}\n{}", table.aligned());
        self.tables.push(table);
    }

    /// Sets a measured value beside its goal: at most `limit`.
    pub fn at_most(&mut self, what: impl Into<String>, unit: &str, limit: f64, measured: f64) {
        let is_met = (0.0..=limit).contains(&measured); // below zero is noise, and no success
        self.goal(what.into(), "≤", unit, limit, measured, is_met);
    }

    /// The same: at least `limit`.
    pub fn at_least(&mut self, what: impl Into<String>, unit: &str, limit: f64, measured: f64) {
        self.goal(what.into(), "≥", unit, limit, measured, measured >= limit);
    }

    fn goal(&mut self, what: String, sign: &str, unit: &str, limit: f64, measured: f64, is_met: bool) {
        let goal = format!("{sign} {}{unit}", short(limit));
        self.goals.push(Goal { what, goal, measured: format!("{}{unit}", short(measured)), is_met });
    }

    /// Adds a bar to the chart.
    pub fn bar(&mut self, group: &str, series: &str, ratio: f64) {
        self.bars.push(Bar { group: group.into(), series: series.into(), ratio });
    }

    /// The bars in the order they came.
    #[must_use]
    pub fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// Adds a point to the chart of growth.
    pub fn point(&mut self, series: &str, size: usize, value: f64) {
        self.points.push(Point { series: series.into(), size, value });
    }

    /// The points in the order they came.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The goals beside what was measured.
    #[must_use]
    pub fn goals(&self) -> Table {
        let row = |goal: &Goal| {
            let verdict = if goal.is_met { "yes" } else { "**no**" };
            vec![goal.what.clone(), goal.goal.clone(), goal.measured.clone(), verdict.into()]
        };
        Table {
            title: "Goals".into(),
            note: String::new(),
            head: ["what", "goal", "measured", "met"].map(Into::into).to_vec(),
            rows: self.goals.iter().map(row).collect(),
        }
    }

    /// All tables as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.tables
            .iter()
            .map(|table| format!("## {}\n\n{}\n\n{}\n", table.title, table.note, table.markdown()))
            .collect()
    }
}

impl Table {
    /// The table with its columns aligned, for a terminal.
    #[must_use]
    pub fn aligned(&self) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.head.len()).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in lines() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                let _ = if column == 0 { write!(text, "  {cell}{padding}") } else { write!(text, "  {padding}{cell}") };
            }
            text.push('\n');
        }
        text
    }

    /// The table as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> =
            (0..self.head.len()).map(|column| if column == 0 { "---".into() } else { "---:".into() }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{}{rows}", line(&self.head), line(&rule))
    }
}

/// A number with as many decimals as say something.
#[must_use]
pub fn short(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e6 => format!("{value:.0}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
