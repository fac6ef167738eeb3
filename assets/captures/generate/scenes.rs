//! What is captured: a line for each screen. A new screen is a new line.

/// When a scene is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The demo is at its search.
    Search,
    /// The demo is finished, and further runs are there: `lower-threshold`, finished, and `again`, stopped.
    Finished,
    /// A run that writes texts is finished besides: `texts`.
    Texts,
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
    scene("problems", Moment::Finished, &[], PROBLEMS),
    scene(
        "picker",
        Moment::Finished,
        &[],
        &[("again", "n"), ("ready to start", "j\r"), ("catalogue", "bert"), ("bert-base", "")],
    ),
    scene("preflight", Moment::Finished, &[], &[("again", "n"), ("ready to start", "s"), ("in all", "")]),
    scene("presets", Moment::Finished, &[], &[("again", "p"), ("shipped", "")]),
    scene("past", Moment::Finished, &["watch", "demo"], &[("allocated: mean rank", "m[[[[[["), ("differ from", "")]),
    scene("changes", Moment::Finished, &["watch", "demo"], CHANGES),
    scene(
        "what-if",
        Moment::Finished,
        &["watch", "demo"],
        &[("allocated: mean rank", "w"), ("before you keep it", "lll")],
    ),
    scene("compare", Moment::Finished, &[], &[("again", "V"), ("3 marked", "c"), ("AutoLoRA  compare", "")]),
    scene("help", Moment::Finished, &["watch", "demo"], &[("allocated: mean rank", "?"), ("Help", "")]),
    scene("samples", Moment::Texts, &["watch", "texts"], &[("allocated: mean rank", "t"), ("Samples of held-out", "")]),
];

/// A rank and a learning rate that are none, and the list of what is wrong.
const PROBLEMS: &[(&str, &str)] = &[
    ("again", "n"),
    ("ready to start", "/lora.rank"),
    ("find lora.rank", "\r\r\x150\r"),
    ("1 problem", "\x1b"),
    ("▸ common", "/search.weights.lr"),
    ("find search.weights.lr", "\r\r\x15-1\r"),
    ("2 problems", "\x1b"),
    ("▸ common", "!"),
    ("Problems (2)", ""),
];

/// What a sixth of the search changed.
const CHANGES: &[(&str, &str)] = &[("allocated: mean rank", "m[[[[[["), ("differ from", "d"), ("Ranks from step", "")];
