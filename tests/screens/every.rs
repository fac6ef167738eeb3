//! Every screen and every popup once, in each state that looks different: a picture of each at three sizes, and its colours.
//! A new screen is a new line of the table; what holds for all of them is tested on all of them.

use crate::asked::{crowded, crowded_card};
use crate::fixtures::*;
use crate::form::{
    before_the_start, card, dataset_followed, difference, offline, on, picking, presets, refused, with_download, wrong,
};
use crate::generation::{writing, written};
use crate::runs::{at_a_cursor, comparing, damaged, deleting_a_parent, long_names, many, twins, with_long_note};
use crate::stages::{away, changing_its_rule, looking_on, many_kinds, on_a_gpu, restless, retrained, with_gpu};
use crate::theatre::{keys, monitor};
use crate::values::with_a_search_taken;
use autolora::experiment::{PresetDoc, Source};
use autolora::run::event::{Event, Phase};
use autolora::run::view::State;
use autolora::tui::keys::Context;
use autolora::tui::model::Model;
use autolora::tui::monitor::Pane;
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::preflight::Stage;
use autolora::tui::update::update;
use crossterm::event::KeyCode;

/// Kinds of modules of a large model.
pub const LARGE: [&str; 4] =
    ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];

macro_rules! pictures {
    ($($name:ident: $model:expr,)*) => {
        /// All of them.
        pub const ALL: &[(&str, fn() -> Model)] = &[$((stringify!($name), || $model)),*];
        mod pictures {
            $(
                #[test]
                fn $name() {
                    crate::show(stringify!($name), super::named(stringify!($name)));
                }
            )*
        }
    };
}

pictures! {
    runs: with_runs(rows()),
    runs_reading: model(),
    runs_empty: with_runs(Vec::new()),
    runs_many: coded(with_runs(many(300)), &[KeyCode::PageDown; 15]),
    runs_long: with_runs(long_names()),
    runs_starred: pressed(with_runs(rows()), "jjj"),
    runs_failed_selected: pressed(with_runs(rows()), "jjjj"),
    runs_queued_selected: pressed(with_runs(rows()), "G"),
    runs_filter: pressed(with_runs(rows()), "/state:f"),
    runs_filter_empty: pressed(with_runs(rows()), "/state:foo"),
    runs_marked: pressed(with_runs(rows()), "vvjv"),
    runs_sorted: pressed(with_runs(rows()), "oooooo"),
    runs_columns: pressed(with_runs(rows()), "Cjjj"),
    runs_tags: pressed(with_runs(rows()), "t"),
    runs_note: pressed(with_runs(rows()), "jjjN"),
    runs_delete: told(pressed(with_runs(rows()), "jjj"), [Msg::Weighed(vec![weight("20261122-235959-abcd")])]),
    runs_delete_several: deleting_several(),
    runs_delete_parent: deleting_a_parent(),
    runs_twins: twins(),
    runs_export: pressed(with_runs(rows()), "jjjE"),
    runs_export_folder: coded(pressed(with_runs(rows()), "jjjE"), &[KeyCode::Enter]),
    runs_damaged: damaged(),
    runs_unreadable: pressed(damaged(), "j"),
    runs_details: pressed(with_long_note(), "i"),
    runs_said: told(with_runs(rows()), [Msg::Done("demo pauses after its next checkpoint".into())]),
    runs_complained: pressed(with_runs(rows()), "c"),

    compare_reading: pressed(with_runs(rows()), "vvc"),
    compare_curves: comparing(2),
    compare_settings: pressed(comparing(2), "["),
    compare_ranks: pressed(comparing(2), "]]"),
    compare_scores: pressed(comparing(2), "]"),
    compare_cursor: at_a_cursor(),
    compare_eight_curves: comparing(8),
    compare_eight_settings: pressed(comparing(8), "["),
    compare_eight_ranks: pressed(comparing(8), "]]"),
    compare_eight_scores: pressed(comparing(8), "]"),

    presets: pressed(presets(), "j"),
    presets_filter: pressed(presets(), "/st"),
    presets_difference: told(presets(), [Msg::Differs(difference("sst2"))]),
    presets_rename: pressed(presets(), "jr"),
    presets_problems: told(presets(), [Msg::Wrong(wrong())]),
    presets_in_the_way: told(presets(), [in_the_way()]),

    form: form(PRESET),
    form_group: pressed(form(PRESET), "]]]]jj"),
    form_generation: form("[model]\nid = \"gpt2\"\n[data]\ntask = \"generation\"\n[evaluate]\nnum_beams = 10\n"),
    form_rerun: again(),
    form_search_taken: with_a_search_taken(),
    form_shipped: form(include_str!("../../presets/glue-cola.toml")),
    form_changed: changed(),
    form_dataset_followed: dataset_followed().0,
    form_typing: pressed(coded(on(PRESET, "data.text"), &[KeyCode::Enter]), "sentence-2"),
    form_filter: pressed(form(PRESET), "/lr"),
    form_problems: pressed(form(WRONG), "s"),
    form_problem_list: pressed(form(&format!("{WRONG}alpa = 3\n")), "!j"),
    form_save: pressed(form(PRESET), "w"),
    form_leave: coded(pressed(on(PRESET, "data.shuffle"), "l"), &[KeyCode::Esc]),

    picker_models: picking("model.id", ""),
    picker_models_typed: picking("model.id", "bert base"),
    picker_models_nothing: picking("model.id", "bert basexyz"),
    picker_datasets: picking("data.id", "sst"),
    picker_files: picking("data.train", "/data/films/t"),
    preflight_working: before_the_start(None),
    preflight_card: before_the_start(Some(card())),
    preflight_refused: before_the_start(Some(refused())),
    preflight_download: before_the_start(Some(with_download())),
    preflight_offline: before_the_start(Some(offline())),
    preflight_broken: broken(),
    preflight_crowded: crowded_card(Some(card())),
    crowded: crowded(),

    monitor_reading: coded(with_runs(rows()), &[KeyCode::Enter]),
    monitor_glimpse: glimpse(),
    monitor_lost: lost(),
    monitor_unread: unread(),
    monitor_queued: queued(),
    monitor_prepare: preparing().watched(State::Running),
    monitor_warmup: log_of(|log| log.prepared().warmup(7)).watched(State::Running),
    monitor_search: searching().watched(State::Running),
    monitor_paused: at_rest(Event::Paused { phase: Phase::Search, step: 120 }, State::Paused),
    monitor_stopped: at_rest(stopped(), State::Stopped),
    monitor_stalled: searching().watched(State::Stalled),
    monitor_crashed: after_a_checkpoint().watched(State::Crashed),
    monitor_crashed_early: preparing().watched(State::Crashed),
    monitor_failed: failed().watched(State::Failed),
    monitor_allocate: allocating().watched(State::Running),
    monitor_retrain: log_of(|log| log.prepared().warmup(20).search(300).allocate().retrain()).watched(State::Running),
    monitor_evaluate: evaluating().watched(State::Running),
    monitor_baseline: in_baseline().watched(State::Running),
    monitor_finished: finished().watched(State::Finished),
    monitor_large: pressed(large().watched(State::Running), "jjjjjjjjjjjjjjll"),

    theatre_past: pressed(searching().watched(State::Running), "m[[[[[[[["),
    theatre_past_finished: pressed(finished().watched(State::Finished), "[[[["),
    theatre_rule_changed: full(changing_its_rule(), Pane::History),
    theatre_past_rule: pressed(changing_its_rule().watched(State::Running), "[[[[[[[[["),
    theatre_fresh: looking_on(),
    theatre_many_kinds: pressed(many_kinds().watched(State::Running), "jllllll"),
    theatre_retrained: retrained().watched(State::Finished),
    theatre_said: told(searching().watched(State::Running), [Msg::Done("demo pauses after its next checkpoint".into())]),
    theatre_turns: full(restless(), Pane::Log),
    theatre_changes: pressed(searching().watched(State::Running), "m[[[[[[[[d"),
    theatre_jump: pressed(searching().watched(State::Running), ":"),
    theatre_what_if: pressed(searching().watched(State::Running), "wlllll"),
    theatre_what_if_value: pressed(searching().watched(State::Running), "we"),
    theatre_what_if_kept: coded(pressed(finished().watched(State::Finished), "wj"), &[KeyCode::Enter]),
    theatre_what_if_same: coded(pressed(finished().watched(State::Finished), "w"), &[KeyCode::Enter]),
    theatre_what_if_large: pressed(large().watched(State::Running), "wllll"),
    theatre_card: away(7300.0),
    theatre_figures: read_out(),
    theatre_machine: with_gpu(),
    theatre_full_gpu: full(on_a_gpu(), Pane::Machine),
    theatre_log_filter: pressed(searching().watched(State::Running), "/warning"),
    theatre_full_map: full(large(), Pane::Map),
    theatre_full_module: full(finished(), Pane::Module),
    theatre_full_history: full(finished(), Pane::History),
    theatre_full_figures: full(finished(), Pane::Figures),
    theatre_full_result: full(finished(), Pane::Result),
    theatre_full_machine: full(finished(), Pane::Machine),
    theatre_full_log: full(searching(), Pane::Log),

    samples_running: writing().watched(State::Running),
    samples_finished: written().watched(State::Finished),
    samples_popup: pressed(written().watched(State::Finished), "t"),
    samples_full: full(writing(), Pane::Samples),

    help_runs: pressed(with_runs(rows()), "?"),
    help_compare: pressed(comparing(2), "?"),
    help_presets: pressed(presets(), "?"),
    help_form: pressed(form(PRESET), "?"),
    help_monitor: pressed(searching().watched(State::Running), "?"),
    help_what_if: pressed(searching().watched(State::Running), "w?"),
}

const WRONG: &str =
    "[model]\nid = \"builtin:demo\"\n[data]\nid = \"builtin:demo\"\n[search]\nlr = 1\n[lora]\nrank = 0\n";

/// One of them.
pub fn named(name: &str) -> Model {
    let known = ALL.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("no picture is called {name}")).1()
}

fn pressed(mut model: Model, keys: &str) -> Model {
    press(&mut model, keys);
    model
}

fn coded(mut model: Model, codes: &[KeyCode]) -> Model {
    keys(&mut model, codes);
    model
}

fn told<const N: usize>(mut model: Model, msgs: [Msg; N]) -> Model {
    for msg in msgs {
        update(&mut model, msg);
    }
    model
}

fn log_of(write: impl FnOnce(&mut Log) -> &mut Log) -> Log {
    let mut log = Log::new();
    write(&mut log);
    log
}

fn deleting_several() -> Model {
    let mut model = with_runs(rows());
    press(&mut model, "V");
    let Effect::Weigh(runs) = char_effect(&mut model, 'd') else { panic!("what is deleted is weighed first") };
    told(model, [Msg::Weighed(runs.iter().map(|run| weight(run)).collect())])
}

fn in_the_way() -> Msg {
    let then = Effect::ExportPreset { name: "sst2".into(), file: "sst2.toml".into(), replace: true };
    let text = "There is a file /home/ada/sst2.toml already. Write over it?".into();
    Msg::InTheWay { title: "Write over", text, then }
}

/// The form on the preset of a run.
pub fn again() -> Model {
    let source = Source { name: "demo".into(), text: PRESET.into(), folder: None };
    let doc = Box::new(PresetDoc::open(&source).expect("the text is TOML"));
    let parent = rows()[0].id.clone();
    told(with_runs(rows()), [Msg::RerunOpened { doc, name: "demo-2".into(), parent }])
}

/// A value changed in the middle of a form.
fn changed() -> Model {
    let mut model = on(PRESET, "lora.rank");
    keys(&mut model, &[KeyCode::Enter]);
    press(&mut model, "16");
    keys(&mut model, &[KeyCode::Enter]);
    model
}

fn after_a_checkpoint() -> Log {
    let mut log = searching();
    log.push(Event::Checkpoint { phase: Phase::Search, step: 100 });
    log
}

fn broken() -> Model {
    let why = "cannot start threads: Resource temporarily unavailable".to_owned();
    told(before_the_start(None), [Msg::Preflight { number: 1, stage: Stage::Broken(why) }])
}

/// A long log of which only the ends are read.
fn glimpse() -> Model {
    let mut model = searching().watched(State::Running);
    let (run, view) = (monitor(&mut model).run.clone(), monitor(&mut model).view.clone());
    let seen = Msg::Glimpse { run: run.clone(), view: Box::new(view), state: State::Running };
    told(model, [seen, Msg::Reading { run, read: 0.5 }])
}

fn lost() -> Model {
    let error = "cannot read /runs/x/events.jsonl: permission denied".into();
    told(coded(with_runs(rows()), &[KeyCode::Enter]), [Msg::Lost { run: rows()[0].id.clone(), error }])
}

/// A run that could be read before.
fn unread() -> Model {
    let mut model = searching().watched(State::Running);
    let run = monitor(&mut model).run.clone();
    let path = "/home/mo/.local/share/autolora/runs/20261123-203312-a1b2/events.jsonl";
    let error = format!(
        "cannot read {path}: Stale file handle (os error 116); what is shown is from before, and it is tried again every second"
    );
    told(model, [Msg::Lost { run, error }])
}

fn queued() -> Model {
    let event = Event::Queued { pid: 7, host: "gpu1".into(), device: "cuda:0 or cuda:1".into(), place: 2 };
    log_of(|log| log.push(event)).watched(State::Queued)
}

fn preparing() -> Log {
    let mut log = Log::new();
    let message = "downloading FacebookAI/roberta-base: model.safetensors, 499 MB".into();
    log.push(Event::Log { phase: Phase::Prepare, level: "info".into(), message });
    log.push(Event::Progress {
        phase: Phase::Prepare,
        step: 20_480,
        total: 67_349,
        rate: 8_123.4,
        left_s: 5.8,
        rss_bytes: 612_000_000,
        device_bytes: None,
    });
    log
}

fn stopped() -> Event {
    Event::Stopped { phase: Phase::Search, step: 120, reason: "asked".into() }
}

/// A search that ended on request.
fn at_rest(end: Event, state: State) -> Model {
    let mut log = searching();
    log.push(end);
    log.watched(state)
}

fn failed() -> Log {
    let error = "the training loss is not a number at step 57 of the search (learning rate of the weights 0.3, of the selection 0.01)";
    let advice = "lower search.weights.lr, for instance to 0.001, or set search.clip_norm to 1.0, and resume";
    let checkpoint = Event::Checkpoint { phase: Phase::Search, step: 50 };
    log_of(|log| log.prepared().warmup(20).search(56).push(checkpoint).fail(error, advice))
}

fn allocating() -> Log {
    let mut log = log_of(|log| log.prepared().warmup(20).search(300));
    log.push(Event::Phase { phase: Phase::Allocate, total: 0, epochs: None }).allocate();
    log
}

fn evaluating() -> Log {
    let mut log = log_of(|log| log.prepared().warmup(20).search(300).allocate().retrain());
    log.push(Event::Phase { phase: Phase::Evaluate, total: 19, epochs: None });
    log.push(Event::Progress {
        phase: Phase::Evaluate,
        step: 8,
        total: 19,
        rate: 41.5,
        left_s: 0.3,
        rss_bytes: 168_000_000,
        device_bytes: None,
    });
    log
}

fn in_baseline() -> Log {
    let mut log = log_of(|log| log.prepared().warmup(20).search(300).allocate().retrain());
    let metrics = [("accuracy".to_owned(), 0.9525), ("loss".to_owned(), 0.1432)].into();
    log.push(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics });
    log.push(Event::Phase { phase: Phase::Baseline, total: 469, epochs: Some(2.0) });
    log.say("info", "baseline: the head alone, without any adapter");
    for step in 1..=200 {
        log.step_at(Phase::Baseline, step, 0.4 * (-(step as f64) / 60.0).exp() + 0.3, None);
    }
    log.push(Event::Progress {
        phase: Phase::Baseline,
        step: 200,
        total: 469,
        rate: 83.1,
        left_s: 3.2,
        rss_bytes: 168_000_000,
        device_bytes: None,
    });
    log
}

fn large() -> Log {
    let mut log = Log::of_size(24, &LARGE, 8, 1024);
    log.prepared().warmup(20).search(200);
    log
}

/// The losses on the whole screen, closer, with the cursor on one step.
pub fn read_out() -> Model {
    let mut model = pressed(finished().watched(State::Finished), "coy");
    monitor(&mut model).focus = Pane::Figures;
    pressed(coded(pressed(model, "f"), &[KeyCode::Left; 3]), "++x")
}

fn full(log: Log, pane: Pane) -> Model {
    let mut model = log.watched(State::Finished);
    monitor(&mut model).focus = pane;
    assert!(monitor(&mut model).has(pane));
    pressed(model, "f")
}

/// On a terminal without colour and in another encoding than UTF-8.
#[test]
fn without_unicode_every_screen_is_ascii() {
    for (name, model) in ALL {
        let mut model = model();
        model.look = PLAIN;
        for (columns, lines) in crate::SIZES {
            let shown = frame(&model, columns, lines);
            assert!(shown.is_ascii(), "{name}\n{shown}");
        }
    }
}

#[test]
fn every_small_size_is_survived() {
    const SIZES: [u16; 11] = [0, 1, 2, 3, 4, 6, 9, 13, 18, 24, 40];
    for (_, model) in ALL {
        let mut model = model();
        for columns in SIZES {
            for lines in SIZES {
                model.size = (columns, lines);
                frame(&model, columns, lines);
            }
        }
    }
}

/// The table is complete: what has keys of its own has a picture.
#[test]
fn every_context_has_a_picture() {
    let shown: Vec<Context> = ALL.iter().map(|(_, model)| model().context()).collect();
    for binding in autolora::tui::keys::BINDINGS {
        let is_of_all = binding.context == Context::Screen;
        assert!(is_of_all || shown.contains(&binding.context), "{:?} has no picture", binding.context);
    }
}
