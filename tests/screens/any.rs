//! Any keys on any size: no panic, and a state that still makes sense.

use crate::fixtures::*;
use autolora::run::notes::Notes;
use autolora::run::view::State;
use autolora::tui::look::Look;
use autolora::tui::model::{Model, Screen};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::palette::Depth;
use autolora::tui::preflight::Stage;
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, bool),
    Paste(String),
    Size(u16, u16),
    Rows(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let codes = prop_oneof![
        5 => "[ -~]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap_or(' '))),
        1 => any::<char>().prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left,
            KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Delete,
            KeyCode::Backspace, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let step = prop_oneof![
        12 => (codes, prop::bool::weighted(0.1)).prop_map(|(code, control)| Step::Key(code, control)),
        1 => ".{0,20}".prop_map(Step::Paste),
        2 => (0u16..170, 0u16..50).prop_map(|(columns, lines)| Step::Size(columns, lines)),
        1 => (0u16..6, 0u16..6).prop_map(|(columns, lines)| Step::Size(columns, lines)),
        1 => (0usize..9).prop_map(Step::Rows),
    ];
    prop::collection::vec(step, 1..60)
}

/// Answers what the model asks for as a world would in which everything works.
fn answer(effect: Effect) -> Option<Msg> {
    let done = || Some(Msg::Done("done".into()));
    match effect {
        Effect::Start { .. } => Some(Msg::Started { run: rows()[0].id.clone() }),
        Effect::Pause(_) | Effect::Resume(_) | Effect::Stop(_) | Effect::Remove(_) => done(),
        Effect::ChooseAllocation { .. } | Effect::QueueFirst(_) => done(),
        Effect::Retrain { .. } => Some(Msg::Started { run: rows()[0].id.clone() }),
        Effect::Fetch { .. } => None,
        Effect::Weigh(runs) => Some(Msg::Weighed(runs.iter().map(|run| weight(run)).collect())),
        Effect::Annotate { run, .. } => {
            let notes = Box::new(Notes { star: true, note: run.clone(), ..Notes::default() });
            Some(Msg::Annotated { run, notes })
        }
        Effect::OpenRerun(parent) => {
            let doc = Box::new(autolora::experiment::PresetDoc::empty("demo"));
            Some(Msg::RerunOpened { doc, name: "demo-2".into(), parent })
        }
        Effect::Keep(_) => None,
        Effect::ListPresets | Effect::CopyPreset { .. } | Effect::DeletePreset(_) => Some(Msg::Presets(preset_rows())),
        Effect::OpenPreset(_) => {
            let source = autolora::experiment::Source { name: "demo".into(), text: PRESET.into(), folder: None };
            autolora::experiment::PresetDoc::open(&source).ok().map(|doc| Msg::PresetOpened(Box::new(doc)))
        }
        Effect::SavePreset { name, .. } => Some(Msg::PresetSaved(name)),
        Effect::RenamePreset { from, to } => Some(Msg::PresetRenamed { from, to }),
        Effect::ImportPreset { replace: false, file, name } => {
            let then = Effect::ImportPreset { file, name, replace: true };
            Some(Msg::InTheWay { title: "Replace", text: "There is one.".into(), then })
        }
        Effect::ExportPreset { .. } => Some(Msg::Wrong(crate::form::wrong())),
        Effect::ImportPreset { .. } => done(),
        Effect::Compare(name) => Some(Msg::Differs(crate::form::difference(&name))),
        Effect::Gather(ask) => Some(Msg::Gathered { found: crate::form::found(&ask), ask }),
        Effect::Preflight { number, .. } => {
            let card = if number % 2 == 0 { crate::form::refused() } else { crate::form::card() };
            Some(Msg::Preflight { number, stage: Stage::Done(Box::new(card)) })
        }
        Effect::EndPreflight => None,
        Effect::Check { edit, .. } => Some(Msg::Checked { edit, problems: Vec::new() }),
        Effect::Quit(_) | Effect::Ring(_) => None,
    }
}

fn play(mut model: Model, steps: Vec<Step>) {
    let mut size = (80, 24);
    for step in steps {
        let msg = match step {
            Step::Key(code, true) => Msg::Key(KeyEvent::new(code, KeyModifiers::CONTROL)),
            Step::Key(code, false) => key(code),
            Step::Paste(text) => Msg::Paste(text),
            Step::Rows(count) => Msg::Runs(rows().into_iter().take(count).collect()),
            Step::Size(columns, lines) => {
                size = (columns, lines);
                frame(&model, size.0, size.1);
                continue;
            }
        };
        let mut waiting = vec![msg];
        while let Some(msg) = waiting.pop() {
            waiting.extend(update(&mut model, msg).into_iter().filter_map(answer));
        }
        let shown = frame(&model, size.0, size.1);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        assert!(matches!(model.screens.first(), Some(Screen::Runs)), "the runs are always behind");
        assert!(model.screens.len() <= 3 && model.popups.len() <= 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_keys_from_the_runs(steps in steps()) {
        play(with_runs(rows()), steps);
    }

    #[test]
    fn any_keys_from_a_comparison(steps in steps(), colour: bool, unicode: bool, runs in 2usize..9) {
        let mut model = crate::runs::comparing(runs);
        let depth = if colour { Depth::Many } else { Depth::None };
        model.look = Look { depth, unicode, letters: unicode };
        play(model, steps);
    }

    #[test]
    fn any_keys_from_the_form(steps in steps()) {
        play(form(PRESET), steps);
    }

    #[test]
    fn any_keys_from_the_monitor(steps in steps(), colour: bool, unicode: bool) {
        let mut model = finished().watched(State::Finished);
        let depth = if colour { Depth::Many } else { Depth::None };
        model.look = Look { depth, unicode, letters: unicode };
        play(model, steps);
    }

    #[test]
    fn any_keys_from_the_monitor_of_a_run_that_writes(steps in steps(), unicode: bool) {
        let mut model = crate::generation::written().watched(State::Finished);
        model.look = Look { depth: Depth::Many, unicode, letters: unicode };
        play(model, steps);
    }
}
