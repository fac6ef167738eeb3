//! Any keys, clicks, sizes and news in any order, from any screen: no panic, and a state that still makes sense.

mod valid;
mod world;

use crate::every;
use autolora::tui::look::Look;
use autolora::tui::model::Model;
use autolora::tui::msg::Msg;
use autolora::tui::palette::Depth;
use autolora::tui::update::update;
use autolora::tui::view::paint;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use world::{News, answer, news};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Mouse(MouseEventKind, u16, u16),
    Size(u16, u16),
    News(Box<News>),
    /// What was asked for is answered only later.
    Late,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let codes = prop_oneof![
        6 => "[ -~]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap_or(' '))),
        1 => any::<char>().prop_map(KeyCode::Char),
        5 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left,
            KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Delete,
            KeyCode::Backspace, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![
        17 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::ALT),
        1 => Just(KeyModifiers::SHIFT),
    ];
    let mouse = prop::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::Down(MouseButton::Right),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
        MouseEventKind::Moved,
    ]);
    let step = prop_oneof![
        16 => (codes, modifiers).prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        1 => ".{0,20}".prop_map(Step::Paste),
        2 => (mouse, 0u16..310, 0u16..110).prop_map(|(kind, column, row)| Step::Mouse(kind, column, row)),
        1 => (0u16..170, 0u16..50).prop_map(|(columns, lines)| Step::Size(columns, lines)),
        1 => (0u16..6, 0u16..6).prop_map(|(columns, lines)| Step::Size(columns, lines)),
        1 => prop::sample::select(vec![(0, 0), (1, 1), (300, 1), (1, 100), (300, 100), (0, 24), (80, 0)])
            .prop_map(|(columns, lines)| Step::Size(columns, lines)),
        6 => news().prop_map(|news| Step::News(Box::new(news))),
        2 => Just(Step::Late),
    ];
    prop::collection::vec(step, 1..60)
}

fn drawn(model: &Model) -> Buffer {
    let mut buf = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    paint(model, &mut buf);
    buf
}

fn play(mut model: Model, steps: Vec<Step>) {
    let mut waiting: Vec<Msg> = Vec::new();
    for step in steps {
        let is_late = matches!(step, Step::Late);
        let msg = match step {
            Step::Key(code, modifiers) => Some(Msg::Key(KeyEvent::new(code, modifiers))),
            Step::Paste(text) => Some(Msg::Paste(text)),
            Step::Mouse(kind, column, row) => {
                Some(Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
            }
            Step::News(news) => Some(news.about(&model)),
            Step::Size(columns, lines) => {
                model.size = (columns, lines);
                None
            }
            Step::Late => None,
        };
        if let Some(msg) = msg {
            waiting.extend(update(&mut model, msg).into_iter().filter_map(answer));
            valid::check(&model, &drawn(&model));
        }
        while let Some(msg) = waiting.pop().filter(|_| !is_late) {
            waiting.extend(update(&mut model, msg).into_iter().filter_map(answer));
        }
        valid::check(&model, &drawn(&model));
    }
    valid::leads_out(&mut model);
}

#[test]
fn no_popup_covers_half_of_a_wide_character() {
    let mut model = every::named("runs_long");
    update(&mut model, Msg::Key(KeyEvent::from(KeyCode::Char('?'))));
    for columns in 80..110 {
        model.size = (columns, 24);
        valid::check(&model, &drawn(&model));
    }
}

/// One of the pictures whose names begin so, with any look.
fn starts(kinds: &'static [&'static str]) -> impl Strategy<Value = Model> {
    let is_meant = move |name: &str| kinds.iter().any(|kind| name.starts_with(kind));
    let pictures: Vec<_> = every::ALL.iter().filter(|(name, _)| is_meant(name)).collect();
    assert!(!pictures.is_empty());
    let depth = prop::sample::select(vec![Depth::None, Depth::Sixteen, Depth::Many, Depth::True]);
    (prop::sample::select(pictures), depth, any::<bool>()).prop_map(|((_, model), depth, unicode)| {
        let mut model = model();
        model.look = Look { depth, unicode, letters: unicode };
        model
    })
}

/// So many cases that nobody waits for them; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 150 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn anything_from_the_runs(model in starts(&["runs"]), steps in steps()) {
        play(model, steps);
    }

    #[test]
    fn anything_from_a_comparison(model in starts(&["compare"]), steps in steps()) {
        play(model, steps);
    }

    #[test]
    fn anything_from_the_form_and_the_presets(
        model in starts(&["form", "presets", "picker", "preflight"]), steps in steps()
    ) {
        play(model, steps);
    }

    #[test]
    fn anything_from_the_monitor(model in starts(&["monitor"]), steps in steps()) {
        play(model, steps);
    }

    #[test]
    fn anything_from_the_theatre(model in starts(&["theatre", "samples", "help"]), steps in steps()) {
        play(model, steps);
    }
}
