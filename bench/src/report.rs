//! The report: a table to read, JSON to compute with, a chart to look at.

use std::{
    fmt::{self, Write},
    fs, io,
    path::Path,
};

use serde_json::{Value, json};

use crate::measure::{Measured, Row};

/// Writes `table.md`, `figures.json` and `chart.svg` into a folder, and prints the table.
///
/// # Errors
/// Where a file cannot be written.
pub(crate) fn write(folder: &Path, groups: &[Measured], facts: &Value) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let table = table(groups).map_err(io::Error::other)?;
    println!("{table}");
    fs::write(folder.join("table.md"), table)?;
    let figures = json!({ "groups": groups, "facts": facts });
    fs::write(folder.join("figures.json"), format!("{figures:#}\n"))?;
    fs::write(folder.join("chart.svg"), chart(groups).map_err(io::Error::other)?)
}

fn table(groups: &[Measured]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for group in groups {
        writeln!(text, "### {}\n", group.name)?;
        writeln!(text, "| | a second | ratio | p50 ms | p99 ms | CPU µs a request |")?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | --- |")?;
        for row in &group.rows {
            let Row { name, rate, ratio, noise, p50, p99, .. } = row;
            write!(text, "| {name} | {rate:.0} | {ratio:.2} ± {:.0} % |", noise * 100.0)?;
            for time in [p50, p99] {
                if time.is_nan() {
                    write!(text, " – |")?;
                } else {
                    write!(text, " {:.2} |", time / 1000.0)?;
                }
            }
            writeln!(text, " {} |", processors(row))?;
        }
        writeln!(text)?;
    }
    Ok(text)
}

fn processors(row: &Row) -> String {
    let parts: Vec<_> = row.cpu.iter().map(|(name, used)| format!("{name} {used:.0}")).collect();
    match parts.len() {
        0 => "–".to_owned(),
        1 => parts.join(""),
        _ => format!("**{:.0}** = {}", row.cpu.values().sum::<f64>(), parts.join(" + ")),
    }
}

const WIDTH: f64 = 760.0;
const NAMES: f64 = 300.0;
const LINE: f64 = 22.0;

/// Bars, each group to its own scale. The colours suit a light and a dark page.
fn chart(groups: &[Measured]) -> Result<String, fmt::Error> {
    let mut body = String::new();
    let mut y = 0.0;
    for group in groups {
        y += LINE * 1.4;
        writeln!(body, r#"<text x="0" y="{y}" class="title">{}, a second</text>"#, group.name)?;
        let most = group.rows.iter().map(|row| row.rate).fold(1.0, f64::max);
        for row in &group.rows {
            y += LINE;
            let ours = if row.name.starts_with("Classifieds") { "ours" } else { "other" };
            let width = (WIDTH - NAMES - 70.0) * row.rate / most;
            let (name, rate) = (row.name, row.rate);
            writeln!(body, r#"<text x="0" y="{y}">{name}</text>"#)?;
            let top = y - 13.0;
            writeln!(
                body,
                r#"<rect x="{NAMES}" y="{top}" width="{width:.1}" height="16" class="{ours}"/>"#
            )?;
            let end = NAMES + width + 6.0;
            writeln!(body, r#"<text x="{end:.1}" y="{y}">{rate:.0}</text>"#)?;
        }
    }
    let height = y + LINE;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<style>text{{fill:#777}}\
         .title{{font-weight:bold}}.ours{{fill:#2a7de1}}.other{{fill:#aaa}}</style>\n\
         {body}</svg>\n"
    ))
}
