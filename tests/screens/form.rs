//! The form's pickers, its card before the start, its problems; presets found, compared, renamed, exchanged.

use crate::fixtures::*;
use autolora::data::hub::Hub;
use autolora::experiment::{Experiment, Place, Problem};
use autolora::run::preflight::{
    Card, Disk, Download, Lengths, Memory, Parameters, PhaseTime, Remark, Rows, Verdict, Weight, begin,
};
use autolora::tui::form::ProblemList;
use autolora::tui::keys::Context;
use autolora::tui::model::{Model, Popup, Screen};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::picker::{Ask, Candidate, Found, Origin, What};
use autolora::tui::preflight::Stage;
use autolora::tui::presets::DifferenceView;
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the demo would take.
pub fn card() -> Card {
    let phase = |name: &str, steps, step_s, timed| PhaseTime { name: name.into(), steps, step_s, timed };
    Card {
        preset: "-".into(),
        model: "builtin:demo".into(),
        data: "builtin:demo".into(),
        device: "cpu".into(),
        remarks: Vec::new(),
        downloads: Vec::new(),
        unknown: None,
        rows: Some(Rows { train: 1600, validation: 800, test: 600 }),
        parameters: Some(Parameters {
            trainable: 16_642,
            a: 8192,
            b: 8192,
            head: 258,
            frozen: 844_416,
            rank: 8,
            modules: 8,
            uniform4: 8192,
        }),
        memory: Some(Memory {
            frozen: 103_000_000,
            search: 129_000_000,
            retrain: 131_000_000,
            evaluate: 112_000_000,
            free: Some(22_500_000_000),
        }),
        phases: vec![
            phase("prepare", 1, 0.166, 1),
            phase("warmup", 20, 0.031, 3),
            phase("search", 300, 0.144, 3),
            phase("retrain", 450, 0.028, 3),
            phase("evaluate", 19, 0.024, 3),
            phase("baseline", 469, 0.012, 0),
        ],
        lengths: Some(Lengths {
            counted: 2400,
            rows: 2400,
            max_length: 64,
            longer: 0,
            p50: 13,
            p90: 16,
            p99: 18,
            max: 20,
            histogram: vec![(4, 0), (8, 567), (12, 617), (16, 1068), (20, 148)],
        }),
        disk: Some(Disk {
            checkpoint: 200_000,
            checkpoints: 3,
            log: 970_000,
            adapter: 66_600,
            free: Some(50_100_000_000),
        }),
    }
}

/// One of a large model that does not fit and cuts its rows.
pub fn refused() -> Card {
    let mut card = card();
    card.memory = Some(Memory {
        frozen: 11_000_000_000,
        search: 41_000_000_000,
        retrain: 30_000_000_000,
        evaluate: 14_000_000_000,
        free: Some(24_000_000_000),
    });
    card.phases.clear();
    card.lengths = Some(Lengths {
        counted: 20_000,
        rows: 392_702,
        max_length: 128,
        longer: 2_460,
        p50: 66,
        p90: 141,
        p99: 245,
        max: 493,
        histogram: vec![(80, 12_400), (160, 6_100), (240, 1_200), (320, 250), (400, 40), (480, 9), (560, 1)],
    });
    let remark = |weight, message: &str, help: &str, key: &str| Remark {
        weight,
        message: message.into(),
        help: help.into(),
        key: Some(key.into()),
    };
    card.remarks = vec![
        remark(
            Weight::Fit,
            "search may need 41.00 GB of memory, 24.00 GB are free",
            "with runtime.checkpoint_activations = true it would be 19.40 GB; with runtime.micro_batch = 1 (too) 12.10 GB",
            "runtime.checkpoint_activations",
        ),
        remark(
            Weight::Warning,
            "12.3 % of the rows are longer than 128 tokens and are cut",
            "90 % of the rows have up to 141 tokens, 99 % up to 245; raise data.max_length",
            "data.max_length",
        ),
    ];
    card
}

pub fn with_download() -> Card {
    let download = |key: &str, id: &str, bytes| Download { key: key.into(), id: id.into(), bytes };
    Card {
        model: "FacebookAI/roberta-base".into(),
        data: "glue/sst2".into(),
        downloads: vec![
            download("model.id", "FacebookAI/roberta-base", Some(499_000_000)),
            download("data.id", "glue/sst2", None),
        ],
        ..Card::default()
    }
}

/// One without a network, of a model and rows that are not here.
pub fn offline() -> Card {
    let mut experiment = Experiment::default();
    experiment.model.id = "FacebookAI/roberta-base".into();
    experiment.data.id = Some("glue/cola".into());
    let hub = Hub { offline: true, cache: "/home/ada/.cache/huggingface/hub".into(), ..Hub::from_vars(|_| None) };
    let (card, is_here) = begin("mine", &experiment, &hub);
    assert!(!is_here);
    card
}

/// What a look around finds.
pub fn found(ask: &Ask) -> Found {
    let one = |text: &str, origin, fact: &str| Candidate::new(text, origin, fact);
    let candidates = match (&ask.what, ask.folder.as_str()) {
        (What::Models, "") => vec![
            one("builtin:demo", Origin::Builtin, "0.8 M, bert, here"),
            one("builtin:demo-generation", Origin::Builtin, "0.8 M, gpt2, here"),
            one("FacebookAI/roberta-base", Origin::Catalogue, "125 M, roberta, download"),
            one("google-bert/bert-base-uncased", Origin::Catalogue, "110 M, bert, here"),
            one("openai-community/gpt2", Origin::Catalogue, "124 M, gpt2, download"),
            one("ada/bert-of-letters", Origin::Cache, "17.4 MB, bert, here"),
        ],
        (What::Datasets, _) => vec![
            one("builtin:demo", Origin::Builtin, "classification, here; short made-up reviews"),
            one(
                "glue/sst2",
                Origin::Catalogue,
                "classification, download; is a phrase of a film review positive? (2 classes, 67k)",
            ),
            one("ada/a-collection-of-reviews-of-films-in-many-languages", Origin::Cache, "here"),
        ],
        (What::Targets, _) => ["all-linear", "query", "value"].map(|name| one(name, Origin::Known, "BERT")).to_vec(),
        (What::Devices, _) => ["auto", "cpu", "cuda:0"].map(|name| one(name, Origin::Known, "")).to_vec(),
        (_, folder) => vec![
            one(&format!("{folder}train.tsv"), Origin::File, "3.1 MB"),
            one(&format!("{folder}test.tsv"), Origin::File, "301 kB"),
            Candidate { enters: true, ..one(&format!("{folder}more/"), Origin::Folder, "") },
        ],
    };
    Found { candidates, more: 0 }
}

/// Problems of a file that cannot be read.
pub fn wrong() -> ProblemList {
    let problem = |line, message: &str, help: Option<&str>| Problem {
        key: String::new(),
        place: Place::Text { span: 0..1, line, column: 1 },
        message: message.into(),
        help: help.map(str::to_owned),
    };
    let problems = vec![
        problem(3, "not TOML: invalid basic string, expected `\"`", None),
        problem(9, "not TOML: key with no value, expected `=`", Some("did you mean lora.rank = 8?")),
    ];
    ProblemList { title: "mine.toml is not imported".into(), problems, cursor: 0, of_form: false }
}

/// What a preset says otherwise.
pub fn difference(name: &str) -> DifferenceView {
    let row = |key, from: &str, to: &str| (key, from.to_owned(), to.to_owned());
    let rows = vec![
        row("model.id", "\"builtin:demo\"", "\"FacebookAI/roberta-base\""),
        row("data.id", "unset", "\"glue/sst2\""),
        row("lora.targets", "unset", "[\"query\", \"key\", \"value\", \"attention.output.dense\"]"),
        row("search.selection_optimizer.lr", "0.01", "0.001"),
    ];
    DifferenceView { name: name.into(), rows, scroll: 0 }
}

/// Presses a key and answers what the model looks for.
pub fn send(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    let mut rest = Vec::new();
    for effect in update(model, key(code)) {
        match effect {
            Effect::Gather(ask) => {
                let found = found(&ask);
                assert!(update(model, Msg::Gathered { ask, found }).is_empty());
            }
            other => rest.push(other),
        }
    }
    rest
}

pub fn types(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| send(model, KeyCode::Char(c))).collect()
}

/// The form with the cursor on a setting.
pub fn on(text: &str, setting: &str) -> Model {
    let mut model = form(text);
    model.form().unwrap().go_to(setting);
    model
}

pub fn said(model: &mut Model, setting: &str) -> Option<String> {
    model.form().unwrap().doc.get_typed(setting)
}

/// The form with a card.
pub fn before_the_start(card: Option<Card>) -> Model {
    let mut model = form(PRESET);
    press(&mut model, "s");
    if let Some(card) = card {
        update(&mut model, Msg::Preflight { number: 1, stage: Stage::Done(Box::new(card)) });
    }
    model
}

pub fn presets() -> Model {
    let mut model = with_runs(rows());
    press(&mut model, "p");
    update(&mut model, Msg::Presets(preset_rows()));
    model
}

/// The picker of a setting with a text typed into it.
pub fn picking(setting: &str, text: &str) -> Model {
    let mut model = on(PRESET, setting);
    send(&mut model, KeyCode::Enter);
    types(&mut model, text);
    model
}

#[test]
fn what_the_list_of_a_picker_cuts_stands_whole_below_it() {
    assert!(frame(&picking("data.id", "sst"), 80, 24).contains("67k)"));
    let shown = frame(&picking("data.id", "ada"), 80, 24);
    assert!(shown.contains("ada/a-collection-of-reviews-of-films-in-many-languages"), "{shown}");
}

#[test]
fn a_model_is_picked_by_letters_and_escape_leaves_the_value() {
    let mut model = on(PRESET, "model.id");
    send(&mut model, KeyCode::Enter);
    assert_eq!(model.context(), Context::Picker);
    types(&mut model, "robase");
    send(&mut model, KeyCode::Esc);
    assert_eq!(said(&mut model, "model.id").as_deref(), Some("builtin:demo"));
    send(&mut model, KeyCode::Enter);
    types(&mut model, "robase");
    assert!(matches!(&send(&mut model, KeyCode::Enter)[..], [Effect::Check { .. }]));
    assert_eq!(said(&mut model, "model.id").as_deref(), Some("FacebookAI/roberta-base"));
    assert!(model.form().unwrap().doc.text().contains("# small"), "the comment stays");
}

#[test]
fn what_is_typed_can_be_taken_as_it_is() {
    let mut model = on(PRESET, "model.id");
    send(&mut model, KeyCode::Enter);
    types(&mut model, "gpt2");
    send(&mut model, KeyCode::Up);
    send(&mut model, KeyCode::Enter);
    assert_eq!(said(&mut model, "model.id").as_deref(), Some("gpt2"), "although one matches");
    send(&mut model, KeyCode::Enter);
    types(&mut model, "me/of-my-own");
    send(&mut model, KeyCode::Enter);
    assert_eq!(said(&mut model, "model.id").as_deref(), Some("me/of-my-own"));
    send(&mut model, KeyCode::Enter);
    update(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    send(&mut model, KeyCode::Up);
    send(&mut model, KeyCode::Enter);
    assert_eq!(said(&mut model, "model.id"), None, "an empty line takes the value back");
}

#[test]
fn a_value_that_is_only_looked_at_is_not_said() {
    let mut model = on(PRESET, "runtime.device");
    send(&mut model, KeyCode::Enter);
    send(&mut model, KeyCode::Enter);
    assert_eq!(model.form().unwrap().doc.text(), PRESET);
}

/// The form after another dataset was picked for one that has said its columns.
pub fn dataset_followed() -> (Model, Vec<Effect>) {
    let text = "[data]\nid = \"glue/stsb\"\ntask = \"regression\" # a score\ntext = \"a\"\nlabel = \"b\"\n[evaluate]\nmetric = \"pearson\"\n[baseline]\nhead_only = true\n";
    let mut model = on(text, "data.id");
    send(&mut model, KeyCode::Enter);
    types(&mut model, "glue/sst2");
    let effects = send(&mut model, KeyCode::Enter);
    (model, effects)
}

#[test]
fn task_and_columns_follow_the_dataset_that_is_picked_and_it_is_told() {
    let (mut model, effects) = dataset_followed();
    assert!(matches!(&effects[..], [Effect::Check { .. }]));
    assert_eq!(said(&mut model, "data.task").as_deref(), Some("classification"));
    for key in ["data.text", "data.label", "evaluate.metric"] {
        assert_eq!(said(&mut model, key), None, "{key}");
    }
    assert_eq!(said(&mut model, "baseline.head_only").as_deref(), Some("true"), "it goes with classes");
    assert!(model.form().unwrap().doc.text().contains("# a score"), "the comment stays");
    let told = model.notice.as_ref().unwrap().text.clone();
    let expected = "data.task is classification now; data.text, data.label, evaluate.metric taken back";
    assert_eq!(told, expected);
    assert_eq!(model.form().unwrap().problems, []);
    // What the catalogue does not know is left as it is; so is what is picked again.
    for id in ["me/mine", "me/mine"] {
        send(&mut model, KeyCode::Enter);
        types(&mut model, id);
        send(&mut model, KeyCode::Enter);
        assert_eq!((said(&mut model, "data.task").as_deref(), &model.notice), (Some("classification"), &None));
    }
}

#[test]
fn folders_are_gone_into_and_completed() {
    let mut model = on(PRESET, "data.train");
    send(&mut model, KeyCode::Enter);
    types(&mut model, "mor");
    send(&mut model, KeyCode::Tab);
    assert!(frame(&model, 80, 24).contains("more/train.tsv"), "{}", frame(&model, 80, 24));
    types(&mut model, "mor");
    send(&mut model, KeyCode::Enter);
    assert_eq!(model.context(), Context::Picker, "a folder is no file");
    types(&mut model, "te");
    send(&mut model, KeyCode::Enter);
    let here = std::env::current_dir().unwrap().join("more/more/test.tsv");
    assert_eq!(said(&mut model, "data.train").as_deref(), here.to_str(), "it means the same in any folder");
}

#[test]
fn a_pasted_value_replaces_the_old_one() {
    let mut model = on(PRESET, "model.id");
    send(&mut model, KeyCode::Enter);
    update(&mut model, Msg::Paste(" some/model\n".into()));
    send(&mut model, KeyCode::Enter);
    assert_eq!(said(&mut model, "model.id").as_deref(), Some("some/model"));
}

#[test]
fn the_card_comes_first_and_a_yes_starts() {
    for answered in [false, true] {
        let mut model = form(PRESET);
        let effects = update(&mut model, key(KeyCode::Char('s')));
        assert!(matches!(&effects[..], [Effect::Preflight { number: 1, .. }]), "{effects:?}");
        if answered {
            update(&mut model, Msg::Preflight { number: 1, stage: Stage::Done(Box::new(card())) });
        }
        let effects = update(&mut model, key(KeyCode::Char('y')));
        assert!(matches!(&effects[..], [Effect::EndPreflight, Effect::Start { name: None, .. }]), "{effects:?}");
        assert!(model.popups.is_empty() && model.form().unwrap().starting);
    }
}

#[test]
fn escape_ends_what_is_tried_and_late_answers_are_not_heard() {
    let mut model = before_the_start(None);
    assert!(matches!(&update(&mut model, key(KeyCode::Esc))[..], [Effect::EndPreflight]));
    assert!(matches!(&update(&mut model, key(KeyCode::Char('s')))[..], [Effect::Preflight { number: 2, .. }]));
    update(&mut model, Msg::Preflight { number: 1, stage: Stage::Done(Box::new(card())) });
    let Some(Popup::Preflight(preflight)) = model.popups.last() else { panic!() };
    assert!(matches!(preflight.stage, Stage::Working(_)));
}

#[test]
fn a_refused_run_leads_to_the_setting_to_change() {
    assert_eq!(refused().verdict(), Verdict::Refused);
    let mut model = before_the_start(Some(refused()));
    assert!(update(&mut model, key(KeyCode::Char('y'))).is_empty());
    assert!(matches!(model.popups.last(), Some(Popup::Preflight(_))), "the card says why, and stays");
    assert!(model.notice.as_ref().is_some_and(|notice| notice.bad && notice.text.contains("41.00 GB")));
    let effects = update(&mut model, key(KeyCode::Char('e')));
    assert!(matches!(&effects[..], [Effect::EndPreflight]), "{effects:?}");
    let focus = model.form().unwrap().focus().map(|field| field.key());
    assert_eq!(focus, Some("runtime.checkpoint_activations"));
    // Who knows better starts it all the same.
    assert!(matches!(&update(&mut model, key(KeyCode::Char('S')))[..], [Effect::Start { .. }]));
}

const WRONG: &str = "[data]\nid = \"builtin:demo\"\n[lora]\nrank = 0\nalpa = 3 # why\n[search]\nepochs = -1.0\nlr = 1\n[retrain]\nlr = -1.0\n";

#[test]
fn the_list_of_problems_has_those_of_files_as_soon_as_they_are_known() {
    let mut model = form("[lora]\nrank = 0\n");
    press(&mut model, "!");
    let listed = |model: &Model| match model.popups.last() {
        Some(Popup::Problems(list)) => list.problems.len(),
        _ => 0,
    };
    assert_eq!((listed(&model), model.form().unwrap().problems.len()), (2, 2), "the rank, and no data");
    let (edit, mut problems) = (model.form().unwrap().edit, model.form().unwrap().problems.clone());
    problems.push(Problem { key: "model.id".into(), message: "does not exist".into(), ..problems[0].clone() });
    update(&mut model, Msg::Checked { edit, problems });
    assert_eq!(listed(&model), 3);
    update(&mut model, Msg::Checked { edit, problems: Vec::new() });
    assert!(model.popups.is_empty(), "nothing is left to list");
}

#[test]
fn problems_are_walked_through_and_unknown_keys_taken_out() {
    let mut model = form(WRONG);
    let keys: Vec<String> = model.form().unwrap().problems.iter().map(|problem| problem.key.clone()).collect();
    assert_eq!(
        keys,
        ["lora.rank", "lora.alpa", "search.epochs", "search.lr", "retrain.lr"],
        "in the order of the text"
    );
    for (jump, setting) in
        [('n', "lora.rank"), ('n', "search.epochs"), ('n', "retrain.lr"), ('N', "search.epochs"), ('N', "lora.rank")]
    {
        press(&mut model, &jump.to_string());
        assert_eq!(focus(&mut model), Some(setting), "{jump}");
    }
    press(&mut model, "!j");
    update(&mut model, key(KeyCode::Enter));
    assert!(model.notice.as_ref().is_some_and(|notice| notice.text.contains("no line in the form")));
    assert!(matches!(&update(&mut model, key(KeyCode::Char('x')))[..], [Effect::Check { .. }]));
    let text = model.form().unwrap().doc.text();
    assert!(!text.contains("alpa") && text.contains("# why"), "{text}");
    press(&mut model, "g");
    update(&mut model, key(KeyCode::Enter));
    assert_eq!((focus(&mut model), model.popups.len()), (Some("lora.rank"), 0));
}

#[test]
fn the_list_has_the_words_of_preset_check() {
    let mut model = form(WRONG);
    press(&mut model, "!");
    let shown = frame(&model, 120, 40);
    for problem in model.form().unwrap().problems.clone() {
        assert!(shown.contains(&problem.to_string()), "{problem}\n{shown}");
        assert!(problem.help.is_none_or(|help| shown.contains(&help)), "{shown}");
    }
}

#[test]
fn presets_are_found_by_letters() {
    let mut model = presets();
    press(&mut model, "/st");
    assert_eq!(model.context(), Context::PresetFilter);
    assert_eq!(model.presets.selected().map(|row| row.name.as_str()), Some("sst2"));
    update(&mut model, key(KeyCode::Enter));
    assert!(matches!(&update(&mut model, key(KeyCode::Enter))[..], [Effect::OpenPreset(name)] if name == "sst2"));
    update(&mut model, key(KeyCode::Esc));
    assert!(matches!(model.screen(), Screen::Presets), "the first one ends the filter");
    assert_eq!(model.presets.selected().map(|row| row.name.as_str()), Some("sst2"));
    press(&mut model, "/network");
    assert_eq!(model.presets.selected().map(|row| row.name.as_str()), Some("demo"), "by what it is about");
}

#[test]
fn presets_are_renamed_compared_exported_and_imported() {
    let mut model = presets();
    assert!(update(&mut model, key(KeyCode::Char('r'))).is_empty() && model.popups.is_empty(), "not a shipped one");
    press(&mut model, "jr");
    update(&mut model, key(KeyCode::End));
    press(&mut model, "-b");
    let effects = update(&mut model, key(KeyCode::Enter));
    assert!(matches!(&effects[..], [Effect::RenamePreset { from, to }] if from == "sst2" && to == "sst2-b"));
    update(&mut model, Msg::PresetRenamed { from: "sst2".into(), to: "sst2-b".into() });
    assert_eq!(model.presets.selected().map(|row| row.name.as_str()), Some("sst2-b"));
    assert!(matches!(&update(&mut model, key(KeyCode::Char('v')))[..], [Effect::Compare(name)] if name == "sst2-b"));
    press(&mut model, "x");
    let effects = update(&mut model, key(KeyCode::Enter));
    let [Effect::ExportPreset { name, file, replace: false }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((name.as_str(), file.as_str()), ("sst2-b", "sst2-b.toml"));
    let then = Effect::ExportPreset { name: name.clone(), file: file.clone(), replace: true };
    update(&mut model, Msg::InTheWay { title: "Write over", text: "Is there.".into(), then });
    assert!(matches!(&update(&mut model, key(KeyCode::Char('y')))[..], [Effect::ExportPreset { replace: true, .. }]));
    send(&mut model, KeyCode::Char('i'));
    types(&mut model, "/home/ada/mine.toml");
    send(&mut model, KeyCode::Enter);
    let effects = update(&mut model, key(KeyCode::Enter));
    let [Effect::ImportPreset { file, name, replace: false }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((file.as_str(), name.as_str()), ("/home/ada/mine.toml", "mine"));
}

#[test]
fn a_renamed_preset_is_still_the_one_of_the_form() {
    let mut model = form(PRESET);
    update(&mut model, Msg::PresetSaved("sst2".into()));
    press(&mut model, "p");
    update(&mut model, Msg::PresetRenamed { from: "sst2".into(), to: "films".into() });
    update(&mut model, key(KeyCode::Esc));
    assert_eq!(model.form().unwrap().saved_as.as_deref(), Some("films"));
}

#[test]
fn long_names_are_cut_inside_and_their_facts_stay() {
    let mut model = on(PRESET, "model.id");
    let effects = update(&mut model, key(KeyCode::Enter));
    let [Effect::Gather(ask)] = &effects[..] else { panic!("{effects:?}") };
    let long = "some-organisation/a-model-with-a-very-long-name-indeed-and-a-version-v2.5";
    let candidates = vec![
        Candidate::new(long, Origin::Catalogue, "1.5 B, qwen2, download"),
        Candidate::new("gpt2", Origin::Cache, "17.4 MB, gpt2, here"),
    ];
    update(&mut model, Msg::Gathered { ask: ask.clone(), found: Found { candidates, more: 0 } });
    let shown = frame(&model, 80, 24);
    let line = shown.lines().find(|line| line.contains("some-organisation")).unwrap_or_default().to_owned();
    assert!(line.contains("…") && line.contains("version-v2.5 ") && line.contains("1.5 B, qwen2, download"), "{shown}");
}

/// The setting with the cursor.
pub fn focus(model: &mut Model) -> Option<&'static str> {
    model.form().unwrap().focus().map(|field| field.key())
}
