//! A table's figures as bars, in SVG that is readable on light and dark pages.

use crate::report;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#222}.title{font-size:13px;font-weight:600}\
    .small{font-size:11px;fill:#555}.bar{fill:#9bb}.ours{fill:#3a7}\
    @media(prefers-color-scheme:dark){text{fill:#eee}.small{fill:#bbb}.bar{fill:#577}}";
const WIDTH: u32 = 720;
/// Where bars begin, and how long the longest is.
const LEFT: u32 = 110;
const LONGEST: f64 = 480.0;
const ROW: u32 = 22;

/// A group of bars under a title.
#[derive(Debug)]
pub struct Group {
    /// What is longer, and whether that is better.
    pub title: String,
    /// Names and values; none where there is nothing to show.
    pub bars: Vec<(&'static str, Option<f64>)>,
}

/// Groups of bars, as a file with what one must know to read them.
#[derive(Debug)]
pub struct Chart {
    /// What it is about.
    pub title: String,
    /// One below the other.
    pub groups: Vec<Group>,
}

impl Chart {
    /// Writes it to a file, with the date, the machine and the commit. Its path is from the root of the workspace,
    /// since benchmarks do not run where they were called.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &str) -> std::io::Result<()> {
        let said = |program: &str, arguments: &[&str]| {
            let output =
                Command::new(program).args(arguments).output().ok().filter(|ran| ran.status.success());
            output.map_or("?".to_owned(), |ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned())
        };
        let date = said("date", &["-u", "+%F"]);
        let commit = said("git", &["rev-parse", "--short", "HEAD"]);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        fs::write(file, self.to_svg(&format!("{date}, commit {commit}, {}", report::machine())))
    }

    fn to_svg(&self, caption: &str) -> String {
        let (mut body, mut y) = (String::new(), 24);
        let _ = writeln!(body, "<text class=\"title\" x=\"10\" y=\"{y}\">{}</text>", self.title);
        for group in &self.groups {
            y += 30;
            let _ = writeln!(body, "<text x=\"10\" y=\"{y}\">{}</text>", group.title);
            let most = group.bars.iter().filter_map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
            for (name, value) in &group.bars {
                y += ROW;
                let class = if *name == "ours" { "ours" } else { "bar" };
                let _ =
                    writeln!(body, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{name}</text>", LEFT - 8);
                let length = value.map_or(0.0, |value| value / most * LONGEST);
                let text = value.map_or("does not do that".to_owned(), figure);
                let _ = writeln!(
                    body,
                    "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{length:.0}\" height=\"15\" rx=\"2\"/>\
                     <text class=\"small\" x=\"{:.0}\" y=\"{y}\">{text}</text>",
                    y - 12,
                    f64::from(LEFT) + length + 6.0
                );
            }
        }
        y += 30;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" \
             aria-label=\"{}\">\n<style>{STYLE}</style>\n{body}<text class=\"small\" x=\"10\" y=\"{y}\">{caption}</text>\n\
             </svg>\n",
            y + 14,
            self.title
        )
    }
}

/// With three digits that mean something.
fn figure(value: f64) -> String {
    match value {
        _ if value >= 1_000.0 => format!("{:.0}", value),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bars = vec![("ours", Some(200.0)), ("theirs", Some(50.0)), ("nobody", None)];
        let chart =
            Chart { title: "How fast?".to_owned(), groups: vec![Group { title: "pages".to_owned(), bars }] };
        let svg = chart.to_svg("today");
        for part in [
            "class=\"ours\" x=\"110\" y=\"64\" width=\"480\"",
            "width=\"120\"",
            "width=\"0\"",
            ">200<",
            ">50.0<",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert!(svg.contains(">today<") && svg.contains("does not do that"));
    }
}
