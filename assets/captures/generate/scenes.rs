//! What is captured: a line for each screen. A new screen is a new line.

/// When a scene is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The demo is at its search.
    Search,
    /// The demo is finished, and further runs are there: `lower-threshold`, finished, and `again`, stopped.
    Finished,
}

/// One screen.
pub struct Scene {
    /// Of the files: `NAME-80x24.svg`.
    pub name: &'static str,
    pub moment: Moment,
    /// Of the command line.
    pub arguments: &'static [&'static str],
    /// Text to wait for, then keys to press; the last text is on the capture.
    pub steps: &'static [(&'static str, &'static str)],
}

const fn scene(
    name: &'static str,
    moment: Moment,
    arguments: &'static [&'static str],
    steps: &'static [(&'static str, &'static str)],
) -> Scene {
    Scene { name, moment, arguments, steps }
}

/// All of them.
pub const SCENES: &[Scene] = &[
    scene("monitor-search", Moment::Search, &["watch", "demo"], &[("emerging: mean rank", "")]),
    scene("monitor-finished", Moment::Finished, &["watch", "demo"], &[("allocated: mean rank", "jj")]),
    scene("runs", Moment::Finished, &[], &[("again", "")]),
    scene("form", Moment::Finished, &[], &[("again", "n"), ("ready to start", "")]),
    scene("presets", Moment::Finished, &[], &[("again", "p"), ("shipped", "")]),
    scene(
        "what-if",
        Moment::Finished,
        &["watch", "demo"],
        &[("allocated: mean rank", "w"), ("before you keep it", "lll")],
    ),
    scene("compare", Moment::Finished, &[], &[("again", "V"), ("3 marked", "c"), ("AutoLoRA  compare", "")]),
    scene("help", Moment::Finished, &["watch", "demo"], &[("allocated: mean rank", "?"), ("Help", "")]),
];
