//! A bar chart as SVG, drawn by hand: no font, script or address from elsewhere.

use std::fmt::Write as _;

/// One bar: how much longer than the raw signature check.
#[derive(Clone, Debug)]
pub struct Bar {
    pub group: String,
    pub series: String,
    pub ratio: f64,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 250.0;
const BAR: f64 = 16.0;
const GAP: f64 = 14.0;

/// Longer bars are cut here and say so by their number.
const LONGEST: f64 = 3.0;

/// Colours that differ in brightness too, for readers who do not tell hues apart.
const COLOURS: [&str; 6] = ["#1b7f5c", "#58b38f", "#b5651d", "#7a5ea8", "#b04a5a", "#777777"];

/// Draws bars in groups.
#[must_use]
pub fn chart(title: &str, bars: &[Bar]) -> String {
    let mut series: Vec<&str> = Vec::new();
    for bar in bars {
        if !series.contains(&bar.series.as_str()) {
            series.push(&bar.series);
        }
    }
    let mut body = String::new();
    let mut y = 64.0;
    let mut group = "";
    for bar in bars {
        if bar.group != group {
            y += GAP;
            group = &bar.group;
            let _ = writeln!(body, r#"<text x="12" y="{:.0}" font-weight="bold">{group}</text>"#, y + 12.0);
        }
        let scale = (WIDTH - LEFT - 70.0) / LONGEST;
        let length = bar.ratio.clamp(0.0, LONGEST) * scale;
        let at = series.iter().position(|name| *name == bar.series).unwrap_or(0);
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(
            body,
            r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{}</text><rect x="{LEFT:.0}" y="{y:.0}" width="{length:.1}" height="{:.0}" fill="{colour}"/><text x="{:.0}" y="{:.0}">{:.2}</text>"#,
            LEFT - 8.0,
            y + 12.0,
            bar.series,
            BAR - 3.0,
            LEFT + length + 6.0,
            y + 12.0,
            bar.ratio,
        );
        y += BAR;
    }
    let line = LEFT + (WIDTH - LEFT - 70.0) / LONGEST;
    let height = y + 20.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {height:.0}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="{title}">
<rect width="{WIDTH:.0}" height="{height:.0}" fill="#fff"/>
<text x="12" y="24" font-size="15" font-weight="bold">{title}</text>
<text x="12" y="44">1.00 is the signature check itself, by aws-lc-rs with a prepared key. Shorter is better; bars end at {LONGEST:.0}.</text>
<line x1="{line:.0}" x2="{line:.0}" y1="56" y2="{y:.0}" stroke="#999" stroke-dasharray="3 3"/>
{body}</svg>
"##
    )
}
