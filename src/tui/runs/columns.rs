//! The columns of the table: what each says, and which fit.

use super::RunRow;
use crate::run::event::Phase;
use crate::run::view::State;
use crate::tui::look::Look;
use crate::tui::monitor::short;
use crate::tui::text::{duration, figure, moment};
use jiff::tz::TimeZone;
use ratatui::style::Style;

/// A column beside that of the name, which is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    State,
    Phase,
    Progress,
    Score,
    Best,
    Started,
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
    pub const ALL: [Column; 13] = [
        Column::State,
        Column::Phase,
        Column::Progress,
        Column::Score,
        Column::Started,
        Column::Model,
        Column::Data,
        Column::Took,
        Column::Tags,
        Column::Note,
        Column::Best,
        Column::Parent,
        Column::Id,
    ];

    /// Those of a table that nobody has changed.
    pub const USUAL: [Column; 10] = [
        Column::State,
        Column::Phase,
        Column::Progress,
        Column::Score,
        Column::Started,
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
            Column::Score => "score",
            Column::Best => "best loss",
            Column::Started => "started",
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
            Column::Progress => "steps of the phase, and their share",
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
            // A figure, a blank, and as much as the names of most figures take.
            Column::Score => 18,
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
    pub fn cell(self, row: &RunRow, zone: &TimeZone, look: Look) -> (String, Style) {
        let plain = |text: String| (text, Style::new());
        match self {
            Column::State if row.unreadable.is_some() => (row.state_word().to_owned(), look.bad()),
            Column::State => {
                let (glyph, style) = look.state(row.state);
                (format!("{glyph} {}", row.state.name()), style)
            }
            Column::Phase if row.state == State::Finished => plain(String::new()),
            Column::Phase => plain(row.phase.map_or("", Phase::name).into()),
            Column::Progress => plain(progress(row)),
            Column::Score => match (&row.score, row.figure()) {
                (_, None) => plain(String::new()),
                (Some(_), Some((name, value))) => (format!("{} {}", figure(value), in_short(name)), look.strong()),
                (None, Some((name, value))) => plain(format!("{} {name}", figure(value))),
            },
            Column::Best => plain(row.best.map_or(String::new(), |(step, loss)| format!("{} at {step}", figure(loss)))),
            Column::Started => {
                // Year and century are in the lines below; here every column counts.
                let text = row.started.as_deref().map_or(String::new(), |time| moment(time, zone));
                plain(text.strip_prefix("20").and_then(|rest| rest.get(3..)).unwrap_or(&text).to_owned())
            }
            Column::Took => plain(row.took.map_or(String::new(), duration)),
            Column::Model => plain(brief(&row.model)),
            Column::Data => plain(brief(&row.data)),
            Column::Tags => (row.notes.tags.join(" "), look.accent()),
            Column::Note => plain(row.notes.note.clone()),
            Column::Parent => (row.parent.clone().unwrap_or_default(), look.faint()),
            Column::Id => (row.id.clone(), look.faint()),
        }
    }
}

/// The name of a figure in the columns that the table has for it; in the lines below it is whole.
fn in_short(figure: &str) -> &str {
    match figure {
        "matthews_correlation" => "matthews",
        "entity_precision" => "precision",
        "entity_recall" => "recall",
        "entity_f1_strict" => "strict_f1",
        other => other,
    }
}

/// Steps and their share where both fit, of a run that is not finished.
fn progress(row: &RunRow) -> String {
    match (row.state, row.total) {
        (State::Queued, _) => row.place.map_or(String::new(), |place| format!("place {place}")),
        (State::Finished, _) | (_, 0) => String::new(),
        (_, total) => {
            let percent = 100.0 * row.step as f64 / total as f64;
            let steps = format!("{}/{total}", row.step);
            if steps.len() <= 9 { format!("{steps:<9}{percent:>3.0} %") } else { steps }
        }
    }
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
    fn the_usual_columns_of_80_say_state_phase_progress_and_score() {
        use Column::{Phase, Progress, Score, State};
        assert_eq!(fitting(&Column::USUAL, 78), (&[State, Phase, Progress, Score][..], 16));
        assert_eq!(fitting(&Column::USUAL, 10), (&[][..], 6));
        assert_eq!(fitting(&[], 200), (&[][..], MOST_NAME));
        assert_eq!(fitting(&Column::USUAL, 0), (&[][..], 0));
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
