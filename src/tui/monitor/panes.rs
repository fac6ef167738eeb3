//! The parts of the monitor that can have the focus, and the whole screen.

use super::{Monitor, outcome};
use crate::tui::draw::rule;
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// A part of the monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// Modules by layers.
    #[default]
    Map,
    Module,
    History,
    Figures,
    Samples,
    Result,
    Machine,
    Log,
}

impl Pane {
    /// All of them, in the order in which the focus goes through them.
    const ALL: [Pane; 8] =
        [Pane::Map, Pane::Module, Pane::History, Pane::Figures, Pane::Samples, Pane::Result, Pane::Machine, Pane::Log];
}

impl Monitor {
    /// Whether there is anything in a pane.
    pub fn has(&self, pane: Pane) -> bool {
        match pane {
            Pane::Map | Pane::Figures | Pane::Log => true,
            Pane::Module => self.module().is_some_and(|module| !self.values(module).is_empty()),
            Pane::History => self.module().is_some() && self.view.snapshots.len() > 1,
            Pane::Samples => !self.view.samples.is_empty(),
            Pane::Result => outcome::lines(self, 80) > 0,
            Pane::Machine => !self.view.host.is_empty(),
        }
    }

    /// Gives the focus to the next pane, or the one before, that has something in it.
    pub fn turn_focus(&mut self, forward: bool, columns: u16) {
        let count = Pane::ALL.len();
        let at = Pane::ALL.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let stride = if forward { 1 } else { count - 1 };
        let mut others = (1..=count).map(|i| Pane::ALL[(at + i * stride) % count]);
        // One above the other, the module has two lines of its own, and nothing for keys to do.
        let is_shown = |pane: &Pane| self.has(*pane) && (*pane != Pane::Module || columns >= super::view::WIDE);
        self.focus = others.find(is_shown).unwrap_or_default();
    }

    /// The pane that has the whole screen.
    pub fn whole(&self) -> Option<Pane> {
        Some(self.focus).filter(|pane| self.full && self.has(*pane))
    }

    /// The rule above a pane, which shows whether the keys go there.
    pub fn pane_rule(
        &self,
        buf: &mut Buffer,
        area: Rect,
        pane: Pane,
        title: &str,
        facts: Vec<Span<'static>>,
        look: Look,
    ) {
        if self.focus == pane {
            let title = format!("{} {title}", look.glyphs().pointer);
            rule(buf, area, 0, &title, facts, look);
        } else {
            rule(buf, area, 0, title, facts, look);
        }
    }
}
