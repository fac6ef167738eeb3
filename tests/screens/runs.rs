//! The runs table and the comparison: pictures, and keys as (before, keys, after).

use crate::fixtures::*;
use autolora::experiment::Experiment;
use autolora::run::event::Phase;
use autolora::run::notes::Notes;
use autolora::run::referring::Referrer;
use autolora::run::view::State;
use autolora::tui::keys::Context;
use autolora::tui::model::{Model, Screen};
use autolora::tui::monitor::Head;
use autolora::tui::msg::{Effect, Msg, Watching, Weight};
use autolora::tui::runs::{Annotation, Column, ExportFormat, RunRow};
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn notice(model: &Model) -> &str {
    model.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

fn shown(model: &Model) -> Vec<&str> {
    model.runs.shown().map(|row| row.name.as_str()).collect()
}

/// A home in which there is much.
pub fn many(count: usize) -> Vec<RunRow> {
    let states = [State::Finished, State::Finished, State::Stopped, State::Failed, State::Crashed];
    let make = |n: usize| {
        let id = format!("202611{:02}-{:02}0000-{n:04x}", 28 - n / 24 % 28, 23 - n % 24);
        let mut row = row(&id, &format!("sweep-{n:03}"), states[n % states.len()]);
        row.score = (n % 5 < 2).then(|| ("accuracy".into(), 0.7 + (n * 37 % 97) as f64 / 400.0));
        row.best = Some((n % 290 + 1, 0.2 + (n * 53 % 89) as f64 / 200.0));
        row.started = Some(format!("2026-11-{:02}T{:02}:00:00.000Z", 28 - n / 24 % 28, 23 - n % 24));
        row
    };
    (0..count).map(make).collect()
}

/// Names of any length, wide, and without an end.
pub fn long_names() -> Vec<RunRow> {
    let mut rows = rows();
    rows[0].name = "roberta-large-sst2-unrolled-rank-16-lr-1e-3-seed-42-third-try-with-the-right-data".into();
    rows[2].name = "模型模型模型模型模型模型模型模型模型模型模型".into();
    for row in &mut rows {
        row.notes.tags = (0..12).map(|n| format!("a-rather-long-tag-{n}")).collect();
        row.notes.note = "n".repeat(900);
        row.model = format!("/{}", "very/long/".repeat(30));
        row.data = "d".repeat(300);
        row.score = Some(("entity_f1_strict_of_everything".into(), -1.2345e-17));
    }
    rows
}

/// A run of which a part is lost, with the cursor, and one that cannot be read.
pub fn damaged() -> Model {
    let mut rows = rows();
    rows[2].name = rows[2].id.clone();
    rows[2].damage = Some("run.json is empty".into());
    rows[3].unreadable = Some(
        "cannot read /home/ada/.local/share/autolora/runs/20261122-235959-abcd/events.jsonl: Permission denied".into(),
    );
    let mut model = with_runs(rows);
    press(&mut model, "jj");
    model
}

/// A note that does not fit below the table.
pub fn with_long_note() -> Model {
    let mut rows = long_names();
    rows[0].notes.note = format!("{} the-very-end", "a line of a note on what was tried ".repeat(28));
    with_runs(rows)
}

/// The question whether to delete a run that two others refer to.
pub fn deleting_a_parent() -> Model {
    let mut model = with_runs(rows());
    press(&mut model, "jjj");
    let run = rows()[3].id.clone();
    let refers = |id: &str, name: &str, reads| Referrer { id: id.into(), name: name.into(), reads };
    let child = refers("20261124-010203-beef", "budget-3", None);
    let reader = refers("20261124-020304-cafe", "second-stage", Some("lora.init_from"));
    // One that goes too is no reason to stop.
    let referrers = vec![child, reader, refers(&run, "itself", None)];
    update(&mut model, Msg::Weighed(vec![Weight { referrers, ..weight(&run) }]));
    model
}

/// Losses of three runs, smooth and close, at a step.
pub fn at_a_cursor() -> Model {
    let mut model = comparing(3);
    press(&mut model, "o");
    for _ in 0..8 {
        effects(&mut model, KeyCode::Left);
    }
    effects(&mut model, KeyCode::Up);
    model
}

/// All of a log as it reaches the screen.
fn followed(run: &str, log: &Log, state: State) -> Msg {
    Msg::Followed { run: run.into(), records: log.records().to_vec(), places: Vec::new(), state }
}

/// The comparison of so many runs, some of them at work.
pub fn comparing(count: usize) -> Model {
    let names =
        ["demo", "sst2-minilm-rank-8-unrolled", "cola", "implicit", "first-order", "rank-16", "wide", "last one"];
    let mut rows: Vec<RunRow> =
        (0..count).map(|n| row(&format!("20261123-20331{n}-a1b2"), names[n % names.len()], State::Finished)).collect();
    rows[1].state = State::Running;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut model = with_runs(rows);
    press(&mut model, "Vc");
    for (n, run) in ids.into_iter().enumerate() {
        let mut experiment = Experiment::default();
        experiment.data.id = Some("builtin:demo".into());
        experiment.model.id = "builtin:demo".into();
        experiment.lora.rank = 8;
        experiment.runtime.seed = 42 + n as u64;
        experiment.search.weights.lr = if n % 2 == 0 { 1e-3 } else { 3e-4 };
        experiment.search.selection_optimizer.weight_decay = n as f64 / 100.0;
        let settings = Some(Box::new(experiment));
        let head = Head { id: run.clone(), name: names[n % names.len()].into(), settings, ..Head::default() };
        update(&mut model, Msg::Opened(Box::new(head)));
        let mut log = Log::of_size(3, &["attention.self.query", "attention.self.value"], 8, 96);
        log.prepared().warmup(20).search_like(if n == 1 { 120 } else { 300 }, n);
        let state = if n == 1 { State::Running } else { State::Finished };
        if n != 1 {
            log.allocate_like(n).retrain().finish_with(0.95 - 0.01 * n as f64, 0.14 + 0.02 * n as f64);
        }
        update(&mut model, followed(&run, &log, state));
    }
    model
}

#[test]
fn very_long_names() {
    let model = with_runs(long_names());
    for columns in 1..100 {
        frame(&model, columns, 24);
    }
}

#[test]
fn a_long_note_is_read_from_end_to_end() {
    assert!(!frame(&with_long_note(), 80, 24).contains("the-very-end"));
    let mut model = with_long_note();
    press(&mut model, "i");
    model.size = (80, 24);
    press(&mut model, "G");
    let shown = frame(&model, 80, 24);
    assert!(shown.contains("the-very-end"), "{shown}");
    effects(&mut model, KeyCode::Esc);
    assert!(model.popups.is_empty());
}

#[test]
fn deleting_several_runs_asks_once() {
    let mut model = with_runs(rows());
    press(&mut model, "V");
    let Effect::Weigh(runs) = char_effect(&mut model, 'd') else { panic!() };
    assert_eq!(runs.len(), 5, "those at work stay, and the one that waits for it");
    update(&mut model, Msg::Weighed(runs.iter().map(|run| weight(run)).collect()));
    assert!(matches!(char_effect(&mut model, 'y'), Effect::Remove(removed) if removed == runs));
}

#[test]
fn tags_and_notes_are_typed() {
    let mut model = with_runs(rows());
    press(&mut model, "t");
    press(&mut model, ", mine");
    let Effect::Annotate { run, change } = effect(&mut model, KeyCode::Enter) else { panic!() };
    let tags = ["paper", "lr-sweep", "mine"].map(String::from).to_vec();
    assert_eq!((run.as_str(), change), (rows()[0].id.as_str(), Annotation::Tags(tags)));
    press(&mut model, "t");
    press(&mut model, " -no");
    assert!(effects(&mut model, KeyCode::Enter).is_empty() && notice(&model).contains("begins with a dash"));
    press(&mut model, "N");
    press(&mut model, "see p. 3");
    let change = Annotation::Note("see p. 3".into());
    assert!(matches!(effect(&mut model, KeyCode::Enter), Effect::Annotate { change: found, .. } if found == change));
    press(&mut model, "N");
    assert!(effects(&mut model, KeyCode::Esc).is_empty());
}

#[test]
fn a_star_is_asked_for_and_shown_once_it_is_kept() {
    let mut model = with_runs(rows());
    assert!(!frame(&model, 80, 24).lines().nth(2).unwrap_or_default().contains('★'));
    let Effect::Annotate { run, change } = char_effect(&mut model, '*') else { panic!() };
    assert_eq!(change, Annotation::Star(true));
    let notes = Box::new(Notes { star: true, ..Notes::default() });
    update(&mut model, Msg::Annotated { run, notes });
    assert!(frame(&model, 80, 24).lines().nth(2).unwrap_or_default().contains('★'));
    assert!(matches!(char_effect(&mut model, '*'), Effect::Annotate { change: Annotation::Star(false), .. }));
}

#[test]
fn the_order_goes_through_the_columns_and_is_kept() {
    let mut model = with_runs(rows());
    let newest = shown(&model).join(" ");
    let Effect::Keep(kept) = char_effect(&mut model, 'o') else { panic!() };
    assert_eq!((notice(&model), kept.edit), ("sorted by starred first", 1));
    assert_eq!(model.runs.selected().map(|row| row.name.as_str()), Some("demo"), "the cursor stays on its run");
    assert_eq!(shown(&model)[0], "cola");
    press(&mut model, "ooooo");
    assert_eq!(notice(&model), "sorted by score, best first");
    assert_eq!(shown(&model)[..2], ["cola", "demo"], "a score is more than a loss, which is more than nothing");
    let Effect::Keep(kept) = char_effect(&mut model, 'O') else { panic!() };
    assert!(kept.order.reversed);
    press(&mut model, "o");
    assert_eq!(shown(&model).join(" "), newest, "and newest first again");
}

#[test]
fn columns_are_hidden_moved_and_kept() {
    let mut model = with_runs(rows());
    press(&mut model, "C");
    assert_eq!(model.context(), Context::Columns);
    let Effect::Keep(kept) = char_effect(&mut model, ' ') else { panic!() };
    assert!(!kept.shown().contains(&Column::State));
    assert!(!frame(&model, 120, 40).contains("● running"));
    press(&mut model, "  ");
    assert!(!model.runs.kept.shown().contains(&Column::State), "shown and hidden again, in its place");
    press(&mut model, "j");
    let Effect::Keep(kept) = char_effect(&mut model, 'J') else { panic!() };
    assert_eq!(kept.shown()[..2], [Column::Left, Column::Progress]);
    let Effect::Keep(kept) = char_effect(&mut model, 'u') else { panic!() };
    assert_eq!(kept.shown(), Column::USUAL);
    assert!(effects(&mut model, KeyCode::Char('g')).is_empty());
    assert!(effects(&mut model, KeyCode::Char('K')).is_empty(), "the first one cannot go further");
    assert_eq!(model.context(), Context::Columns);
    effects(&mut model, KeyCode::Esc);
    assert_eq!(model.context(), Context::Runs);
}

#[test]
fn a_filter_is_kept_with_enter_and_cleared_with_escape() {
    let mut model = with_runs(rows());
    press(&mut model, "/cola");
    assert_eq!((model.context(), shown(&model).len()), (Context::RunsFilter, 2));
    effects(&mut model, KeyCode::Enter);
    press(&mut model, "j");
    assert_eq!(model.runs.selected().map(|row| row.state), Some(State::Finished));
    effects(&mut model, KeyCode::Esc);
    assert_eq!(shown(&model).len(), rows().len());
    assert_eq!(model.runs.selected().map(|row| row.state), Some(State::Finished), "the cursor stays");
    press(&mut model, "/x");
    update(&mut model, Msg::Paste("y\nz".into()));
    effects(&mut model, KeyCode::Backspace);
    effects(&mut model, KeyCode::Esc);
    assert_eq!((model.context(), shown(&model).len()), (Context::Runs, rows().len()));
}

#[test]
fn comparing_says_how_to_mark_until_there_are_two_to_eight() {
    let mut model = with_runs(many(20));
    let bar = |model: &Model| frame(model, 120, 40).lines().last().unwrap_or_default().to_owned();
    assert!(effects(&mut model, KeyCode::Char('c')).is_empty());
    assert!(notice(&model).starts_with("mark 2 to 8 runs with v"), "{}", notice(&model));
    press(&mut model, "v");
    assert!(!bar(&model).contains("c compare"));
    press(&mut model, "v");
    assert!(bar(&model).contains("c compare"));
    press(&mut model, "vvvvvvv");
    assert!(effects(&mut model, KeyCode::Char('c')).is_empty());
    assert!(notice(&model).starts_with("9 runs are marked"), "{}", notice(&model));
    press(&mut model, "kvc");
    let ids: Vec<String> = many(20).into_iter().take(8).map(|row| row.id).collect();
    assert_eq!(model.watching(), Watching::Several(ids));
    effects(&mut model, KeyCode::Esc);
    assert_eq!((model.watching(), model.runs.marked.len()), (Watching::Runs, 8));
    effects(&mut model, KeyCode::Esc);
    assert!(model.runs.marked.is_empty());
}

#[test]
fn a_rerun_opens_the_form_with_the_preset_a_name_and_the_parent() {
    let mut model = with_runs(rows());
    assert!(matches!(char_effect(&mut model, 'e'), Effect::OpenRerun(run) if run == rows()[0].id));
    let mut model = crate::every::again();
    let Effect::Start { doc, name, parent, .. } = char_effect(&mut model, 'S') else { panic!() };
    assert!(doc.text().contains("# My first preset."));
    assert_eq!((name.as_deref(), parent), (Some("demo-2"), Some(rows()[0].id.clone())));
}

#[test]
fn a_run_that_is_running_is_never_deleted_with_others() {
    let mut model = with_runs(rows());
    press(&mut model, "vv");
    assert!(effects(&mut model, KeyCode::Char('d')).is_empty(), "both are at work");
    press(&mut model, "v");
    assert!(matches!(char_effect(&mut model, 'd'), Effect::Weigh(runs) if runs == [rows()[2].id.clone()]));
}

#[test]
fn losses_are_compared_at_a_cursor_smooth_and_close() {
    let mut model = at_a_cursor();
    let curves = |model: &mut Model| model.comparison().map(|compare| (compare.cursor, compare.lens.clone())).unwrap();
    let (at, lens) = curves(&mut model);
    assert!(at.is_some_and(|at| at < 300.0 && at.fract() == 0.0), "{at:?}");
    assert!(lens.weight() > 0.0 && lens.part() == 0.5);
    press(&mut model, "x");
    assert_ne!(curves(&mut model).0, at, "the same step is elsewhere on another axis");
    press(&mut model, "xxx");
    assert_eq!(curves(&mut model).0, at, "and where it was once the axes are through");
    press(&mut model, "0");
    assert_eq!((curves(&mut model).0, curves(&mut model).1.part()), (None, 1.0));
    // Where the losses are not in sight, their keys say so.
    model.size = (80, 24);
    effects(&mut model, KeyCode::Tab);
    press(&mut model, "o");
    assert!(notice(&model).contains("Tab"), "{}", notice(&model));
    assert_eq!(curves(&mut model).1.weight(), lens.weight());
}

#[test]
fn a_run_has_its_colour_in_every_comparison() {
    let mut model = with_runs(rows());
    let hues = |model: &mut Model| -> Vec<(String, usize)> {
        let sides = &model.comparison().unwrap().sides;
        sides.iter().map(|side| (side.id.clone(), side.hue)).collect()
    };
    press(&mut model, "vv");
    let Effect::Keep(kept) = char_effect(&mut model, 'c') else { panic!("colours are remembered") };
    assert_eq!(kept.hues.words().count(), 2);
    let before = hues(&mut model);
    effects(&mut model, KeyCode::Esc);
    // The first one leaves, a third one comes: the second stays as it was.
    press(&mut model, "gvjvc");
    let after = hues(&mut model);
    assert_eq!(after.len(), 2);
    let of = |all: &[(String, usize)], id: &str| all.iter().find(|(run, _)| run == id).map(|(_, hue)| *hue);
    assert_eq!(of(&after, &before[1].0), Some(before[1].1));
    assert_ne!(after[0].1, after[1].1);
}

#[test]
fn a_comparison_before_anything_is_read_and_with_a_run_that_is_gone() {
    let mut model = with_runs(rows());
    press(&mut model, "vvc");
    let error = "no run \"x\"".to_owned();
    update(&mut model, Msg::Lost { run: rows()[0].id.clone(), error });
    assert!(frame(&model, 80, 24).contains("no run"));
}

#[test]
fn a_run_that_could_not_be_read_for_a_while_is_shown_again_and_said_so_once() {
    let run = rows()[0].id.clone();
    let lost = || Msg::Lost { run: run.clone(), error: "Stale file handle; it is tried again".into() };
    for codes in [&[KeyCode::Char('v'), KeyCode::Char('v'), KeyCode::Char('c')][..], &[KeyCode::Enter]] {
        let mut model = with_runs(rows());
        for code in codes {
            update(&mut model, key(*code));
        }
        update(&mut model, lost());
        assert!(frame(&model, 100, 30).contains("Stale file handle"));
        update(&mut model, Msg::Regained { run: run.clone() });
        let after = frame(&model, 100, 30);
        assert!(after.contains("can be read again") && !after.contains("Stale"), "{after}");
        press(&mut model, "k");
        assert!(!frame(&model, 100, 30).contains("can be read again"));
    }
}

#[test]
fn the_runs_of_a_comparison_that_do_not_fit_are_reached_by_arrows() {
    let mut model = comparing(8);
    press(&mut model, "]]");
    model.size = (60, 24);
    let heading = |model: &Model| frame(model, 60, 24).lines().find(|line| line.contains("1 demo")).map(str::to_owned);
    let seen = |model: &Model, run: &str| {
        let shown = frame(model, 60, 24);
        shown.lines().skip(10).any(|line| line.contains(run))
    };
    assert!(heading(&model).is_some());
    assert!(!seen(&model, "8 las"));
    press(&mut model, "llllllllllll");
    assert!(seen(&model, "8 las") && seen(&model, "1 demo"), "{}", frame(&model, 60, 24));
    press(&mut model, "h");
    assert!(!seen(&model, "8 las"), "one step back is one step");
}

#[test]
fn eight_runs_are_compared_beside_each_other_at_160_columns() {
    let model = comparing(8);
    let drawn = frame(&model, 160, 45);
    assert_eq!(drawn.matches("8 la").count(), 3, "in scores, ranks and settings: {drawn}");
    assert!(drawn.contains("smooth 0.6"), "as the monitor");
}

#[test]
fn runs_of_one_name_are_told_apart_by_the_end_of_their_ids() {
    let mut model = comparing(3);
    assert!(frame(&model, 80, 24).contains("demo   ") && !frame(&model, 80, 24).contains("demo a1b2"));
    for (n, id) in ["20261123-203310-a1b2", "20261123-203312-a1b3"].into_iter().enumerate() {
        let compare = model.comparison().unwrap();
        (compare.sides[n].name, compare.sides[n].id) = ("demo".into(), id.into());
    }
    let shown = frame(&model, 80, 24);
    assert!(shown.contains("demo a1b2") && shown.contains("demo a1b3"), "{shown}");
}

#[test]
fn the_losses_of_a_comparison_go_round_and_a_live_run_goes_on() {
    let mut model = comparing(2);
    press(&mut model, "c");
    assert!(frame(&model, 80, 24).contains("training loss"));
    assert!(frame(&model, 200, 60).contains("training loss of the search"));
    press(&mut model, "c");
    assert!(frame(&model, 80, 24).contains("retraining loss"));
    assert!(frame(&model, 200, 60).contains("training loss of retraining"));
    press(&mut model, "c");
    press(&mut model, "yxx");
    let drawn = frame(&model, 80, 24);
    assert!(drawn.contains("values on a log scale") && drawn.contains("tokens"), "{drawn}");
    press(&mut model, "yxx");
    assert!(frame(&model, 80, 24).contains("step 1"));
    let mut log = Log::new();
    log.step_at(Phase::Search, 121, 0.5, Some(0.123));
    let run = "20261123-203311-a1b2".to_owned();
    update(&mut model, followed(&run, &log, State::Running));
    assert!(frame(&model, 80, 24).contains("0.1230"), "{}", frame(&model, 80, 24));
}

#[test]
fn a_comparison_scrolls_no_further_than_its_lines() {
    let mut model = comparing(2);
    model.size = (80, 12);
    press(&mut model, "]]G");
    let bottom = frame(&model, 80, 12);
    press(&mut model, "jjjk");
    assert_ne!(frame(&model, 80, 12), bottom, "one line up is seen at once");
    press(&mut model, "j");
    assert_eq!(frame(&model, 80, 12), bottom);
    assert!(matches!(model.screen(), Screen::Compare(_)));
}

#[test]
fn control_characters_of_tags_and_settings_never_reach_the_terminal() {
    let evil = "a\u{1b}]0;owned\u{7}b";
    let mut rows = rows();
    rows[0].notes.tags = vec![evil.into()];
    rows[0].notes.note = evil.into();
    rows[0].score = Some((evil.into(), 1.0));
    let mut listed = with_runs(rows);
    press(&mut listed, "t");
    let mut compared = comparing(2);
    let mut experiment = Experiment::default();
    experiment.model.id = evil.into();
    let settings = Some(Box::new(experiment));
    let head = Head { id: "20261123-203310-a1b2".into(), name: evil.into(), settings, ..Head::default() };
    update(&mut compared, Msg::Opened(Box::new(head)));
    press(&mut compared, "[");
    for model in [listed, compared] {
        let shown = frame(&model, 120, 40);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }
}

#[test]
fn control_c_leaves_from_the_filter_and_the_comparison() {
    let control_c = || Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    let mut typing = with_runs(rows());
    press(&mut typing, "/q?");
    for mut model in [typing, comparing(2)] {
        assert!(matches!(update(&mut model, control_c())[..], [Effect::Quit(130)]));
    }
}

/// Runs of one name: of a day, of other days, and made from each other.
pub fn twins() -> Model {
    let mut rows = rows();
    for at in [2, 3, 5] {
        rows[at].name = "demo".into();
        rows[at].started = Some(format!("2026-11-2{at}T08:0{at}:00.000Z"));
    }
    rows[0].parent = Some(rows[3].id.clone());
    rows[0].parent_name = Some("demo".into());
    with_runs(rows)
}

#[test]
fn runs_of_one_name_are_told_apart_at_any_width() {
    let model = twins();
    let is_demo = |line: &&str| line.chars().skip(4).take(9).collect::<String>().contains("demo");
    for columns in [80, 120, 200] {
        let drawn = frame(&model, columns, 24);
        let lines: Vec<&str> = drawn.lines().filter(is_demo).take(4).collect();
        assert!(lines[1].contains("\u{21b3} demo"), "{drawn}");
        // Two are of one day, so that at 80 columns the end of the id tells them apart; wider, the column of the starts does.
        let apart = if columns == 80 {
            ["0002", "a1b2", "abcd", "1234"]
        } else {
            ["11-25 08:05", "11-23 20:33", "11-23 08:03", "11-22 08:02"]
        };
        for (line, mark) in lines.iter().zip(apart) {
            assert!(line.contains(mark), "{mark}: {drawn}");
        }
    }
}

#[test]
fn a_finished_run_is_exported_from_both_screens() {
    let mut model = with_runs(rows());
    assert!(effects(&mut model, KeyCode::Char('E')).is_empty());
    assert!(notice(&model).contains("only a finished run"), "{}", notice(&model));
    press(&mut model, "jjj");
    let finished = finished().watched(State::Finished);
    for (mut model, run) in [(model, rows()[3].id.clone()), (finished, rows()[0].id.clone())] {
        press(&mut model, "E");
        assert_eq!(model.context(), Context::Prompt);
        assert!(frame(&model, 80, 24).contains("merged: a whole model"));
        press(&mut model, "onnx");
        assert!(effects(&mut model, KeyCode::Enter).is_empty());
        assert!(notice(&model).contains("peft, merged or config"), "{}", notice(&model));
        assert!(effects(&mut model, KeyCode::Enter).is_empty(), "the usual one is offered");
        press(&mut model, "~/out");
        let Effect::ExportRun { run: found, format, folder, .. } = effect(&mut model, KeyCode::Enter) else { panic!() };
        assert_eq!((found, format, folder.as_str()), (run, ExportFormat::Peft, "~/out"));
        assert!(model.popups.is_empty() && notice(&model).contains("as peft"), "{}", notice(&model));
    }
}

#[test]
fn damaged_and_unreadable_runs_are_marked_and_found() {
    let mut model = damaged();
    press(&mut model, "/state:unr");
    assert_eq!(shown(&model), ["cola"]);
}
