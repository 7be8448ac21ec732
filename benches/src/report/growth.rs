//! A chart of times over sizes as SVG, drawn by hand: no font, script or address from elsewhere.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::short;

/// A measured value of a fleet of one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    pub series: String,
    pub size: usize,
    pub value: f64,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 320.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 320.0;

/// The pause between two names at the right, in pixels.
const LINE: f64 = 16.0;

/// Colours that differ in brightness too, for readers who do not tell hues apart.
const COLOURS: [&str; 5] = ["#1b7f5c", "#58b38f", "#b5651d", "#7a5ea8", "#777777"];

/// Draws a line for each series over the sizes, of which each step is ten times the one before, and a dashed line at each limit.
#[must_use]
pub fn growth(title: &str, note: &str, points: &[Point], limits: &[(f64, &str)]) -> String {
    let sizes = || points.iter().map(|point| point.size.max(1) as f64);
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(1.0, f64::max));
    let values = points.iter().map(|point| point.value).chain(limits.iter().map(|(limit, _)| *limit));
    let highest = values.fold(1.0, f64::max).ceil();
    let decades = (most / least).log10().max(f64::MIN_POSITIVE);
    let x = |size: usize| LEFT + (size.max(1) as f64 / least).log10() / decades * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| BOTTOM - value / highest * (BOTTOM - TOP);
    let mut body = String::new();
    for second in 0..=highest as usize {
        let at = y(second as f64);
        let _ = writeln!(
            body,
            r##"<line x1="{LEFT:.0}" x2="{:.0}" y1="{at:.0}" y2="{at:.0}" stroke="#eee"/><text x="{:.0}" y="{:.0}" text-anchor="end">{second} s</text>"##,
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
    let mut ticks: Vec<usize> = points.iter().map(|point| point.size).collect();
    ticks.sort_unstable();
    ticks.dedup();
    for size in ticks {
        let _ =
            writeln!(body, r#"<text x="{:.0}" y="{:.0}" text-anchor="middle">{size}</text>"#, x(size), BOTTOM + 20.0);
    }
    for (limit, name) in limits {
        let at = y(*limit);
        let _ = writeln!(
            body,
            r##"<line x1="{LEFT:.0}" x2="{:.0}" y1="{at:.1}" y2="{at:.1}" stroke="#999" stroke-dasharray="3 3"/><text x="{:.0}" y="{:.1}" fill="#777">{name}</text>"##,
            WIDTH - RIGHT,
            LEFT + 6.0,
            at - 4.0
        );
    }
    let mut series: Vec<&str> = Vec::new();
    for point in points {
        if !series.contains(&point.series.as_str()) {
            series.push(&point.series);
        }
    }
    let mut names = Vec::new();
    for (number, name) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut line: Vec<&Point> = points.iter().filter(|point| point.series == *name).collect();
        line.sort_by_key(|point| point.size);
        let path: Vec<String> =
            line.iter().map(|point| format!("{:.1},{:.1}", x(point.size), y(point.value))).collect();
        let _ =
            writeln!(body, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, path.join(" "));
        for point in &line {
            let _ = writeln!(
                body,
                r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#,
                x(point.size),
                y(point.value)
            );
        }
        if let Some(last) = line.last() {
            names.push((y(last.value), colour, format!("{} s {name}", short(last.value))));
        }
    }
    // Names of lines that end close to each other move down.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = TOP;
    for (at, colour, text) in names {
        let at = at.max(free);
        free = at + LINE;
        let _ = writeln!(
            body,
            r#"<text x="{:.0}" y="{:.0}" fill="{colour}">{text}</text>"#,
            WIDTH - RIGHT + 10.0,
            at + 4.0
        );
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {HEIGHT:.0}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="{title}">
<rect width="{WIDTH:.0}" height="{HEIGHT:.0}" fill="#fff"/>
<text x="12" y="24" font-size="15" font-weight="bold">{title}</text>
<text x="12" y="44">{note}</text>
{body}</svg>
"##
    )
}
