//! Paths with parameters, and how they are found.
//!
//! The idea: where a pattern has its parameters is its layout, and a program has few of these. Of all patterns of one
//! layout a path can match one, which is found by the texts between the parameters as by a name. So a path is gone
//! through once, and then there is a look into a table for each layout that it could have, the most particular first.
//!
//! The rule: a search takes no memory, and never more looks than the program has layouts, whatever the path.

use super::key_table::KeyTable;
use super::pattern::{Pattern, PatternSegment};
use crate::util::segments::Segments;
use std::ops::Range;

/// Patterns with parameters.
#[derive(Debug)]
pub(super) struct LayoutTables<T> {
    /// The most particular first: judged from the front, text comes before a parameter, and that before all that is
    /// left.
    tables: Vec<LayoutTable<T>>,
    /// By number of segments, which of the tables. The last is for all longer paths.
    by_count: Vec<Vec<usize>>,
}

/// Patterns of one layout, by their texts.
#[derive(Debug)]
struct LayoutTable<T> {
    layout: ParamLayout,
    entries: KeyTable<T>,
}

/// Where a pattern has its parameters.
#[derive(Debug)]
pub(super) struct ParamLayout {
    /// Which of its segments are parameters.
    params: Vec<usize>,
    /// How many segments it has before all that is left, or at all.
    count: usize,
    has_rest: bool,
}

impl<T: Copy> LayoutTables<T> {
    pub(super) fn new(patterns: &[(&Pattern, T)]) -> Self {
        let mut sorted: Vec<(Vec<u8>, &Pattern, T)> =
            patterns.iter().map(|(pattern, entry)| (ranks(pattern), *pattern, *entry)).collect();
        sorted.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let of_layouts = sorted.chunk_by(|(one, ..), (other, ..)| one == other);
        let tables: Vec<LayoutTable<T>> = of_layouts.filter_map(LayoutTable::of).collect();
        let longest = tables.iter().map(|table| table.layout.segments()).max();
        let fitting = |count: usize| {
            let all = tables.iter().enumerate();
            all.filter(|(_, table)| table.layout.fits_count(count)).map(|(index, _)| index).collect()
        };
        let by_count = longest.map_or_else(Vec::new, |longest| (0..longest + 2).map(fitting).collect());
        Self { tables, by_count }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// How many segments of a path have to be known.
    pub(super) fn depth(&self) -> usize {
        self.by_count.len().saturating_sub(1)
    }

    /// The most particular pattern that the path matches.
    #[inline]
    pub(super) fn find(&self, segments: &Segments) -> Option<(T, &ParamLayout)> {
        let which = self.by_count.get(segments.count().min(self.depth()))?;
        which.iter().find_map(|index| {
            let LayoutTable { layout, entries } = self.tables.get(*index)?;
            let entry = entries.find(layout.key(segments), |text| layout.has_text(segments, text))?;
            Some((*entry, layout))
        })
    }
}

/// None.
impl<T> Default for LayoutTables<T> {
    fn default() -> Self {
        Self { tables: Vec::new(), by_count: Vec::new() }
    }
}

impl<T: Copy> LayoutTable<T> {
    /// That of patterns of the same layout; `None` without any.
    fn of(patterns: &[(Vec<u8>, &Pattern, T)]) -> Option<Self> {
        let layout = ParamLayout::of(patterns.first()?.1);
        let entry_of = |(_, pattern, entry): &(Vec<u8>, &Pattern, T)| {
            let text = text_of(pattern);
            let mut segments = Segments::default();
            segments.split(&text, usize::MAX);
            (layout.key(&segments), text, *entry)
        };
        let entries = KeyTable::new(patterns.iter().map(entry_of).collect());
        Some(Self { layout, entries })
    }
}

impl ParamLayout {
    fn of(pattern: &Pattern) -> Self {
        let has_rest = pattern.has_rest();
        let all = pattern.segments.iter().enumerate();
        Self {
            params: all.filter(|(_, kind)| **kind == PatternSegment::Param).map(|(index, _)| index).collect(),
            count: pattern.segments.len() - usize::from(has_rest),
            has_rest,
        }
    }

    fn segments(&self) -> usize {
        self.count + usize::from(self.has_rest)
    }

    /// Whether paths of so many segments may have it.
    fn fits_count(&self, count: usize) -> bool {
        if self.has_rest { count > self.count } else { count == self.count }
    }

    /// By what the texts of a path are found, if they are where this has its own.
    #[inline]
    fn key(&self, segments: &Segments) -> u64 {
        let all = segments.sum(self.count);
        self.params.iter().fold(all, |key, param| key.wrapping_sub(segments.number(*param)))
    }

    /// Whether a path has these texts, one behind the other, and values between them.
    #[inline]
    fn has_text(&self, segments: &Segments, text: &[u8]) -> bool {
        let (mut text, mut at) = (text, 0);
        for param in &self.params {
            let place = segments.place(*param);
            match text.strip_prefix(segments.bytes(at..place.start)) {
                Some(rest) if !place.is_empty() => (text, at) = (rest, place.end),
                _ => return false,
            }
        }
        let end = if self.has_rest { segments.start(self.count) } else { segments.end() };
        text == segments.bytes(at..end) && (!self.has_rest || end < segments.end())
    }

    /// Where the value of a parameter is in a path that has it; `None`: there are not so many.
    #[inline]
    pub(super) fn value(&self, segments: &Segments, index: usize) -> Option<Range<usize>> {
        match self.params.get(index) {
            Some(param) => Some(segments.place(*param)),
            None if self.has_rest && index == self.params.len() => {
                Some(segments.start(self.count)..segments.end())
            }
            None => None,
        }
    }
}

/// How particular each segment of a pattern is; the less the more.
fn ranks(pattern: &Pattern) -> Vec<u8> {
    let rank = |segment: &PatternSegment| match segment {
        PatternSegment::Text(_) => 0,
        PatternSegment::Param => 1,
        PatternSegment::Rest => 2,
    };
    pattern.segments.iter().map(rank).collect()
}

/// The texts of a pattern with their slashes, without what is between them.
fn text_of(pattern: &Pattern) -> Vec<u8> {
    let mut written = Vec::new();
    for segment in &pattern.segments {
        written.push(b'/');
        if let PatternSegment::Text(text) = segment {
            written.extend_from_slice(text.as_bytes());
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::hash::{ODD, mix};

    /// Whoever knows how numbers are made can make a text with the number of another one.
    #[test]
    fn texts_of_one_number_are_told_apart() {
        let after = |word| mix(ODD.wrapping_mul(2), word);
        let word = u64::from_le_bytes;
        let path = |words: [u64; 2]| [&b"/v/"[..], &words[0].to_le_bytes(), &words[1].to_le_bytes()].concat();
        let known = [word(*b"aaaaaaaa"), word(*b"bbbbbbbb")];
        let others = (1..).map(|other| [other, known[1] ^ after(known[0]) ^ after(other)]);
        let other = others.map(path).find(|path| path.iter().filter(|byte| **byte == b'/').count() == 2);
        let pattern = Pattern::parse("/{a}/aaaaaaaabbbbbbbb").unwrap();
        let tables = LayoutTables::new(&[(&pattern, ())]);
        let (mut segments, mut same) = (Segments::default(), Segments::default());
        segments.split(&path(known), 9);
        assert!(tables.find(&segments).is_some());
        same.split(&other.unwrap(), 9);
        assert_eq!(same.number(1), segments.number(1));
        assert!(tables.find(&same).is_none());
    }
}
