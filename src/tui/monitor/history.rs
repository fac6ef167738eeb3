//! The history of one module: a line for each of its selection values, and the threshold across.

use super::scene::Scene;
use super::{Monitor, Pane};
use crate::run::chronicle::tail;
use crate::run::history::Snapshots;
use crate::run::view::Held;
use crate::tui::chart::{self, BLOCK, Curve, Extent, Level, Plot, Points, Take};
use crate::tui::draw::{below, span};
use crate::tui::look::Look;
use crate::tui::palette::SERIES;
use crate::tui::text::{cut, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Lines below which there is no history.
pub const LEAST_LINES: u16 = 6;

/// Draws the history of the module with the cursor.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, scene: &Scene, look: Look) {
    let Some(index) = monitor.module() else { return };
    let Some(module) = monitor.view.modules.get(index) else { return };
    let k = monitor.values(index).len();
    let points: Vec<Values> =
        (0..k).map(|term| Values { snapshots: &monitor.view.snapshots, module: index, term }).collect();
    let flips = monitor.view.snapshots.flips_between(0, usize::MAX).iter();
    let changes = flips.filter(|flip| flip.module as usize == index).count();
    let changes = format!("{changes} {}", if changes == 1 { "change" } else { "changes" });
    let long = scene.line.map_or(changes.clone(), |line| format!("threshold {line:.3}, {changes}"));
    let path = tail(&module.path);
    let fits = width(&path) + width(&long) + 23 <= usize::from(area.width);
    let facts = vec![span(if fits { long } else { changes }, look.faint())];
    let room = usize::from(area.width).saturating_sub(facts[0].width() + 18);
    let path = cut(&path, room, look.glyphs().ellipsis);
    monitor.pane_rule(buf, area, Pane::History, &format!("history of {path}"), facts, look);
    let curves: Vec<Curve> = points
        .iter()
        .enumerate()
        .map(|(term, points)| Curve { points, style: look.series(term), mark: look.glyphs().marks[term % SERIES] })
        .collect();
    // A colour comes twice where there are many values, and not at all on some terminals.
    let drawn = look.unicode && look.is_coloured();
    let name = |term: usize| match drawn {
        true => format!("{}", term + 1),
        false => format!("{}{}", look.glyphs().marks[term % SERIES], term + 1),
    };
    let names: Vec<String> = (0..k).map(name).collect();
    let levels = levels(monitor, scene);
    let step =
        |index: Option<usize>| index.and_then(|index| monitor.view.snapshots.step(index)).map(|step| step as f64);
    let plot = Plot {
        curves: &curves,
        names: &names,
        levels: &levels,
        moment: step(monitor.moment.at),
        cursor: step(monitor.moment.mark),
        empty: "no selection values yet",
        ..Plot::default()
    };
    chart::draw(buf, below(area, 1), &plot, look);
}

/// A selection value over the steps of the search.
struct Values<'a> {
    snapshots: &'a Snapshots,
    module: usize,
    term: usize,
}

impl Values<'_> {
    fn points(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        let kept = self.snapshots.kept();
        kept.filter_map(|snapshot| {
            let value = snapshot.values(self.module).get(self.term)?;
            Some((snapshot.step as f64, f64::from(*value)))
        })
    }
}

impl Points for Values<'_> {
    fn blocks(&self, take: &mut Take<'_>) {
        let mut block = [(0.0, 0.0); BLOCK];
        let mut count = 0;
        for point in self.points() {
            block[count] = point;
            count += 1;
            if count == BLOCK {
                take(&block);
                count = 0;
            }
        }
        take(&block[..count]);
    }

    fn ends(&self, is_shown: &dyn Fn(f64) -> bool) -> Option<Extent> {
        let shown = |(_, value): &(f64, f64)| is_shown(*value);
        Some((self.points().find(shown)?.0, self.points().rfind(shown)?.0))
    }
}

/// What the values were measured against: one line, or as many as there were choices in the search.
fn levels(monitor: &Monitor, scene: &Scene) -> Vec<Level> {
    let view = &monitor.view;
    // What is tried holds all along, and so does the choice of a run that took the search of another.
    let is_one = monitor.what_if.is_some() || view.held.len() < 2 || view.inherited.is_some() && !monitor.is_past();
    if is_one {
        return scene.line.map(Level::all_along).into_iter().collect();
    }
    let last = view.snapshots.len().saturating_sub(1);
    let begins = |from: usize| view.snapshots.step(from.min(last)).map_or(f64::INFINITY, |step| step as f64);
    let ends = view.held.iter().skip(1).map(|held| begins(held.from)).chain([f64::INFINITY]);
    let level =
        |(held, to): (&Held, f64)| Some(Level { value: view.line_at(held.from, None)?, from: begins(held.from), to });
    view.held.iter().zip(ends).filter_map(level).collect()
}
