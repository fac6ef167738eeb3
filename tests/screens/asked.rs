//! What is asked before something is hidden or shared: the name of a shipped preset, a device in use.

use crate::fixtures::*;
use crate::form::{before_the_start, card, presets, send, types};
use autolora::run::lifecycle::When;
use autolora::run::preflight::Card;
use autolora::tui::model::{Model, Popup};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[test]
fn the_name_of_a_shipped_preset_is_asked_about() {
    let types_anew = |model: &mut Model, name: &str| {
        update(model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
        press(model, name);
        update(model, key(KeyCode::Enter))
    };
    /// A screen, the keys there, and what they lead to.
    type Way = (fn() -> Model, &'static str, &'static str);
    let ways: [Way; 4] = [
        (|| form(PRESET), "w", "SavePreset"),
        (presets, "w", "CopyPreset"),
        (presets, "jr", "RenamePreset"),
        (importing, "", "ImportPreset"),
    ];
    for (open, keys, saves) in ways {
        let named = |name: &str| {
            let mut model = open();
            press(&mut model, keys);
            let effects = types_anew(&mut model, name);
            (model, effects)
        };
        assert_eq!(named("of-my-own").1.len(), 1, "{saves}: no question about another name");
        for (answer, done) in [('n', false), ('y', true)] {
            let (mut model, effects) = named("glue-cola");
            assert!(effects.is_empty(), "{saves}: {effects:?}");
            let Some(Popup::Confirm { text, .. }) = model.popups.last() else { panic!("{saves}: {:?}", model.popups) };
            assert!(text.contains("glue-cola is a preset of the program"), "{text}");
            let effects = update(&mut model, key(KeyCode::Char(answer)));
            assert_eq!(format!("{effects:?}").contains(saves), done, "{effects:?}");
        }
    }
}

/// Asked for the name of a preset that is taken in.
fn importing() -> Model {
    let mut model = presets();
    send(&mut model, KeyCode::Char('i'));
    types(&mut model, "/home/ada/mine.toml");
    send(&mut model, KeyCode::Enter);
    model
}

const CROWD: &str = "cpu is in use by run 20261123-203312-a1b2 (demo); both will be slower";

/// The card of a run whose device is in use.
pub fn crowded_card(card: Option<Card>) -> Model {
    let mut model = before_the_start(card);
    update(&mut model, Msg::PreflightCrowded { number: 1, text: CROWD.into() });
    model
}

/// The question whether to start beside others.
pub fn crowded() -> Model {
    let mut model = form(PRESET);
    let start = char_effect(&mut model, 'S');
    update(&mut model, Msg::Crowded { text: format!("{CROWD}."), start });
    model
}

#[test]
fn who_starts_beside_others_is_told_and_may_wait_instead() {
    for (answer, expected) in [('y', When::Now), ('Q', When::InTurn)] {
        let mut model = crowded();
        assert!(!model.form().unwrap().starting && frame(&model, 80, 24).contains("is in use by run"));
        let effect = char_effect(&mut model, answer);
        let Effect::Begin { start, when } = effect else { panic!("{effect:?}") };
        assert!(matches!(*start, Effect::Start { .. }) && when == expected);
        assert!(model.popups.is_empty() && model.form().unwrap().starting);
        let mut model = crowded_card(Some(card()));
        let effects = update(&mut model, key(KeyCode::Char(answer)));
        let [Effect::EndPreflight, Effect::Begin { start, when }] = &effects[..] else { panic!("{effects:?}") };
        assert!(matches!(**start, Effect::Start { .. }) && *when == expected);
    }
    let mut model = crowded();
    assert!(update(&mut model, key(KeyCode::Esc)).is_empty());
    assert!(matches!(char_effect(&mut model, 'S'), Effect::Start { .. }), "it can be asked for again");
    let mut model = before_the_start(Some(card()));
    assert!(update(&mut model, key(KeyCode::Char('Q'))).is_empty(), "nobody is in the way");
}
