//! From the text of a file to its cases.
//!
//! The rule: a file means exactly one thing. Unknown keys, keys given twice, white space at the end of a line and
//! placeholders without values are errors that name the line.

use super::client::{ClientTrial, Sent};
use super::expect::{RequestLine, ResponseLine};
use super::server::{End, Expected, ServerTrial};
use super::{Case, Trial, text, then};
use crate::wire::{Script, Then};
use anthill_http::unstable::ClientLimits;

/// Keys with one value.
const SINGLE: [&str; 13] = [
    "case", "why", "rows", "matrix", "server", "then", "ends", "refused", "alone", "input", "sent", "client",
    "left",
];

/// The cases in `text`; `file` is its name for messages.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = |problem: String| format!("{file}: line {}: {problem}", index + 1);
        if line.ends_with([' ', '\t']) {
            return Err(at("white space at the end: write \\x20".to_owned()));
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("case: ") {
            if records.iter().any(|record| record.value("case") == Some(title)) {
                return Err(at(format!("{title:?} is there twice")));
            }
            records.push(Record { line: index + 1, ..Record::default() });
        }
        let record = records.last_mut().ok_or_else(|| at("a case begins with `case: `".to_owned()))?;
        record.take(line).map_err(at)?;
    }
    let mut cases = Vec::new();
    for record in records {
        cases.extend(
            record.cases(file).map_err(|problem| format!("{file}: line {}: {problem}", record.line))?,
        );
    }
    Ok(cases)
}

/// A case as it is written.
#[derive(Debug, Default)]
struct Record {
    /// Where its title is.
    line: usize,
    values: Vec<(String, String)>,
    /// What lines that begin with `>` belong to.
    block: Option<Block>,
    input: Option<String>,
    each: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug)]
enum Block {
    Input,
    Each,
}

impl Record {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if let Some(content) = line.strip_prefix('>') {
            let content = match content.strip_prefix(' ') {
                None if !content.is_empty() => return Err("a space is wanted behind `>`".to_owned()),
                content => content.unwrap_or_default(),
            };
            match self.block {
                Some(Block::Input) => self.input.get_or_insert_default().push_str(content),
                Some(Block::Each) => self.each.get_or_insert_default().push(content.to_owned()),
                None => return Err("`>` belongs below `input:` or `each:`".to_owned()),
            }
            return Ok(());
        }
        let (key, value) = line.split_once(':').ok_or_else(|| format!("no key in {line:?}"))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        self.block = match (key, value) {
            ("input", "") => Some(Block::Input),
            ("each", "") => Some(Block::Each),
            _ => None,
        };
        let is_known = SINGLE.contains(&key) || matches!(key, "request" | "response");
        let is_empty = value.is_empty() && self.block.is_none();
        match key {
            _ if is_empty => Err(format!("{key} says nothing")),
            "each" if self.each.is_none() && self.block.is_some() => {
                self.each = Some(Vec::new());
                Ok(())
            }
            "each" => Err("`each:` is there once, and its values are below it".to_owned()),
            _ if !is_known => Err(format!("the key {key:?} is unknown")),
            _ if SINGLE.contains(&key) && self.value(key).is_some() => Err(format!("{key} is there twice")),
            _ => {
                if key == "input" {
                    self.input = Some(value.to_owned());
                }
                self.values.push((key.to_owned(), value.to_owned()));
                Ok(())
            }
        }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    fn cases(&self, file: &str) -> Result<Vec<Case>, String> {
        match &self.each {
            None => Ok(vec![self.case(file, None)?]),
            Some(variants) if variants.is_empty() => Err("`each:` without values".to_owned()),
            Some(variants) => {
                let input = self.input.as_deref().unwrap_or_default();
                if !["{}", "{1}", "{2}"].iter().any(|placeholder| input.contains(placeholder)) {
                    return Err("`each:` without a {}, {1} or {2} in the input".to_owned());
                }
                variants.iter().map(|variant| self.case(file, Some(variant))).collect()
            }
        }
    }

    fn case(&self, file: &str, variant: Option<&str>) -> Result<Case, String> {
        let fill = |source: &str| -> String {
            let Some(variant) = variant else { return source.to_owned() };
            let parts = variant.split("||").map(str::trim).enumerate();
            parts.fold(source.replace("{}", variant), |filled, (index, part)| {
                filled.replace(&format!("{{{}}}", index + 1), part)
            })
        };
        let title = self.value("case").unwrap_or_default();
        let shown = variant.map_or(String::new(), |variant| format!(" [{variant}]"));
        let label = format!("{file}: line {}: {title:?}{shown}", self.line);
        if self.value("why").is_none() {
            return Err("it does not say why".to_owned());
        }
        let input = self.input.as_deref().filter(|input| !input.is_empty()).ok_or("there is no input")?;
        let input = text::with_marks(&fill(input))?;
        let trial = match self.value("sent") {
            None => Trial::Server(Box::new(self.server_trial(input, &fill)?)),
            Some(sent) => {
                Trial::Client(Box::new(self.client_trial(Sent::parse(&fill(sent))?, input, &fill)?))
            }
        };
        let rows = list(self.value("rows")).map(str::to_owned).collect();
        Ok(Case { label, rows, matrix: self.value("matrix").map(str::to_owned), trial })
    }

    fn server_trial(&self, input: text::Text, fill: &dyn Fn(&str) -> String) -> Result<ServerTrial, String> {
        if let Some(key) = ["client", "left"].into_iter().find(|key| self.value(key).is_some()) {
            return Err(format!("{key} belongs to a case with `sent`"));
        }
        let requests: Vec<_> =
            self.all("request").map(|line| RequestLine::parse(&fill(line))).collect::<Result<_, _>>()?;
        let responses = self.responses(fill)?;
        let end = match (self.value("ends"), self.value("refused")) {
            (Some(_), Some(_)) => return Err("what is refused ends so: leave `ends` out".to_owned()),
            (Some("close"), None) => End::Close,
            (Some("silence"), None) => End::Silence,
            (Some("peer"), None) => End::Peer,
            (Some(other), None) => return Err(format!("{other:?} is no end: say peer, close or silence")),
            (None, Some(refused)) => refusal(&fill(refused))?,
            (None, None) if requests.is_empty() => return Err("there is nothing expected".to_owned()),
            (None, None) => End::Peer,
        };
        Ok(ServerTrial {
            server: list(self.value("server")).map(server_option).collect::<Result<_, _>>()?,
            script: Script {
                bytes: input.bytes,
                cuts: Vec::new(),
                waits: input.waits,
                then: self.then(fill)?,
            },
            stop: input.stop,
            alone: self.is_alone()?,
            expected: Expected { requests, responses: (!responses.is_empty()).then_some(responses), end },
        })
    }

    fn client_trial(
        &self,
        sent: Sent,
        input: text::Text,
        fill: &dyn Fn(&str) -> String,
    ) -> Result<ClientTrial, String> {
        if let Some(key) = ["server", "request"].into_iter().find(|key| self.value(key).is_some()) {
            return Err(format!("{key} does not belong to a case with `sent`"));
        }
        if !input.waits.is_empty() {
            return Err("a server does not wait within a response".to_owned());
        }
        let responses = self.responses(fill)?;
        let end = match (self.value("ends"), self.value("refused")) {
            (Some(_), Some(_)) => return Err("what is refused ends so: leave `ends` out".to_owned()),
            (Some(ends), None) => fill(ends),
            (None, Some(refused)) => format!("refused {}", fill(refused)),
            (None, None) if responses.is_empty() => return Err("there is nothing expected".to_owned()),
            (None, None) => "stays".to_owned(),
        };
        let mut limits = ClientLimits::default();
        for option in list(self.value("client")) {
            client_option(&mut limits, option)?;
        }
        Ok(ClientTrial {
            sent,
            limits,
            bytes: input.bytes,
            then: self.then(fill)?,
            stop: input.stop,
            alone: self.is_alone()?,
            responses,
            end,
            left: text::bytes(&fill(self.value("left").unwrap_or_default()))?,
        })
    }

    fn responses(&self, fill: &dyn Fn(&str) -> String) -> Result<Vec<ResponseLine>, String> {
        self.all("response").map(|line| ResponseLine::parse(&fill(line))).collect()
    }

    fn then(&self, fill: &dyn Fn(&str) -> String) -> Result<Then, String> {
        self.value("then").map_or(Ok(Then::default()), |value| then(&fill(value)))
    }

    fn is_alone(&self) -> Result<bool, String> {
        match self.value("alone") {
            None => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(format!("alone: {other:?}: say yes or leave it out")),
        }
    }
}

/// The parts of a value that has commas between them.
fn list(value: Option<&str>) -> impl Iterator<Item = &str> {
    value.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn client_option(limits: &mut ClientLimits, option: &str) -> Result<(), String> {
    let (name, number) = option.split_once('=').ok_or_else(|| format!("{option:?} has no number"))?;
    let number: usize = number.parse().map_err(|_| format!("{option:?} has no number"))?;
    match name {
        "head_bytes" => limits.head_bytes = number,
        "fields" => limits.fields = number,
        "body_bytes" => limits.body_bytes = Some(number as u64),
        _ => return Err(format!("a client has no option {option:?}")),
    }
    Ok(())
}

fn refusal(value: &str) -> Result<End, String> {
    let wanted = || format!("{value:?} is no refusal: say `400 Syntax`");
    let (status, error) = value.split_once(' ').ok_or_else(wanted)?;
    Ok(End::Refused(status.parse().map_err(|_| wanted())?, error.to_owned()))
}

fn server_option(option: &str) -> Result<(String, Option<u64>), String> {
    match option.split_once('=') {
        None if matches!(option, "get_only" | "disable_keepalive" | "unlimited_request_body_size") => {
            Ok((option.to_owned(), None))
        }
        Some((name @ ("max_request_body_size" | "max_requests_per_conn" | "read_buffer_size"), number)) => {
            let number = number.parse().map_err(|_| format!("{option:?} has no number"))?;
            Ok((name.to_owned(), Some(number)))
        }
        _ => Err(format!("the server has no option {option:?} here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "case: a\nwhy: b\ninput: x\nrefused: 400 Syntax\n";

    #[test]
    fn a_file_is_a_list_of_cases() {
        let text = format!(
            "# A comment.\n\n{CASE}\n{}rows: PAR-01, PAR-02\nmatrix: m\neach:\n>\n> y  z\n> \\x20\n",
            CASE.replace("case: a", "case: b").replace("input: x", "input:\n> x{}\n> -")
        );
        let cases = parse("f", &text).unwrap();
        assert_eq!(cases.len(), 4);
        assert_eq!(cases[0].label, "f: line 3: \"a\"");
        let inputs: Vec<_> = cases
            .iter()
            .map(|case| match &case.trial {
                Trial::Server(trial) => trial.script.bytes.as_slice(),
                Trial::Client(trial) => &trial.bytes,
            })
            .collect();
        assert_eq!(inputs, [&b"x"[..], b"x-", b"xy  z-", b"x -"]);
        assert_eq!(cases[3].rows, ["PAR-01", "PAR-02"]);
        assert_eq!((&cases[0].matrix, cases[3].matrix.as_deref()), (&None, Some("m")));
        assert!(cases[2].label.ends_with("[y  z]"));
    }

    #[test]
    fn slips_are_errors_that_name_the_line() {
        for slip in [
            "why: twice",
            "unknown: x",
            "ends: peer",
            "matrix:",
            "no key",
            "server: turbo",
            "server: max_request_body_size",
            "server: get_only=1",
            "then: leaves",
            "left: x",
            "client: fields=1",
            "alone: no",
            "request: GET",
            "response: x",
            "each: x",
            "each:",
            "each:\n> x",
            "> stray",
            "matrix: x ",
            "case: a",
            "case: only a title",
        ] {
            let problem = parse("f", &format!("{CASE}{slip}\n")).expect_err(slip);
            assert!(problem.starts_with("f: line "), "{problem}");
        }
        for broken in ["input: x\\q", "input:\n>x", "input: {}", "input:"] {
            assert!(parse("f", &CASE.replace("input: x", broken)).is_err(), "{broken:?}");
        }
        for refused in ["refused: 400", "refused: x Syntax", "ends: well"] {
            assert!(parse("f", &CASE.replace("refused: 400 Syntax", refused)).is_err(), "{refused:?}");
        }
        for slip in [
            "sent: GET what",
            "sent: GET\nclient: fields",
            "sent: GET\nclient: x=1",
            "sent: GET\nserver: get_only",
        ] {
            assert!(
                parse("f", &CASE.replace("refused: 400 Syntax", &format!("{slip}\nrefused: Syntax")))
                    .is_err(),
                "{slip:?}"
            );
        }
        assert!(parse("f", &CASE.replace("why: b\n", "")).is_err());
        assert!(parse("f", "why: b\n").is_err());
    }
}
