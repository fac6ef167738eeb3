//! A run that writes texts: samples as they come, figures beside those of the untuned model, the form.

use crate::fixtures::*;
use autolora::run::event::{Event, Metrics, Phase, Ranks, Record, Timing};
use autolora::run::view::State;
use autolora::tui::model::{Model, Popup};
use autolora::tui::msg::Msg;
use autolora::tui::update::update;
use crossterm::event::KeyCode;

/// Input, reference, output of the samples of [`writing`].
const SAMPLES: [[&str; 3]; 4] = [
    [
        "boat [ Dolphin ], from [ Gdansk ]",
        "The boat Dolphin comes in from Gdansk.",
        "A boat called Dolphin comes in from Gdansk.",
    ],
    [
        "boat [ Kittiwake ], from [ Kiel ], captain [ Pavel ]",
        "A boat named Kittiwake comes in from Kiel. Captain Pavel commands it.",
        "Kittiwake, a boat, comes in from Kiel. Captain Pavel commands it.",
    ],
    [
        "boat [ Mackerel ], colour [ white ], from [ Porto ], cargo [ wool ], captain [ Mina ], time [ midnight ]",
        "Mackerel, a white boat, comes in from Porto at midnight. Captain Mina brings wool, and she is at the helm.",
        "A white boat named Mackerel comes in from Porto at midnight. It carries wool, and Mina is its captain.",
    ],
    ["boat [ 鳴門丸 ], from [ 神戸 ]", "鳴門丸という船が神戸から入ります。", ""],
];

fn sample(input: &str, reference: &str, output: &str) -> Event {
    let [input, reference, output] = [input, reference, output].map(String::from);
    Event::Sample { phase: Phase::Evaluate, input, reference, output }
}

/// A run in the middle of its evaluation.
pub fn writing() -> Log {
    let mut log = Log::of_decoder(4);
    log.prepared_for("generation", "bleu").warmup(20).search(300).allocate().retrain();
    log.push(Event::Phase { phase: Phase::Evaluate, total: 20, epochs: None });
    for [input, reference, output] in SAMPLES {
        log.push(sample(input, reference, output));
    }
    log.push(Event::Progress {
        phase: Phase::Evaluate,
        step: 4,
        total: 20,
        rate: 0.5,
        left_s: 32.0,
        rss_bytes: 168_000_000,
        device_bytes: None,
    });
    log
}

fn evaluated(what: &str, figures: &[(&str, f64)]) -> Event {
    let metrics = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Event::Evaluated { phase: Phase::Evaluate, what: what.into(), metrics }
}

const FIGURES: [(&str, f64, f64); 10] = [
    ("bleu", 73.2532, 0.0905),
    ("chrf", 78.5956, 32.542),
    ("cider", 4.9898, 0.3479),
    ("e2e_bleu", 75.1987, 1.4e-12),
    ("meteor", 47.9908, 21.9762),
    ("nist", 8.4899, 2.3178),
    ("perplexity", 1.2532, 59.6495),
    ("rouge_l", 81.6787, 34.3393),
    ("ter", 29.7732, 110.7278),
    ("test_loss", 0.2257, 4.0885),
];

/// The run to its end.
pub fn written() -> Log {
    let mut log = writing();
    log.push(evaluated("run", &FIGURES.map(|(name, ours, _)| (name, ours))));
    log.push(evaluated("untuned", &FIGURES.map(|(name, _, untuned)| (name, untuned))));
    let (_, ranks): (_, Ranks) = log.selection(300);
    let (run, dir) = ("20261123-203312-a1b2".into(), "/runs/20261123-203312-a1b2".into());
    log.push(Event::Finished { phase: Phase::Export, run, dir, ranks, metrics: Metrics::new(), timing: Timing::new() });
    log
}

#[test]
fn the_form_of_generation_has_what_matters_there() {
    let mut model = form("[model]\nid = \"gpt2\"\n[data]\ntask = \"generation\"\n[evaluate]\nnum_beams = 10\n");
    press(&mut model, "jj");
    update(&mut model, key(KeyCode::Right));
    let form = model.form().unwrap();
    assert_eq!(form.doc.get_typed("data.task").as_deref(), Some("classification"));
    assert_eq!(form.focus().map(|field| field.key()), Some("data.task"), "the cursor stays");
    assert!(frame(&model, 80, 24).contains("allocation.rule"));
}

#[test]
fn a_value_that_is_cut_in_the_list_stands_whole_below() {
    let value = "attn.c_attn.query, attn.c_attn.value, mlp.c_proj";
    let mut model = form(&format!("[lora]\ntargets = {:?}\n", value.split(", ").collect::<Vec<_>>()));
    assert!(!frame(&model, 80, 24).contains(value));
    press(&mut model, "/lora.targets");
    update(&mut model, key(KeyCode::Enter));
    assert!(frame(&model, 80, 24).contains(value), "{}", frame(&model, 80, 24));
}

#[test]
fn a_terminal_without_utf_8_gets_ascii_whatever_the_texts_hold() {
    let mut model = written().watched(State::Finished);
    model.look = PLAIN;
    for keys in ["", "t"] {
        press(&mut model, keys);
        assert!(frame(&model, 160, 45).is_ascii());
    }
}

#[test]
fn where_there_is_room_for_one_the_losses_take_the_place_of_samples_when_asked_for() {
    let mut model = writing().watched(State::Running);
    let shows = |model: &Model| {
        let frame = frame(model, 80, 24);
        (frame.contains("samples, newest first"), frame.contains("losses of"))
    };
    assert_eq!(shows(&model), (true, false));
    for seen in [(false, true), (false, true), (true, false)] {
        press(&mut model, "c");
        assert_eq!(shows(&model), seen);
    }
}

#[test]
fn the_key_of_samples_is_named_where_there_are_some() {
    let bar = |model: &Model| frame(model, 80, 24).lines().last().unwrap_or_default().to_owned();
    let mut model = searching().watched(State::Running);
    assert!(!bar(&model).contains("t texts"));
    press(&mut model, "t");
    assert!(model.popups.is_empty());
    assert!(bar(&writing().watched(State::Running)).contains("t texts"));
}

/// The samples of a run of which many are there, and what else comes.
fn follow(model: &mut Model, from: usize, to: usize) {
    let records = (from..to).map(|n| autolora::run::event::Record {
        seq: 10_000 + n as u64,
        time: "2026-11-23T21:00:00.000Z".into(),
        event: sample(&format!("input {n}."), &format!("reference {n}."), &format!("output {n}.")),
    });
    let run = "20261123-203312-a1b2".into();
    update(model, followed(run, records.collect()));
}

#[test]
fn a_new_sample_shows_at_the_top_and_moves_nothing_for_one_who_reads_below() {
    let mut model = writing().watched(State::Running);
    follow(&mut model, 0, 20);
    press(&mut model, "t");
    assert!(frame(&model, 80, 24).contains("output 19."));
    follow(&mut model, 20, 21);
    assert!(frame(&model, 80, 24).contains("output 20."), "at the top they come");
    update(&mut model, key(KeyCode::PageDown));
    let before: Vec<String> = frame(&model, 80, 24).lines().skip(2).map(str::to_owned).collect();
    follow(&mut model, 21, 25);
    let after = frame(&model, 80, 24);
    // Below the title, which counts them, and the numbers, which are out of more.
    let of_texts = |lines: &[String]| lines.iter().filter(|line| line.contains("put ")).cloned().collect::<Vec<_>>();
    assert_eq!(of_texts(&before), of_texts(&after.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()));
    assert!(after.contains("g: 4 newer"), "{after}");
    press(&mut model, "g");
    assert!(frame(&model, 80, 24).contains("output 24."));
}

#[test]
fn at_the_end_of_a_popup_one_key_up_moves_at_once() {
    let mut model = writing().watched(State::Running);
    follow(&mut model, 0, 20);
    for keys in ["t", "?"] {
        press(&mut model, keys);
        let top = frame(&model, 80, 24);
        for _ in 0..40 {
            update(&mut model, key(KeyCode::PageDown));
        }
        let end = frame(&model, 80, 24);
        assert_ne!(top, end);
        update(&mut model, key(KeyCode::Down));
        assert_eq!(frame(&model, 80, 24), end);
        update(&mut model, key(KeyCode::Up));
        assert_ne!(frame(&model, 80, 24), end);
        update(&mut model, key(KeyCode::Esc));
    }
}

#[test]
fn texts_steer_no_terminal_and_keep_their_columns() {
    let mut model = writing().watched(State::Running);
    let evil = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\rd\u{202e}e\u{200b}模型模型模型";
    let record = autolora::run::event::Record {
        seq: 9999,
        time: "2026-11-23T21:00:00.000Z".into(),
        event: sample(&evil.repeat(20), evil, &evil.repeat(3000)),
    };
    let run: String = "20261123-203312-a1b2".into();
    update(&mut model, followed(run, vec![record]));
    for keys in ["", "t"] {
        press(&mut model, keys);
        for (columns, lines) in [(80, 24), (160, 45), (33, 30)] {
            let shown = frame(&model, columns, lines);
            assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
            assert!(shown.contains("a?]0;owned?b"), "{shown}");
        }
    }
    assert!(matches!(model.popups.last(), Some(Popup::Samples { .. })));
    let shown = frame(&model, 80, 24);
    let sides: Vec<&str> = shown.lines().filter(|line| line.contains("owned")).collect();
    assert!(!sides.is_empty() && sides.iter().all(|line| line.matches('│').count() == 2), "{shown}");
}

fn followed(run: String, records: Vec<Record>) -> Msg {
    Msg::Followed { run, records, places: Vec::new(), state: State::Running }
}
