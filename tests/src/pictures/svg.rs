//! Boxes, arrows and words as SVG, readable on light and dark pages.

use std::fmt::Write;

/// How something is meant, which is how it is coloured.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Plain,
    /// What is fast, or goes on.
    Runs,
    /// What blocks.
    Blocks,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Runs => "runs",
            Self::Blocks => "blocks",
        }
    }
}

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#555}\
    rect{stroke:#555;stroke-width:1.2}.plain{fill:#f3f3f3}.runs{fill:#d9f0d9}.blocks{fill:#f7dcd3}\
    path{stroke:#555;stroke-width:1.4;fill:none}.lane{stroke-dasharray:3 4;stroke:#999}\
    @media(prefers-color-scheme:dark){text{fill:#eee}.small{fill:#bbb}rect{stroke:#aaa}.plain{fill:#333}\
    .runs{fill:#24482a}.blocks{fill:#5a2c20}path{stroke:#aaa}.tip{fill:#aaa}}";

pub(super) struct Drawing {
    width: u32,
    height: u32,
    title: &'static str,
    description: &'static str,
    body: String,
}

impl Drawing {
    pub(super) fn new(width: u32, height: u32, title: &'static str, description: &'static str) -> Self {
        Self { width, height, title, description, body: String::new() }
    }

    /// A box whose upper left corner is there, with a line of words in its middle and a smaller one below.
    pub(super) fn block(&mut self, at: (u32, u32), size: (u32, u32), tone: Tone, words: &str, small: &str) {
        let ((x, y), (width, height)) = (at, size);
        let class = tone.class();
        let middle = y + height / 2;
        self.add(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        ));
        let centre = x + width / 2;
        let baseline = if small.is_empty() { middle + 5 } else { middle - 3 };
        self.centred((centre, baseline), "", words);
        if !small.is_empty() {
            self.centred((centre, middle + 14), " class=\"small\"", small);
        }
    }

    /// An arrow along these points, with small words above the middle of its first part.
    pub(super) fn arrow(&mut self, points: &[(u32, u32)], words: &str) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
        }
        self.add(&format!("<path d=\"{path}\" marker-end=\"url(#tip)\"/>"));
        if let [(x1, y1), (x2, y2), ..] = points {
            self.centred(((x1 + x2) / 2, (y1 + y2) / 2 - 6), " class=\"small\"", words);
        }
    }

    /// A dashed line downwards.
    pub(super) fn lane(&mut self, x: u32, from: u32, to: u32) {
        self.add(&format!("<path class=\"lane\" d=\"M{x} {from}L{x} {to}\"/>"));
    }

    /// Small words whose first letter is there.
    pub(super) fn note(&mut self, at: (u32, u32), words: &str) {
        self.add(&format!("<text class=\"small\" x=\"{}\" y=\"{}\">{}</text>", at.0, at.1, escaped(words)));
    }

    fn centred(&mut self, at: (u32, u32), attributes: &str, words: &str) {
        if !words.is_empty() {
            let (x, y) = at;
            self.add(&format!(
                "<text{attributes} x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                escaped(words)
            ));
        }
    }

    fn add(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    pub(super) fn finish(self) -> String {
        let Self { width, height, title, description, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"title description\">\n<title id=\"title\">{}</title>\n\
             <desc id=\"description\">{}</desc>\n<style>{STYLE}</style>\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8Z\" style=\"stroke:none;fill:#777\"/></marker></defs>\n\
             {body}</svg>\n",
            escaped(title),
            escaped(description)
        )
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}
