//! The module with the cursor: its selection values in numbers, against the threshold.

use super::scene::Scene;
use super::yardstick::{Terms, Yardstick};
use super::{Monitor, Pane};
use crate::run::chronicle::tail;
use crate::run::view::ModuleView;
use crate::tui::draw::{plain, put, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, grouped, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Lines of the module with the cursor where there is no room for its bars.
pub const LINES: u16 = 2;

/// Lines of its bars: rule, a line a value, the threshold.
pub fn panel_lines(monitor: &Monitor) -> u16 {
    let values = monitor.module().map_or(0, |module| monitor.values(module).len());
    if values == 0 { LINES } else { u16::try_from(values).unwrap_or(u16::MAX - 2).saturating_add(2) }
}

/// A module at the moment that is shown.
struct Shown<'a> {
    module: &'a ModuleView,
    values: &'a [f32],
    rank: Option<usize>,
    /// Its share in the energy of all, and each term's in its own.
    share: Option<f64>,
    terms: Option<Vec<f64>>,
    /// What of its terms is measured, and which are kept.
    measured: Terms<'a>,
}

impl<'a> Shown<'a> {
    fn of(monitor: &'a Monitor, scene: &Scene) -> Option<Shown<'a>> {
        let index = monitor.module()?;
        let values = monitor.values(index);
        let energy: Vec<f64> = monitor.energy(index).iter().map(|energy| f64::from(*energy)).collect();
        let all: f64 = energy.iter().sum();
        Some(Shown {
            module: monitor.view.modules.get(index)?,
            values,
            rank: scene.rank(index),
            share: scene.shares.as_ref().and_then(|shares| shares.get(index).copied()),
            terms: (all > 0.0).then(|| energy.iter().map(|energy| energy / all).collect()),
            measured: scene.terms(monitor, index),
        })
    }
}

/// Draws the module, with bars where they fit, else in two lines.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, scene: &Scene, look: Look) {
    let Some(mut shown) = Shown::of(monitor, scene) else { return };
    if shown.values.is_empty() || area.height < panel_lines(monitor) {
        put(buf, area, 0, about(&shown, area.width, look));
        put(buf, area, 1, values(&scene.yardstick, &shown, area.width, look));
        return;
    }
    // The path counts for more than the share of energy, which the map has, too.
    let room = |facts: &str| usize::from(area.width).saturating_sub(width(facts) + 11);
    let mut facts = facts(&shown);
    if room(&facts) < width(&tail(&shown.module.path)) + 2 {
        shown.share = None;
        facts = self::facts(&shown);
    }
    let title = cut_start(&shown.module.path, room(&facts), look);
    monitor.pane_rule(buf, area, Pane::Module, &title, vec![span(facts, look.faint())], look);
    let measured = &shown.measured;
    let reference = measured.reference;
    // Room for twice the threshold, so that it stays where it is while values grow.
    let full = measured.largest().max(2.0 * reference).max(f64::MIN_POSITIVE);
    // A number, the value, its share of the energy where it is known.
    let margin = if shown.terms.is_some() { 18 } else { 12 };
    let columns = usize::from(area.width).saturating_sub(margin);
    for (line, alpha) in shown.values.iter().enumerate() {
        let style = value_style(measured.is_kept(line), look);
        let mut spans = vec![span(format!("{:>3}  ", line + 1), look.faint()), span(format!("{alpha:.3}  "), style)];
        if let Some(share) = shown.terms.as_ref().and_then(|terms| terms.get(line)) {
            spans.push(span(format!("{:>4.0}% ", 100.0 * share), look.faint()));
        }
        let full_columns = (measured.measure(line).max(0.0) / full * columns as f64).round() as usize;
        spans.push(span(look.glyphs().bar_full.repeat(full_columns.min(columns)), style));
        put(buf, area, 1 + line as u16, spans);
    }
    let at = (reference.max(0.0) / full * columns as f64).round() as usize;
    let text = scene.yardstick.reference_words(reference);
    let text = format!("{}^ {text}", " ".repeat(margin + at.saturating_sub(1)));
    let last = 1 + u16::try_from(shown.values.len()).unwrap_or(u16::MAX - 1);
    put(buf, area, last, vec![span(text, look.faint())]);
    if shown.terms.is_some() {
        put(
            buf,
            Rect { width: area.width.min(margin as u16), ..area },
            last,
            vec![span("     value energy", look.faint())],
        );
    }
}

/// The end of a path, which tells modules apart.
fn cut_start(path: &str, columns: usize, look: Look) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let ends = (0..parts.len()).map(|first| parts[first..].join("."));
    let mark = look.glyphs().ellipsis;
    let fitting = |(first, end): (usize, String)| {
        let text = if first == 0 { end } else { format!("{mark}.{end}") };
        (width(&text) <= columns).then_some(text)
    };
    ends.enumerate().find_map(fitting).unwrap_or_else(|| cut(path, columns, mark))
}

fn value_style(is_kept: bool, look: Look) -> Style {
    if is_kept { look.accent().add_modifier(Modifier::BOLD) } else { look.faint() }
}

fn facts(shown: &Shown) -> String {
    let (k, shape) = (shown.values.len(), &shown.module.shape);
    let share = shown.share.map_or(String::new(), |share| format!(", {:.0} % of energy", 100.0 * share));
    match shown.rank {
        Some(rank) => {
            let of = if k > 0 { format!(" of {k}") } else { String::new() };
            format!("rank {rank}{of}, {} parameters{share}", grouped(shape.parameters(rank)))
        }
        None => format!("{} x {}{share}", shape.outputs, shape.inputs),
    }
}

/// Path, rank and parameters.
fn about(shown: &Shown, columns: u16, look: Look) -> Vec<Span<'static>> {
    let text = format!("  {}", facts(shown));
    let room = usize::from(columns).saturating_sub(width(&text));
    vec![span(cut_start(&shown.module.path, room, look), look.strong()), plain(text)]
}

/// The selection values as numbers.
fn values(yardstick: &Yardstick, shown: &Shown, columns: u16, look: Look) -> Vec<Span<'static>> {
    if shown.values.is_empty() {
        return Vec::new();
    }
    let end = format!(" {}", yardstick.reference_words(shown.measured.reference));
    let room = usize::from(columns).saturating_sub(width(&end));
    let whole: Vec<String> = shown.values.iter().map(|alpha| format!("{alpha:.3} ")).collect();
    // Of many, without the 0 that they begin with.
    let short = || whole.iter().map(|text| text.strip_prefix('0').unwrap_or(text).to_owned()).collect();
    let texts: Vec<String> = if whole.iter().map(|text| width(text)).sum::<usize>() <= room { whole } else { short() };
    let is_cut = texts.iter().map(|text| width(text)).sum::<usize>() > room;
    let mark = if is_cut { look.glyphs().ellipsis } else { "" };
    let mut used = width(mark);
    let fits = |text: &&String| {
        used += width(text);
        used <= room
    };
    let count = texts.iter().take_while(fits).count();
    let style = |term: usize| value_style(shown.measured.is_kept(term), look);
    let values = texts.into_iter().enumerate().take(count);
    let mut spans: Vec<Span> = values.map(|(term, text)| span(text, style(term))).collect();
    spans.push(span(format!("{mark}{end}"), look.faint()));
    spans
}
