//! What a terminal can show: colours and glyphs, chosen once from its environment.

use crate::run::view::State;
use ratatui::style::{Color, Modifier, Style};

/// Colours and glyphs of this terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether to colour at all; everything reads without.
    pub colour: bool,
    /// Whether block and braille characters can be shown, or ASCII alone.
    pub unicode: bool,
    /// Whether the terminal takes letters beyond ASCII: in another encoding their bytes may steer it.
    pub letters: bool,
}

impl Look {
    /// The look for an environment: `NO_COLOR`, `TERM`, and the locale variables in POSIX's order.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Look {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = said("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(said).unwrap_or_default().to_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Look {
            colour: said("NO_COLOR").is_none() && term != "dumb",
            unicode: utf8 && term != "linux" && term != "dumb",
            letters: utf8,
        }
    }

    /// The glyphs of this terminal.
    pub fn glyphs(self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    /// Titles and what is being looked at.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Labels, defaults, rules: dim rather than grey, which some palettes make invisible.
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The line or cell with the cursor.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Keys, the present phase, selection values that are kept.
    pub fn accent(self) -> Style {
        self.hue(Color::Cyan, Modifier::BOLD)
    }

    /// Running and finished.
    pub fn good(self) -> Style {
        self.hue(Color::Green, Modifier::BOLD)
    }

    /// What needs a look. Not yellow, which a light background swallows.
    pub fn warning(self) -> Style {
        self.hue(Color::Magenta, Modifier::BOLD)
    }

    /// Errors.
    pub fn bad(self) -> Style {
        self.hue(Color::Red, Modifier::BOLD)
    }

    /// The second curve of a chart.
    pub fn second(self) -> Style {
        self.hue(Color::Magenta, Modifier::empty())
    }

    /// The run at a place of a comparison, which keeps its colour as long as it keeps its place. After the first ones,
    /// which the commonest forms of colour blindness tell apart, a number beside it must do.
    pub fn series(self, place: usize) -> Style {
        const COLOURS: [Color; 8] = [
            Color::Cyan,
            Color::Magenta,
            Color::Blue,
            Color::Red,
            Color::Green,
            Color::LightMagenta,
            Color::LightBlue,
            Color::DarkGray,
        ];
        self.hue(COLOURS[place % COLOURS.len()], Modifier::empty())
    }

    fn hue(self, colour: Color, otherwise: Modifier) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().add_modifier(otherwise) }
    }

    /// Glyph and style of a state.
    pub fn state(self, state: State) -> (&'static str, Style) {
        let glyphs = self.glyphs();
        match state {
            State::Queued => (glyphs.queued, Style::new()),
            State::Running => (glyphs.running, self.good().add_modifier(Modifier::BOLD)),
            State::Paused => (glyphs.paused, self.warning()),
            State::Stalled => (glyphs.stalled, self.warning()),
            State::Crashed | State::Failed => (glyphs.failed, self.bad()),
            State::Stopped => (glyphs.stopped, self.warning()),
            State::Finished => (glyphs.finished, self.good()),
        }
    }
}

/// One set of characters.
#[derive(Debug)]
pub struct Glyphs {
    pub rule: &'static str,
    pub vertical: &'static str,
    pub pointer: &'static str,
    pub ellipsis: &'static str,
    pub separator: &'static str,
    /// Between phases.
    pub then: &'static str,
    pub done: &'static str,
    pub error: &'static str,
    /// Beside a setting that the user said.
    pub said: &'static str,
    pub bar_full: &'static str,
    pub bar_empty: &'static str,
    pub left_right: &'static str,
    pub up_down: &'static str,
    pub queued: &'static str,
    pub running: &'static str,
    pub paused: &'static str,
    pub stalled: &'static str,
    pub failed: &'static str,
    pub stopped: &'static str,
    pub finished: &'static str,
    /// Selection values by rising size: two below the threshold, three at or above it.
    pub shades: [&'static str; 5],
    pub corners: [&'static str; 4],
    pub half: &'static str,
    pub at_least: &'static str,
    pub times: &'static str,
    /// Beside figures that are better where they are less.
    pub less: &'static str,
    /// Beside runs that the user marked as theirs.
    pub star: &'static str,
    /// Beside the heading that a table is sorted by.
    pub rising: &'static str,
    pub falling: &'static str,
    /// A piece of a curve, as a key to its colour.
    pub line: &'static str,
}

static UNICODE: Glyphs = Glyphs {
    rule: "─",
    vertical: "│",
    pointer: "▸",
    ellipsis: "…",
    separator: "·",
    then: "›",
    done: "✓",
    error: "✗",
    said: "•",
    bar_full: "█",
    bar_empty: "░",
    left_right: "←→",
    up_down: "↑↓",
    queued: "○",
    running: "●",
    paused: "‖",
    stalled: "!",
    failed: "✗",
    stopped: "■",
    finished: "✓",
    shades: ["·", "░", "▒", "▓", "█"],
    corners: ["┌", "┐", "└", "┘"],
    half: "½",
    at_least: "≥",
    times: "×",
    less: "↓",
    star: "★",
    rising: "▴",
    falling: "▾",
    line: "━",
};

static ASCII: Glyphs = Glyphs {
    rule: "-",
    vertical: "|",
    pointer: ">",
    ellipsis: "~",
    separator: "|",
    then: "-",
    done: "ok",
    error: "!",
    said: "*",
    bar_full: "#",
    bar_empty: ".",
    left_right: "left/right",
    up_down: "up/down",
    queued: "o",
    running: "*",
    paused: "=",
    stalled: "!",
    failed: "x",
    stopped: "#",
    finished: "+",
    shades: [".", "-", "+", "%", "#"],
    corners: ["+", "+", "+", "+"],
    half: "0.5",
    at_least: ">=",
    times: "x",
    less: "v",
    star: "*",
    rising: "^",
    falling: "v",
    line: "=",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn look(pairs: &[(&str, &str)]) -> Look {
        Look::from_env(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_locale_decides_on_glyphs_in_the_order_of_posix() {
        assert!(look(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm")]).unicode);
        assert!(look(&[("LANG", "C.utf8")]).unicode);
        assert!(!look(&[("LANG", "C")]).unicode);
        assert!(!look(&[]).unicode);
        assert!(!look(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).unicode);
        assert!(look(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]).unicode);
        let linux = look(&[("LANG", "en_US.UTF-8"), ("TERM", "linux")]);
        assert!(!linux.unicode && linux.letters);
        assert!(!look(&[("LANG", "C")]).letters);
    }

    #[test]
    fn no_color_counts_when_it_is_not_empty() {
        assert!(look(&[("TERM", "xterm")]).colour);
        assert!(look(&[("NO_COLOR", "")]).colour);
        assert!(!look(&[("NO_COLOR", "1")]).colour);
        assert!(!look(&[("TERM", "dumb")]).colour);
        assert_eq!(Look { colour: false, unicode: true, letters: true }.bad().fg, None);
    }

    #[test]
    fn the_fallback_glyphs_are_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
