//! Every screen and popup as a picture, keys as (before, keys, after), and any keys on any size without a panic.

mod any;
mod asked;
mod every;
mod fixtures;
mod form;
mod generation;
mod keys;
mod mouse;
mod runs;
mod stages;
mod styles;
mod theatre;
mod values;

use autolora::run::view::State;
use autolora::tui::model::Model;
use autolora::tui::msg::Msg;
use autolora::tui::update::update;
use fixtures::*;

/// Columns and lines of the pictures.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Compares the frame at every size with the stored ones, and the colours at the smallest.
fn show(name: &str, mut model: Model) {
    for (columns, lines) in SIZES {
        model.size = (columns, lines);
        insta::assert_snapshot!(format!("{name}_{columns}x{lines}"), frame(&model, columns, lines));
    }
    let (columns, lines) = SIZES[0];
    insta::assert_snapshot!(format!("{name}_styles"), styles::map(&mut model, columns, lines));
}

/// What has no blocks and no braille on a terminal without colour and UTF-8.
#[test]
fn ascii() {
    let mut log = Log::of_size(24, &every::LARGE, 8, 1024);
    log.prepared().warmup(20).search(200);
    let models = [
        ("monitor", finished().watched(State::Finished)),
        ("runs", with_runs(rows())),
        ("search", log.watched(State::Running)),
        ("compare", runs::comparing(2)),
        ("samples", generation::written().watched(State::Finished)),
    ];
    for (name, mut model) in models {
        model.look = PLAIN;
        insta::assert_snapshot!(format!("ascii_{name}_80x24"), frame(&model, 80, 24));
    }
}

#[test]
fn control_characters_of_a_log_never_reach_the_terminal() {
    let evil = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\rd\u{202e}e";
    let mut rows = rows();
    rows[0].name = evil.into();
    rows[0].model = evil.into();
    let mut log = searching();
    log.say("warning", evil).fail(evil, evil);
    let mut failed = log.watched(State::Failed);
    update(&mut failed, Msg::Failed(evil.into()));
    let mut presets = preset_rows();
    presets[0].description = evil.into();
    presets[0].name = evil.into();
    let mut listed = with_runs(Vec::new());
    press(&mut listed, "p");
    update(&mut listed, Msg::Presets(presets));
    for model in [with_runs(rows), failed, listed] {
        let shown = frame(&model, 120, 40);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(bad), "{shown:?}");
        assert!(shown.contains("a?]0;owned?b"), "{shown}");
    }
}
