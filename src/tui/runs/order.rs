//! The order of the table: by a column, by stars, or by name; equal runs newest first, runs without a value last.

use super::columns::Column;
use super::{RunRow, UNDER_WAY};
use crate::run::view::{State, is_better_less};
use std::cmp::Ordering;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Starred runs first.
    Star,
    Name,
    Column(Column),
}

/// A key, and whether its order is turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub key: Key,
    pub reversed: bool,
}

impl Default for Order {
    /// Newest first.
    fn default() -> Order {
        Order { key: Key::Column(Column::Started), reversed: false }
    }
}

impl Key {
    /// The word in the file that remembers.
    pub fn title(self) -> &'static str {
        match self {
            Key::Star => "star",
            Key::Name => "name",
            Key::Column(column) => column.title(),
        }
    }

    /// The key of that word.
    pub fn of(title: &str) -> Option<Key> {
        match title {
            "star" => Some(Key::Star),
            "name" => Some(Key::Name),
            title => Column::of(title).map(Key::Column),
        }
    }

    /// The next one: stars, the name, the columns that are shown; after those newest first, whether that is shown or not.
    pub fn next(self, shown: &[Column]) -> Key {
        let mut keys = vec![Key::Star, Key::Name];
        keys.extend(shown.iter().map(|column| Key::Column(*column)));
        let newest = Order::default().key;
        if !keys.contains(&newest) {
            keys.push(newest);
        }
        let at = keys.iter().position(|key| *key == self).map_or(0, |at| at + 1);
        keys[at % keys.len()]
    }

    /// Which runs come first, in words.
    fn first(self, reversed: bool) -> &'static str {
        let (forwards, backwards) = match self {
            Key::Star => ("starred first", "starred last"),
            Key::Name => ("a to z", "z to a"),
            Key::Column(column) => match column {
                Column::State => ("running first", "running last"),
                Column::Phase => ("first phase first", "last phase first"),
                Column::Progress | Column::Steps => ("least done first", "most done first"),
                Column::Left => ("soonest first", "latest first"),
                Column::Rank | Column::Parameters => ("least first", "most first"),
                Column::Score => ("best first", "worst first"),
                Column::Best => ("lowest first", "highest first"),
                Column::Took => ("shortest first", "longest first"),
                Column::Started | Column::Id => ("newest first", "oldest first"),
                Column::Model | Column::Data | Column::Tags | Column::Note | Column::Parent => ("a to z", "z to a"),
            },
        };
        if reversed { backwards } else { forwards }
    }
}

impl Order {
    /// In words: `score, best first`.
    pub fn words(self) -> String {
        match self.key {
            Key::Star => self.key.first(self.reversed).to_owned(),
            key => format!("{}, {}", key.title(), key.first(self.reversed)),
        }
    }

    /// Whether values grow down the table, as it is now.
    pub fn rises<'a>(self, mut shown: impl Iterator<Item = &'a RunRow>) -> bool {
        let forwards = match self.key {
            Key::Star | Key::Column(Column::Started | Column::Id) => false,
            // The best first: of losses the lowest. The figures on top decide.
            Key::Column(Column::Score) => shown.find_map(RunRow::figure).is_some_and(|(name, _)| is_less_better(name)),
            Key::Name | Key::Column(_) => true,
        };
        forwards != self.reversed
    }

    /// How two runs stand to each other.
    pub fn compare(self, a: &RunRow, b: &RunRow) -> Ordering {
        let turned = |order: Ordering| if self.reversed { order.reverse() } else { order };
        let known = |missing: fn(&RunRow) -> bool| missing(a).cmp(&missing(b));
        let texts = |text: fn(&RunRow) -> String| {
            text(a).is_empty().cmp(&text(b).is_empty()).then_with(|| turned(text(a).cmp(&text(b))))
        };
        match self.key {
            Key::Star => turned(b.notes.star.cmp(&a.notes.star)),
            Key::Name => turned(a.name.to_lowercase().cmp(&b.name.to_lowercase())),
            Key::Column(column) => match column {
                Column::State => turned(rank(a.state).cmp(&rank(b.state))),
                Column::Phase => known(|row| row.phase.is_none()).then_with(|| turned(a.phase.cmp(&b.phase))),
                Column::Progress | Column::Steps => {
                    let share = |row: &RunRow| row.step as f64 / row.total.max(1) as f64;
                    known(|row| row.total == 0 || row.state == State::Finished)
                        .then_with(|| turned(share(a).total_cmp(&share(b))))
                }
                Column::Score => by_figure(a, b, turned),
                Column::Best => {
                    let loss = |row: &RunRow| row.best.map_or(f64::INFINITY, |(_, loss)| loss);
                    known(|row| row.best.is_none()).then_with(|| turned(loss(a).total_cmp(&loss(b))))
                }
                Column::Started => known(|row| row.started.is_none()).then_with(|| turned(b.started.cmp(&a.started))),
                Column::Took => {
                    let took = |row: &RunRow| row.took.unwrap_or(f64::INFINITY);
                    known(|row| row.took.is_none()).then_with(|| turned(took(a).total_cmp(&took(b))))
                }
                Column::Left => {
                    let left = |row: &RunRow| row.left.map_or(f64::INFINITY, |left| left.seconds);
                    known(|row| row.left.is_none()).then_with(|| turned(left(a).total_cmp(&left(b))))
                }
                Column::Rank => {
                    let mean = |row: &RunRow| row.ranks.map_or(f64::INFINITY, |ranks| ranks.mean);
                    known(|row| row.ranks.is_none()).then_with(|| turned(mean(a).total_cmp(&mean(b))))
                }
                Column::Parameters => {
                    let count = |row: &RunRow| row.ranks.and_then(|ranks| ranks.parameters);
                    count(a).is_none().cmp(&count(b).is_none()).then_with(|| turned(count(a).cmp(&count(b))))
                }
                Column::Id => turned(b.id.cmp(&a.id)),
                Column::Model => texts(|row| row.model.clone()),
                Column::Data => texts(|row| row.data.clone()),
                Column::Tags => texts(|row| row.notes.tags.join(" ")),
                Column::Note => texts(|row| row.notes.note.to_lowercase()),
                Column::Parent => texts(|row| row.parent.clone().unwrap_or_default()),
            },
        }
    }
}

/// Runs at work first, then those that can go on, then those that are over.
fn rank(state: State) -> usize {
    use State::{Crashed, Failed, Finished, Paused, Queued, Running, Stalled, Stopped};
    [Running, Stalled, Queued, Paused, Stopped, Crashed, Failed, Finished]
        .iter()
        .position(|known| *known == state)
        .unwrap_or(usize::MAX)
}

fn is_less_better(name: &str) -> bool {
    name == UNDER_WAY || is_better_less(name)
}

/// By the score, best first. Figures of other names do not compare: each name's stand together, losses last.
fn by_figure(a: &RunRow, b: &RunRow, turned: impl Fn(Ordering) -> Ordering) -> Ordering {
    let (Some((name, value)), Some((other, than))) = (a.figure(), b.figure()) else {
        return a.figure().is_none().cmp(&b.figure().is_none());
    };
    let group = a.score.is_none().cmp(&b.score.is_none()).then_with(|| name.cmp(other));
    let no_number = || value.is_nan().cmp(&than.is_nan());
    let rising = value.total_cmp(&than);
    let best_first = if is_less_better(name) { rising } else { rising.reverse() };
    group.then_with(no_number).then_with(|| turned(best_first))
}
