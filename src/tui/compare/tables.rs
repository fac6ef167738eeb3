//! Settings, ranks and figures as tables with a column for every run.

use super::{Compare, Pane};
use crate::run::compare::{other_rows, ranks, scores, totals};
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::{clean, cut, figure, grouped, pad, width};
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthChar;

/// Columns of a run's column, a blank behind it included: at least, up to where it is as wide as its cells, and at most.
const LEAST: usize = 7;
const SNUG: usize = 10;
const MOST: usize = 26;
/// Runs up to which there is room for whole numbers.
const MANY: usize = 4;
/// Columns of the names of the lines: what they are cut to where more runs have room then, and at most.
const LEAST_LABEL: usize = 20;
const MOST_LABEL: usize = 44;

/// A table: the heading stays, the lines scroll.
pub struct Table {
    pub heading: Vec<Span<'static>>,
    pub lines: Vec<Vec<Span<'static>>>,
    /// What there is to say of all lines, one thing a piece.
    pub facts: Vec<Span<'static>>,
}

/// Which runs have a column, and how wide it is. The first run always has one: the others are compared with it.
struct Columns {
    label: usize,
    width: usize,
    runs: Vec<usize>,
    /// The most runs that can be left out behind the first.
    most_shift: usize,
}

impl Columns {
    fn of(compare: &Compare, labels: usize, cells: usize, room: u16) -> Columns {
        let (room, count) = (usize::from(room), compare.sides.len());
        let least = (cells + 1).clamp(LEAST, SNUG);
        // A name is whole where all runs, or the first three, have their columns beside it: its end says what it is.
        let of_runs = (count.min(3) * least).min(room * 3 / 5);
        let whole = labels.min(MOST_LABEL).min(room.saturating_sub(of_runs + 2).max(8));
        let beside_all = room.saturating_sub(count * least + 2);
        let label = whole.min(beside_all.max(LEAST_LABEL.min(whole))) + 2;
        let rest = room.saturating_sub(label);
        let fits = (rest / least).clamp(1, count.max(1));
        let most_shift = count.saturating_sub(fits.max(2));
        let shift = compare.shift.min(most_shift);
        let others = (1 + shift..count).take(fits.saturating_sub(1));
        Columns {
            label,
            width: (rest / fits).clamp(LEAST, MOST),
            runs: (0..count.min(1)).chain(others).collect(),
            most_shift,
        }
    }

    /// How many runs are left out between the first and the next one, and behind the last.
    fn left_out(&self, count: usize) -> (usize, usize) {
        let next = self.runs.get(1).map_or(1, |run| *run);
        let last = self.runs.last().map_or(0, |run| run + 1);
        (next.saturating_sub(1), count.saturating_sub(last))
    }
}

/// The most runs that can be left out of a table of so many columns.
pub fn most_shift(compare: &Compare, room: u16, look: Look) -> usize {
    content(compare, look).map_or(0, |content| content.columns(compare, room, look).most_shift)
}

/// What a cell says, with its style.
type Cell = (String, Style);

/// A table before it is known how much room there is.
struct Content {
    /// Name of the line, and the cell of every run.
    rows: Vec<(String, Vec<Cell>)>,
    /// Where there are no rows.
    nothing: &'static str,
    facts: Vec<Span<'static>>,
}

impl Content {
    fn columns(&self, compare: &Compare, room: u16, look: Look) -> Columns {
        let labels = self.rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
        // The mark of the best may stand in the blank behind a column.
        let bare = |(text, _): &Cell| width(text.trim_end_matches(look.glyphs().said));
        let cells = self.rows.iter().flat_map(|(_, cells)| cells).map(bare).max().unwrap_or(0);
        Columns::of(compare, labels, cells, room)
    }
}

/// The table of the pane that has the focus, or of another one.
pub fn table(compare: &Compare, pane: Pane, room: u16, look: Look) -> Option<Table> {
    let content = content_of(compare, pane, look)?;
    let columns = content.columns(compare, room, look);
    let ellipsis = look.glyphs().ellipsis;
    if content.rows.is_empty() {
        let lines = vec![vec![span(content.nothing, look.faint())]];
        return Some(Table { heading: Vec::new(), lines, facts: content.facts });
    }
    let mut facts = content.facts;
    if columns.most_shift > 0 {
        let last = columns.runs.last().copied().unwrap_or(0) + 1;
        let first = columns.runs.get(1).map_or(last, |run| run + 1);
        let text = format!("run 1, {first}-{last} of {} {}", compare.sides.len(), look.glyphs().left_right);
        facts.insert(0, span(text, look.accent()));
    }
    let (before, behind) = columns.left_out(compare.sides.len());
    let mut heading = vec![plain(" ".repeat(columns.label))];
    for (place, run) in columns.runs.iter().enumerate() {
        let text = format!("{} {}", run + 1, name_in(compare, *run, columns.width - 3, ellipsis));
        heading.push(span(
            pad(&text, columns.width - 1, ellipsis),
            look.series(compare.sides[*run].hue).patch(look.strong()),
        ));
        // Runs that are out of sight leave a mark where they would stand.
        let is_cut = (place == 0 && before > 0) || (place + 1 == columns.runs.len() && behind > 0);
        heading.push(if is_cut { span(ellipsis, look.accent()) } else { plain(" ") });
    }
    let line = |(label, cells): (String, Vec<Cell>)| {
        let label = match pane {
            Pane::Ranks => cut_front(&initials(&label, columns.label - 2), columns.label - 2, ellipsis),
            _ => cut_front(&label, columns.label - 2, ellipsis),
        };
        let mut spans = vec![span(pad(&label, columns.label, ""), Style::new())];
        for run in &columns.runs {
            let (text, style) = cells.get(*run).cloned().unwrap_or_default();
            if width(&text) == columns.width {
                spans.push(span(text, style));
                continue;
            }
            // What differs between two paths is at their ends.
            let room = columns.width - 1;
            let text = if text.contains('/') { cut_front(&text, room, ellipsis) } else { text };
            spans.push(span(pad(&text, room, ellipsis), style));
            spans.push(plain(" "));
        }
        spans
    };
    Some(Table { heading, lines: content.rows.into_iter().map(line).collect(), facts })
}

/// The name of a run in so many columns: its beginning, or its end where another run begins alike.
fn name_in(compare: &Compare, run: usize, room: usize, ellipsis: &str) -> String {
    let name = &compare.called(run);
    let begins = |name: &str| cut(name, room, ellipsis);
    let mut others = (0..compare.sides.len()).filter(|other| *other != run).map(|other| compare.called(other));
    let is_alike = others.any(|other| begins(&other) == begins(name));
    if is_alike { cut_front(name, room, ellipsis) } else { begins(name) }
}

fn content(compare: &Compare, look: Look) -> Option<Content> {
    content_of(compare, compare.pane, look)
}

fn content_of(compare: &Compare, pane: Pane, look: Look) -> Option<Content> {
    match pane {
        Pane::Curves => None,
        Pane::Settings => Some(of_settings(compare, look)),
        Pane::Ranks => Some(of_ranks(compare, look)),
        Pane::Scores => Some(of_scores(compare, look)),
    }
}

fn of_settings(compare: &Compare, look: Look) -> Content {
    let cell = |value: &Option<String>| match value.as_deref() {
        None => ("?".to_owned(), look.faint()),
        Some("unset") => ("unset".to_owned(), look.faint()),
        Some(value) => (value.trim_matches('"').to_owned(), Style::new()),
    };
    let rows =
        compare.settings.iter().map(|setting| (setting.key.to_owned(), setting.values.iter().map(cell).collect()));
    let unread = compare.sides.iter().filter(|side| side.experiment.is_none()).count();
    Content {
        rows: rows.collect(),
        nothing: if unread > 0 { "reading the settings" } else { "no setting differs" },
        facts: Vec::new(),
    }
}

fn of_ranks(compare: &Compare, look: Look) -> Content {
    let sides = compare.compared();
    let modules = ranks(&sides);
    let totals = totals(&sides);
    let prefix = common_prefix(modules.iter().map(|module| module.path.as_str()));
    let first = totals.first();
    let mut rows: Vec<(String, Vec<Cell>)> = Vec::new();
    if !modules.is_empty() {
        let parameters = |total: &crate::run::compare::Total| match total.mean_rank {
            Some(_) if compare.sides.len() > MANY => (in_few(total.parameters), look.strong()),
            Some(_) => (grouped(total.parameters), look.strong()),
            None => ("-".to_owned(), look.faint()),
        };
        rows.push(("LoRA parameters".into(), totals.iter().map(parameters).collect()));
        let share = |(run, total): (usize, &crate::run::compare::Total)| {
            let base = first.map_or(0, |first| first.parameters);
            if run == 0 || base == 0 || total.mean_rank.is_none() {
                return (String::new(), Style::new());
            }
            let percent = 100.0 * (total.parameters as f64 / base as f64 - 1.0);
            match format!("{percent:+.1}") {
                same if same == "+0.0" || same == "-0.0" => ("=".to_owned(), look.faint()),
                _ if percent.abs() >= 10.0 => (format!("{percent:+.0} %"), look.accent()),
                other => (format!("{other} %"), look.accent()),
            }
        };
        rows.push(("  to the first".into(), totals.iter().enumerate().map(share).collect()));
        let mean = |total: &crate::run::compare::Total| {
            (total.mean_rank.map_or("-".to_owned(), |rank| format!("{rank:.2}")), Style::new())
        };
        rows.push(("mean rank".into(), totals.iter().map(mean).collect()));
        let kind = |total: &crate::run::compare::Total| match (total.mean_rank, total.allocated) {
            (None, _) => (String::new(), Style::new()),
            (_, true) => ("final".to_owned(), look.faint()),
            (_, false) => ("so far".to_owned(), look.faint()),
        };
        rows.push(("ranks are".into(), totals.iter().map(kind).collect()));
    }
    for module in &modules {
        let cell = |run: usize| {
            let Some(rank) = module.ranks[run] else { return ("-".to_owned(), look.faint()) };
            match module.difference(run) {
                _ if run == 0 => (format!("{rank:>2}"), Style::new()),
                Some(0) => (format!("{rank:>2}  ="), look.faint()),
                Some(difference) => (format!("{rank:>2} {difference:>+2}"), look.strong()),
                None => (format!("{rank:>2}"), Style::new()),
            }
        };
        let label = module.path.strip_prefix(prefix).unwrap_or(&module.path);
        rows.push((clean(label).into_owned(), (0..compare.sides.len()).map(cell).collect()));
    }
    let facts = if prefix.is_empty() || modules.is_empty() {
        Vec::new()
    } else {
        vec![span(format!("modules of {}", prefix.trim_end_matches('.')), look.faint())]
    };
    Content { rows, nothing: "no ranks yet", facts }
}

fn of_scores(compare: &Compare, look: Look) -> Content {
    let glyphs = look.glyphs();
    let found = scores(&compare.compared(), compare.has_same_rows());
    let mut facts = Vec::new();
    let other = other_rows(&compare.settings);
    if found.iter().any(|score| !score.best.is_empty()) {
        facts.push(span(format!("{} best", glyphs.said), look.good()));
    } else if let (Some(key), false) = (other.first(), found.is_empty()) {
        facts.push(span(format!("of other rows: {key} differs"), look.warning()));
    }
    if found.iter().any(|score| score.less_is_better) {
        facts.push(span(format!("{} less is better", glyphs.less), look.faint()));
    }
    let row = |score: crate::run::compare::Score| {
        let cell = |(run, value): (usize, &Option<f64>)| match value {
            None => ("-".to_owned(), look.faint()),
            Some(value) if score.best.contains(&run) => {
                (format!("{}{}", figure(*value), glyphs.said), look.good().patch(look.strong()))
            }
            Some(value) => (figure(*value), Style::new()),
        };
        let label = if score.less_is_better { format!("{} {}", score.name, glyphs.less) } else { score.name.clone() };
        (clean(&label).into_owned(), score.values.iter().enumerate().map(cell).collect())
    };
    Content { rows: found.into_iter().map(row).collect(), nothing: "no figures yet", facts }
}

/// A module's path in so many columns, where that is possible: names of what it is in become their first letters, from the
/// left; the layer's number and the last name stay.
fn initials(path: &str, columns: usize) -> String {
    let mut parts: Vec<&str> = path.split('.').collect();
    for at in 0..parts.len().saturating_sub(1) {
        if width(&parts.join(".")) <= columns {
            break;
        }
        let is_number = parts[at].chars().all(|c| c.is_ascii_digit());
        let first = parts[at].chars().next().map_or(0, char::len_utf8);
        if !is_number {
            parts[at] = &parts[at][..first];
        }
    }
    parts.join(".")
}

/// A count in six columns: `33,792`, `295k`, `1.2M`.
fn in_few(count: usize) -> String {
    match count {
        0..100_000 => grouped(count),
        100_000..999_500 => format!("{:.0}k", count as f64 / 1e3),
        999_500..99_950_000 => format!("{:.1}M", count as f64 / 1e6),
        99_950_000..999_500_000 => format!("{:.0}M", count as f64 / 1e6),
        _ => format!("{:.1}G", count as f64 / 1e9),
    }
}

/// What all paths begin with, up to a dot.
fn common_prefix<'a>(mut paths: impl Iterator<Item = &'a str>) -> &'a str {
    let Some(first) = paths.next() else { return "" };
    let mut length = first.rfind('.').map_or(0, |dot| dot + 1);
    for path in paths {
        while !path.starts_with(&first[..length]) {
            length = first[..length.saturating_sub(1)].rfind('.').map_or(0, |dot| dot + 1);
        }
    }
    &first[..length]
}

/// The cleaned text in at most `columns` columns, its beginning replaced by `ellipsis` where it is longer.
fn cut_front(text: &str, columns: usize, ellipsis: &str) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut used = 0;
    let from = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let start = from.last().map_or(text.len(), |(at, _)| at);
    cut(&format!("{ellipsis}{}", &text[start..]), columns, ellipsis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_lose_what_all_begin_with() {
        assert_eq!(common_prefix(["a.b.0.q", "a.b.1.q", "a.b.11.v"].into_iter()), "a.b.");
        assert_eq!(common_prefix(["a.b.q", "c.b.q"].into_iter()), "");
        assert_eq!(common_prefix(["a.b.q"].into_iter()), "a.b.");
        assert_eq!(common_prefix(["abc.q", "ab.q"].into_iter()), "");
        assert_eq!(common_prefix(std::iter::empty()), "");
    }

    #[test]
    fn names_that_begin_alike_are_known_by_their_ends() {
        let names = ["sweep-lr-1e-3", "sweep-lr-2e-3", "other-long-name", "x"];
        let runs = names.iter().enumerate().map(|(at, name)| (at.to_string(), (*name).to_owned(), at));
        let compare = Compare::new(runs);
        let found: Vec<String> = (0..4).map(|run| name_in(&compare, run, 8, "…")).collect();
        assert_eq!(found, ["…lr-1e-3", "…lr-2e-3", "other-l…", "x"]);
    }

    #[test]
    fn a_path_keeps_its_layer_and_its_last_name() {
        let path = "11.attention.self.query";
        assert_eq!(
            [23, 20, 14, 3].map(|room| initials(path, room)),
            [path, "11.a.self.query", "11.a.s.query", "11.a.s.query"]
        );
        assert_eq!(initials("", 3), "");
    }

    #[test]
    fn counts_fit_into_six_columns() {
        let counts = [0, 3264, 99_999, 294_912, 999_999, 1_234_567, 99_999_999, 123_456_789, 7_300_000_000];
        let found = counts.map(in_few);
        assert_eq!(found, ["0", "3,264", "99,999", "295k", "1.0M", "1.2M", "100M", "123M", "7.3G"]);
    }

    #[test]
    fn eight_runs_stand_beside_each_other_in_half_of_a_wide_terminal() {
        let compare = Compare::new((0..8).map(|at| (at.to_string(), "run".to_owned(), at)));
        for (labels, cells) in [(22, 6), (39, 6), (24, 6)] {
            let columns = Columns::of(&compare, labels, cells, 78);
            assert_eq!((columns.runs.len(), columns.left_out(8)), (8, (0, 0)), "{labels}");
        }
        let narrow = Columns::of(&compare, 22, 9, 78);
        assert_eq!((narrow.runs.len(), narrow.left_out(8)), (5, (0, 3)));
        let two = Compare::new((0..2).map(|at| (at.to_string(), "run".to_owned(), at)));
        assert_eq!(Columns::of(&two, 39, 12, 78).label, 41, "a name is whole where there is room");
    }

    #[test]
    fn a_long_text_keeps_its_end() {
        assert_eq!(cut_front("/data/glue/train.tsv", 10, "…"), "…train.tsv");
        assert_eq!(cut_front("short", 10, "…"), "short");
        assert_eq!(cut_front("模型模型", 5, "…"), "…模型");
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_asked(text in ".*", columns in 0usize..30) {
            prop_assert!(width(&cut_front(&text, columns, "…")) <= columns);
        }
    }
}
