//! Values of the form: what they mean, where they come from, whether they were changed, and the cursor that stays on them.

use crate::fixtures::*;
use crate::form::{focus, on, said, send, types};
use autolora::experiment::{PresetDoc, Source};
use autolora::tui::model::{Model, Popup};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::update::update;
use crossterm::event::KeyCode;

#[test]
fn a_saved_preset_shows_what_its_paths_mean_and_a_picker_lists_where_the_user_stands() {
    let text = "[data]\ntrain = \"train.tsv\" # mine\n";
    let mut model = with_runs(rows());
    let source = Source { name: "mine".into(), text: text.into(), folder: Some("/presets".into()) };
    update(&mut model, Msg::PresetOpened(Box::new(PresetDoc::open(&source).unwrap())));
    model.form().unwrap().go_to("data.train");
    assert!(frame(&model, 80, 24).contains(" /presets/train.tsv "), "{}", frame(&model, 80, 24));
    send(&mut model, KeyCode::Enter);
    types(&mut model, "te");
    let Some(Popup::Picker(_)) = model.popups.last() else { panic!() };
    send(&mut model, KeyCode::Enter);
    let here = std::env::current_dir().unwrap().join("test.tsv");
    assert_eq!(said(&mut model, "data.train").as_deref(), here.to_str());
    press(&mut model, "x");
    assert!(model.form().unwrap().is_changed());
    send(&mut model, KeyCode::Enter);
    types(&mut model, "/presets/train.tsv");
    send(&mut model, KeyCode::Up);
    send(&mut model, KeyCode::Enter);
    assert_eq!(model.form().unwrap().doc.text(), text, "as it was written, comment and all");
    assert!(!model.form().unwrap().is_changed());
}

#[test]
fn what_the_preset_says_is_in_sight_from_the_start() {
    let text = "[model]\nid = \"gpt2\"\n[search.selection_optimizer]\nlr = 0.5\n[retrain]\nwarmup_share = 0.25\n[baseline]\nuniform = 4\n[notify]\ncommand = \"bell\"\n";
    let shown = frame(&form(text), 80, 24);
    for (setting, value) in
        [("izer.lr ", "0.5"), ("retrain.warmup_share", "0.25"), ("baseline.uniform", "4"), ("notify.command", "bell")]
    {
        let line = shown.lines().find(|line| line.contains(setting)).unwrap_or_else(|| panic!("{setting}\n{shown}"));
        assert!(line.contains(&format!(" {value} ")), "{line}");
    }
}

#[test]
fn the_cursor_stays_where_it_was_after_a_save_and_on_what_was_found_after_a_find() {
    let mut model = on(PRESET, "lora.rank");
    press(&mut model, "w");
    assert!(matches!(&send(&mut model, KeyCode::Enter)[..], [Effect::SavePreset { .. }]));
    update(&mut model, Msg::PresetSaved("my-demo".into()));
    update(&mut model, Msg::Presets(preset_rows()));
    assert_eq!(focus(&mut model), Some("lora.rank"));
    press(&mut model, "/data.shuffle");
    send(&mut model, KeyCode::Enter);
    assert_eq!(focus(&mut model), Some("data.shuffle"));
    send(&mut model, KeyCode::Esc);
    assert_eq!(focus(&mut model), Some("data.shuffle"), "what was found");
    assert!(!model.form().unwrap().is_filtered());
    press(&mut model, "/lora");
    send(&mut model, KeyCode::Esc);
    assert_eq!(focus(&mut model), Some("data.shuffle"), "where it was: nothing was gone to");
    press(&mut model, "/no such setting");
    send(&mut model, KeyCode::Enter);
    send(&mut model, KeyCode::Esc);
    assert_eq!(focus(&mut model), Some("data.shuffle"), "nothing was found");
}

#[test]
fn a_value_that_comes_back_to_what_it_was_is_no_change() {
    let text = "[lora]\nrank = 8 # k\n[search]\nweights.lr = 0.001\n";
    let retype = |model: &mut Model, setting: &str, value: &str| {
        model.form().unwrap().go_to(setting);
        send(model, KeyCode::Enter);
        types(model, value);
        send(model, KeyCode::Enter);
    };
    let mut model = form(text);
    for (setting, value) in [("lora.rank", "8"), ("search.weights.lr", "1e-3"), ("retrain.lr", "1e-3")] {
        retype(&mut model, setting, value);
        assert_eq!(model.form().unwrap().doc.text(), text, "{setting}");
    }
    for (setting, other, back) in [("lora.rank", "4", "8"), ("retrain.lr", "0.5", "0.001"), ("data.text", "x", "")] {
        retype(&mut model, setting, other);
        assert!(model.form().unwrap().is_changed(), "{setting}");
        if back.is_empty() {
            press(&mut model, "x");
        } else {
            retype(&mut model, setting, back);
        }
        assert_eq!(model.form().unwrap().doc.text(), text, "{setting}");
    }
    model.form().unwrap().go_to("search.hypergradient");
    send(&mut model, KeyCode::Right);
    assert!(model.form().unwrap().is_changed());
    send(&mut model, KeyCode::Left);
    assert!(!model.form().unwrap().is_changed(), "a choice too");
}

#[test]
fn what_is_said_of_a_setting_tells_where_its_value_comes_from() {
    let mut model = on(PRESET, "lora.rank");
    let source = |model: &Model| {
        let shown = frame(model, 80, 24);
        shown.lines().find(|line| line.contains("── lora.rank ──")).unwrap().to_owned()
    };
    assert!(source(&model).contains(" said in the preset "), "{}", source(&model));
    send(&mut model, KeyCode::Enter);
    types(&mut model, "4");
    send(&mut model, KeyCode::Enter);
    assert!(source(&model).contains(" changed here, the preset says 8 "), "{}", source(&model));
    press(&mut model, "x");
    assert!(source(&model).contains(" taken back here, the preset says 8 "), "{}", source(&model));
    let wide = frame(&model, 120, 40);
    assert!(wide.contains("before   the preset says 8") && wide.contains("otherwise than the defaults"), "{wide}");
}

/// A form of a run that took the search of another.
pub fn with_a_search_taken() -> Model {
    let text = format!("{PRESET}[search]\nepochs = 2.0\nfrom = \"/runs/20261123-203312-a1b2\"\n");
    on(&text, "search.epochs")
}

#[test]
fn what_made_a_search_that_is_taken_says_that_it_stays() {
    let mut model = with_a_search_taken();
    for (setting, stays) in
        [("search.epochs", true), ("data.shuffle", true), ("search.from", false), ("retrain.lr", false)]
    {
        model.form().unwrap().go_to(setting);
        for (columns, lines) in [(80, 24), (120, 40)] {
            let shown = frame(&model, columns, lines);
            assert_eq!(shown.contains("stays as it is"), stays, "{setting}\n{shown}");
        }
    }
    assert!(!frame(&on(PRESET, "search.epochs"), 80, 24).contains("stays as it is"));
}
