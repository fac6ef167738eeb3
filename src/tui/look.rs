//! What a terminal can show: colours and glyphs, chosen once from its environment.

use super::palette::{self, Depth, Hue};
use crate::run::view::State;
use ratatui::style::{Modifier, Style};

/// Colours and glyphs of this terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How many colours there are; everything reads without.
    pub depth: Depth,
    /// Whether block and braille characters can be shown, or ASCII alone.
    pub unicode: bool,
    /// Whether the terminal takes letters beyond ASCII: in another encoding their bytes may steer it.
    pub letters: bool,
}

impl Look {
    /// The look for an environment: `NO_COLOR`, `TERM`, `COLORTERM`, and the locale variables in POSIX's order.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Look {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = said("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(said).unwrap_or_default().to_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let depth = if said("NO_COLOR").is_some() { Depth::None } else { depth(&term, said("COLORTERM").as_deref()) };
        Look { depth, unicode: utf8 && term != "linux" && term != "dumb", letters: utf8 }
    }

    /// Whether there are colours.
    pub fn is_coloured(self) -> bool {
        self.depth != Depth::None
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

    /// A style on the line with the cursor, where dim would hardly read.
    pub fn under_cursor(self, style: Style) -> Style {
        style.patch(self.selected()).remove_modifier(Modifier::DIM)
    }

    /// Keys, the present phase, selection values that are kept.
    pub fn accent(self) -> Style {
        self.hue(palette::ACCENT, Modifier::BOLD)
    }

    /// Running and finished.
    pub fn good(self) -> Style {
        self.hue(palette::GOOD, Modifier::BOLD)
    }

    /// What needs a look.
    pub fn warning(self) -> Style {
        self.hue(palette::WARNING, Modifier::BOLD)
    }

    /// Errors.
    pub fn bad(self) -> Style {
        self.hue(palette::BAD, Modifier::BOLD)
    }

    /// The second curve of a chart.
    pub fn second(self) -> Style {
        self.hue(palette::SECOND, Modifier::empty())
    }

    /// Series number `i`, from 0: runs that are compared, values of a module. From [`palette::SERIES`] on they come
    /// again; `glyphs().marks[i % SERIES]` tells them apart without colour.
    pub fn series(self, i: usize) -> Style {
        self.hue(palette::SERIES_HUES[i % palette::SERIES], Modifier::empty())
    }

    /// Text that says how large a share from 0 to 1 is, beside a glyph that says it too: from grey to blue, legible on
    /// any background. With few colours: dim, plain, bold.
    pub fn ramp(self, share: f64) -> Style {
        match palette::ramp(share, self.depth) {
            Some(colour) => Style::new().fg(colour),
            None if share >= 2.0 / 3.0 => self.accent().add_modifier(Modifier::BOLD),
            None if share >= 1.0 / 3.0 => Style::new(),
            None => self.faint(),
        }
    }

    /// A filled cell that says how large a share from 0 to 1 is, with text that reads on it. With few colours: as
    /// [`Look::ramp`], not filled.
    pub fn heat(self, share: f64) -> Style {
        match palette::heat(share, self.depth) {
            Some((ground, text)) => Style::new().bg(ground).fg(text),
            None => self.ramp(share),
        }
    }

    fn hue(self, hue: Hue, otherwise: Modifier) -> Style {
        match hue.at(self.depth) {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(otherwise),
        }
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

/// Colours of a terminal by `TERM` and `COLORTERM`. Over SSH only the first comes along.
fn depth(term: &str, colorterm: Option<&str>) -> Depth {
    /// Terminals that show the cube and do not say so in their names.
    const MODERN: [&str; 7] = ["kitty", "alacritty", "foot", "wezterm", "ghostty", "contour", "tmux"];
    let many = term.contains("256color") || MODERN.iter().any(|name| term.contains(name));
    match colorterm {
        _ if term == "dumb" => Depth::None,
        _ if term == "linux" => Depth::Sixteen,
        // GNU screen hands COLORTERM on and then takes 24 bits for something else.
        Some("truecolor" | "24bit") if !term.starts_with("screen") => Depth::True,
        _ if term.ends_with("-direct") => Depth::True,
        _ if many => Depth::Many,
        _ => Depth::Sixteen,
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
    /// Beside a setting that the preset says.
    pub said: &'static str,
    /// Beside a setting that was changed in the form.
    pub changed: &'static str,
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
    /// Before a run that was made from one of its own name.
    pub child: &'static str,
    /// Beside the heading that a table is sorted by.
    pub rising: &'static str,
    pub falling: &'static str,
    /// A piece of a curve, as a key to its colour.
    pub line: &'static str,
    /// Beside a rank that rose, and one that fell.
    pub up: &'static str,
    pub down: &'static str,
    /// Beside a rank that rose before one's eyes, and one that fell.
    pub fresh: [&'static str; 2],
    /// Before a number of what is beyond the left edge, and behind one of what is beyond the right edge.
    pub beyond: [&'static str; 2],
    /// One for each series.
    pub marks: [&'static str; palette::SERIES],
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
    changed: "◆",
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
    child: "↳",
    rising: "▲",
    falling: "▼",
    line: "━",
    up: "↑",
    down: "↓",
    fresh: ["▲", "▼"],
    beyond: ["‹", "›"],
    marks: ["◆", "▲", "◎", "▣", "◇", "△", "◈", "◐"],
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
    changed: "+",
    bar_full: "#",
    bar_empty: ".",
    left_right: "left/right",
    up_down: "up/down",
    queued: "o",
    running: "@",
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
    child: "`",
    rising: "^",
    falling: "v",
    line: "=",
    up: "^",
    down: "v",
    fresh: ["A", "V"],
    beyond: ["<", ">"],
    marks: ["a", "b", "c", "d", "e", "f", "g", "h"],
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
        assert!(look(&[("TERM", "xterm")]).is_coloured());
        assert!(look(&[("NO_COLOR", "")]).is_coloured());
        assert!(!look(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]).is_coloured());
        assert!(!look(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]).is_coloured());
        let plain = Look { depth: Depth::None, unicode: true, letters: true };
        for style in [plain.bad(), plain.series(3), plain.ramp(0.9), plain.heat(0.9)] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }

    #[test]
    fn the_names_of_the_terminal_tell_how_many_colours_it_has() {
        let depth = |term: &str, colorterm: &str| look(&[("TERM", term), ("COLORTERM", colorterm)]).depth;
        for few in ["linux", "xterm", "xterm-color", "screen", "vt220", "ansi", ""] {
            assert_eq!(depth(few, ""), Depth::Sixteen, "{few}");
        }
        for many in ["xterm-256color", "screen-256color", "tmux", "xterm-kitty", "alacritty"] {
            assert_eq!(depth(many, ""), Depth::Many, "{many}");
        }
        assert_eq!(depth("xterm-256color", "truecolor"), Depth::True);
        assert_eq!(depth("xterm", "24bit"), Depth::True);
        assert_eq!(depth("xterm-direct", ""), Depth::True);
        assert_eq!(depth("screen.xterm-256color", "truecolor"), Depth::Many);
        assert_eq!(depth("linux", "truecolor"), Depth::Sixteen);
        assert_eq!(depth("xterm-256color", "yes"), Depth::Many);
    }

    #[test]
    fn every_series_has_a_mark_of_its_own() {
        for glyphs in [&UNICODE, &ASCII] {
            let distinct: std::collections::HashSet<_> = glyphs.marks.iter().collect();
            assert_eq!(distinct.len(), palette::SERIES);
        }
    }

    #[test]
    fn no_mark_beside_a_run_means_two_things() {
        for glyphs in [&UNICODE, &ASCII] {
            let Glyphs { queued, running, paused, stalled, stopped, finished, star, said, .. } = glyphs;
            let all = [queued, running, paused, stalled, stopped, finished, star, &glyphs.failed];
            let distinct: std::collections::HashSet<_> = all.iter().collect();
            assert_eq!(distinct.len(), all.len(), "{all:?}");
            assert!(running != said && glyphs.fresh[0] != glyphs.up && glyphs.fresh[1] != glyphs.down);
            let is_state = |mark: &&&str| all[..all.len() - 2].contains(mark) || *mark == &glyphs.failed;
            assert_eq!(glyphs.marks.iter().find(is_state), None, "a curve is no state of a run");
        }
    }

    #[test]
    fn the_fallback_glyphs_are_ascii() {
        assert!(format!("{ASCII:?}").is_ascii());
    }
}
