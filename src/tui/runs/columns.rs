//! The columns of the table: what each says, and which fit.

use super::RunRow;
use crate::run::event::Phase;
use crate::run::outlook::percent;
use crate::run::view::State;
use crate::tui::look::Look;
use crate::tui::monitor::short;
use crate::tui::text::{duration, figure, grouped, moment, rough_duration};
use jiff::tz::TimeZone;
use ratatui::style::Style;

/// A column beside that of the name, which is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    State,
    Progress,
    Left,
    Score,
    Phase,
    Steps,
    Best,
    Started,
    Rank,
    Parameters,
    Took,
    Model,
    Data,
    Tags,
    Note,
    Parent,
    Id,
}

/// Columns of the terminal before the name: cursor, mark, star, a blank.
pub const BEFORE: usize = 4;
/// Of the name: at least where another column would take more, and at most.
const LEAST_NAME: usize = 16;
const MOST_NAME: usize = 36;

impl Column {
    /// All, in the order in which they are offered.
    pub const ALL: [Column; 17] = [
        Column::State,
        Column::Progress,
        Column::Left,
        Column::Score,
        Column::Started,
        Column::Rank,
        Column::Parameters,
        Column::Model,
        Column::Data,
        Column::Took,
        Column::Tags,
        Column::Phase,
        Column::Steps,
        Column::Best,
        Column::Note,
        Column::Parent,
        Column::Id,
    ];

    /// Those of a table that nobody has changed.
    pub const USUAL: [Column; 12] = [
        Column::State,
        Column::Progress,
        Column::Left,
        Column::Score,
        Column::Started,
        Column::Rank,
        Column::Parameters,
        Column::Model,
        Column::Data,
        Column::Took,
        Column::Tags,
        Column::Id,
    ];

    /// The heading, and the word in the file that remembers.
    pub fn title(self) -> &'static str {
        match self {
            Column::State => "state",
            Column::Phase => "phase",
            Column::Progress => "progress",
            Column::Left => "time left",
            Column::Score => "score",
            Column::Steps => "steps",
            Column::Best => "best loss",
            Column::Started => "started",
            Column::Rank => "mean rank",
            Column::Parameters => "parameters",
            Column::Took => "took",
            Column::Model => "model",
            Column::Data => "data",
            Column::Tags => "tags",
            Column::Note => "note",
            Column::Parent => "parent",
            Column::Id => "id",
        }
    }

    /// The column of that heading.
    pub fn of(title: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.title() == title)
    }

    /// One line about it.
    pub fn about(self) -> &'static str {
        match self {
            Column::State => "what the run is doing",
            Column::Phase => "stage of a run that is not finished",
            Column::Progress => "the phase, and how much of it is done",
            Column::Left => "until the end of all phases; of a run at work",
            Column::Steps => "steps of the phase, done and in all",
            Column::Rank => "mean rank; faint while it may change",
            Column::Parameters => "LoRA parameters at these ranks",
            Column::Score => "score; of a run under way its best validation loss",
            Column::Best => "lowest validation loss of the search, and its step",
            Column::Started => "when the run was made",
            Column::Took => "how long a run that ended by itself took",
            Column::Model => "the model",
            Column::Data => "the dataset, or the training file",
            Column::Tags => "your tags",
            Column::Note => "your note",
            Column::Parent => "the run that it was made from",
            Column::Id => "the run's id",
        }
    }

    /// Columns of the terminal.
    pub fn width(self) -> usize {
        match self {
            Column::State => 10,
            Column::Phase => 8,
            Column::Progress => 14,
            Column::Left => 11,
            // A figure, a blank, and a short name of it.
            Column::Score => 15,
            Column::Steps => 13,
            Column::Rank => 9,
            Column::Parameters => 11,
            Column::Best => 16,
            Column::Started => 11,
            Column::Took => 11,
            Column::Model | Column::Data => 16,
            Column::Tags => 18,
            Column::Note => 30,
            Column::Parent | Column::Id => 20,
        }
    }

    /// What it says of a run.
    pub fn text(self, row: &RunRow, zone: &TimeZone) -> String {
        match self {
            Column::State => row.state_word().to_owned(),
            Column::Phase if row.state == State::Finished => String::new(),
            Column::Phase => row.phase.map_or("", Phase::name).into(),
            Column::Progress => progress(row),
            Column::Steps => steps(row),
            Column::Left => row.left.map_or(String::new(), |left| until(left.seconds)),
            Column::Score => match (row.score.is_some(), row.figure()) {
                (_, None) => String::new(),
                (true, Some((name, value))) => format!("{} {}", figure(value), in_short(name)),
                (false, Some((name, value))) => format!("{} {name}", figure(value)),
            },
            Column::Best => row.best.map_or(String::new(), |(step, loss)| format!("{} at {step}", figure(loss))),
            // Year and century are in the lines below; here every column counts.
            Column::Started => row.started.as_deref().map_or(String::new(), |time| short_moment(time, zone)),
            Column::Took => row.took.map_or(String::new(), duration),
            Column::Rank => row.ranks.map_or(String::new(), |ranks| format!("{:.2}", ranks.mean)),
            Column::Parameters => row.ranks.and_then(|ranks| ranks.parameters).map_or(String::new(), grouped),
            Column::Model => brief(&row.model),
            Column::Data => brief(&row.data),
            Column::Tags => row.notes.tags.join(" "),
            Column::Note => row.notes.note.clone(),
            Column::Parent => row.parent.clone().unwrap_or_default(),
            Column::Id => row.id.clone(),
        }
    }

    /// The same as the table draws it.
    pub fn cell(self, row: &RunRow, zone: &TimeZone, look: Look) -> (String, Style) {
        let text = self.text(row, zone);
        let comes = text.is_empty() && row.reads_on && row.state != State::Queued;
        match self {
            Column::Best | Column::Rank | Column::Parameters if comes => (look.glyphs().ellipsis.into(), look.faint()),
            // Without its score, the best of what was read is not the best.
            Column::Score if row.score.is_none() && row.reads_on && row.state != State::Queued => {
                (look.glyphs().ellipsis.into(), look.faint())
            }
            Column::State if row.unreadable.is_some() => (text, look.bad()),
            Column::State => {
                let (glyph, style) = look.state(row.state);
                (format!("{glyph} {text}"), style)
            }
            Column::Left if row.left.is_some_and(|left| left.at_least) => {
                // Of two characters there is no room.
                (format!("{}{text}", if look.unicode { look.glyphs().at_least } else { ">" }), Style::new())
            }
            Column::Score if row.score.is_some() => (text, look.strong()),
            Column::Rank | Column::Parameters if row.ranks.is_some_and(|ranks| !ranks.allocated) => {
                (text, look.faint())
            }
            Column::Tags => (text, look.accent()),
            Column::Parent | Column::Id => (text, look.faint()),
            _ => (text, Style::new()),
        }
    }
}

/// The name of a figure in the columns that the table has for it; in the lines below it is whole.
fn in_short(figure: &str) -> &str {
    match figure {
        "matthews_correlation" => "matthews",
        "entity_f1" => "ent. f1",
        "entity_f1_strict" => "strictf1",
        "entity_precision" => "ent. pr.",
        "entity_recall" => "ent. re.",
        "perplexity" => "perplex.",
        other => other,
    }
}

/// The phase and its share, of a run that is not finished.
fn progress(row: &RunRow) -> String {
    let phase = if row.warms_up { "warm-up" } else { row.phase.map_or("", Phase::name) };
    match (row.state, row.total) {
        (State::Queued, _) => row.place.map_or(String::new(), |place| format!("place {place}")),
        (State::Finished, _) => String::new(),
        (_, 0) => phase.to_owned(),
        (_, total) => format!("{phase:<8} {:>3} %", percent(row.step, total)),
    }
}

/// Steps done and in all, of a run that is not finished.
fn steps(row: &RunRow) -> String {
    match (row.state, row.total) {
        (State::Queued | State::Finished, _) | (_, 0) => String::new(),
        (_, total) => format!("{}/{total}", row.step),
    }
}

/// Time left in few columns: `40 s`, `6 min`, `3 h 20 min`, `12 h`, `4 d`; what is far off is not known to the minute.
fn until(seconds: f64) -> String {
    match seconds {
        _ if (36_000.0..86_400.0).contains(&seconds) => format!("{:.0} h", seconds / 3600.0),
        _ if seconds >= 86_400.0 && seconds.is_finite() => format!("{:.0} d", seconds / 86_400.0),
        _ if (3570.0..3600.0).contains(&seconds) => "60 min".into(),
        _ => rough_duration(seconds),
    }
}

/// A start without its year: `11-23 20:33`.
pub fn short_moment(time: &str, zone: &TimeZone) -> String {
    let text = moment(time, zone);
    text.strip_prefix("20").and_then(|rest| rest.get(3..)).unwrap_or(&text).to_owned()
}

/// A model or dataset in few columns: what is embedded has no need to say so here.
fn brief(id: &str) -> String {
    let name = short(id);
    name.strip_prefix("builtin:").unwrap_or(name).to_owned()
}

/// The first of the chosen columns that fit, and the columns that are left for the name.
pub fn fitting(chosen: &[Column], screen: u16) -> (&[Column], usize) {
    let room = usize::from(screen).saturating_sub(BEFORE);
    let mut taken = 0;
    let fits = |column: &&Column| {
        let with = taken + column.width() + 2;
        let fits = with + LEAST_NAME <= room;
        if fits {
            taken = with;
        }
        fits
    };
    let count = chosen.iter().take_while(fits).count();
    (&chosen[..count], room.saturating_sub(taken).min(MOST_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Choice, MetricKind};

    #[test]
    fn the_usual_columns_of_80_say_state_progress_time_left_and_score() {
        use Column::{Left, Progress, Score, State};
        assert_eq!(fitting(&Column::USUAL, 78), (&[State, Progress, Left, Score][..], 16));
        assert_eq!(fitting(&Column::USUAL, 118).0.last(), Some(&Column::Parameters));
        assert_eq!(fitting(&Column::USUAL, 10), (&[][..], 6));
        assert_eq!(fitting(&[], 200), (&[][..], MOST_NAME));
        assert_eq!(fitting(&Column::USUAL, 0), (&[][..], 0));
    }

    #[test]
    fn time_left_fits_however_long() {
        for seconds in [0.0, 89.0, 90.0, 3569.0, 3590.0, 35_999.0, 36_000.0, 86_399.0, 86_400.0, 9e7] {
            assert!(until(seconds).len() < Column::Left.width(), "{}", until(seconds));
        }
        assert_eq!([40.0, 370.0, 12_000.0, 45_000.0, 3e5].map(until), ["40 s", "6 min", "3 h 20 min", "12 h", "3 d"]);
    }

    #[test]
    fn a_figure_that_the_rest_of_a_log_may_hold_has_a_mark_in_its_place() {
        let read = super::super::tests::row("25", "a", State::Finished);
        let look = Look { depth: crate::tui::palette::Depth::None, unicode: true, letters: true };
        let text = |row: &RunRow, column: Column| column.cell(row, &TimeZone::UTC, look).0;
        let reads_on = RunRow { reads_on: true, best: Some((4, 0.5)), ..read.clone() };
        assert_eq!((text(&reads_on, Column::Rank), text(&read, Column::Rank)), ("…".into(), String::new()));
        assert_eq!(text(&reads_on, Column::Best), "0.5000 at 4", "what is known is shown");
        assert_eq!(text(&RunRow { state: State::Queued, ..reads_on }, Column::Rank), "");
    }

    #[test]
    fn the_name_of_every_score_fits() {
        for metric in MetricKind::NAMES {
            assert!(7 + in_short(metric).len() <= Column::Score.width(), "{metric}");
        }
    }

    #[test]
    fn every_column_is_offered_once_and_found_by_its_title() {
        for column in Column::ALL {
            assert_eq!(Column::of(column.title()), Some(column));
            assert!(column.title().len() <= column.width());
        }
        assert!(Column::USUAL.iter().all(|column| Column::ALL.contains(column)));
        assert_eq!(Column::of("name"), None);
    }
}
