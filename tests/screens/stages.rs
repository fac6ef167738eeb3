//! What a monitor may be shown: searches on a GPU, with another rule, taken from another run, left and looked at again.

use crate::fixtures::*;
use crate::theatre::monitor;
use autolora::experiment::Rule;
use autolora::run::event::{Event, Phase};
use autolora::run::machine::{Gpu, Machine};
use autolora::run::view::State;
use autolora::tui::model::Model;
use autolora::tui::monitor::{Head, Pane};
use autolora::tui::msg::Msg;
use autolora::tui::seen::Seen;
use autolora::tui::update::update;

/// A look at a machine with a GPU that is slowed down.
fn gpu_at(percent: u32) -> Event {
    let gpu = Gpu {
        index: 0,
        name: "NVIDIA H100 80GB HBM3".into(),
        used_bytes: 31_200_000_000,
        total_bytes: 85_500_000_000,
        load_percent: Some(percent),
        temperature: Some(71),
        power: Some(688.4),
        power_limit: Some(700.0),
        throttled: vec!["power cap".into()],
    };
    let machine = Machine {
        host_used_bytes: 61_000_000_000 + 100_000_000 * u64::from(percent),
        host_total_bytes: 128_000_000_000,
        load: 3.2,
        cores: 16,
        worker_cores: Some(1.1),
        gpu: Some(gpu),
    };
    Event::Machine { phase: Phase::Search, machine }
}

/// A search on a GPU that is slowed down, its pane with the focus.
pub fn with_gpu() -> Model {
    let mut log = searching();
    log.push(gpu_at(97));
    let mut model = log.watched(State::Running);
    monitor(&mut model).focus = Pane::Machine;
    model
}

/// A run that ended, with many looks at its GPU.
pub fn on_a_gpu() -> Log {
    let mut log = Log::new();
    log.prepared();
    for look in 0..300u32 {
        log.push(gpu_at(60 + look % 37));
    }
    log.finish();
    log
}

/// A search that allocates by another threshold from step 81 on.
pub fn changing_its_rule() -> Log {
    let mut log = Log::new();
    log.prepared().search(80);
    log.push(Event::Allocation { phase: Phase::Search, rule: Rule::Threshold, threshold: Some(0.2), budget: None });
    log.selected(81..=120);
    log
}

/// A model with more kinds of modules than fit.
pub fn many_kinds() -> Log {
    let kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "fc1", "fc2", "router"];
    let mut log = Log::of_size(6, &kinds, 8, 256);
    log.prepared().search(60);
    log
}

/// The start of a worker that is not the first.
fn another_worker() -> Event {
    Event::Started { pid: 4343, host: "turing".into(), device: "cpu".into(), threads: 2, version: "0.1.0".into() }
}

/// A run that took the search of another.
pub fn retrained() -> Log {
    let mut log = Log::new();
    log.prepared().search(300);
    log.push(Event::Inherited { phase: Phase::Search, run: rows()[3].id.clone(), dir: "/runs/x".into() });
    log.push(another_worker());
    log.allocate().retrain().finish();
    log
}

/// A search that was stopped and went on, with its checkpoints.
pub fn restless() -> Log {
    let mut log = Log::new();
    let checkpoint = |step| Event::Checkpoint { phase: Phase::Search, step };
    log.prepared().warmup(20).search(60);
    log.push(checkpoint(60));
    log.push(Event::Stopped { phase: Phase::Search, step: 60, reason: "asked by the user".into() });
    log.push(another_worker());
    log.push(Event::Resumed { phase: Phase::Search, step: 60 });
    log.push(Event::Phase { phase: Phase::Search, total: 300, epochs: Some(6.0) });
    log.push(Event::Allocation { phase: Phase::Search, rule: Rule::Energy, threshold: Some(0.2), budget: None });
    log.selected(61..=300);
    log.push(checkpoint(300));
    log.push(Event::Phase { phase: Phase::Allocate, total: 0, epochs: None }).allocate();
    log
}

/// A monitor before which ranks change.
pub fn looking_on() -> Model {
    let mut log = Log::new();
    log.prepared().search(35);
    let mut model = log.watched(State::Running);
    let before = log.records().len();
    update(&mut model, log.filled(State::Running, u64::MAX));
    log.selected(36..=45);
    let records = log.records()[before..].to_vec();
    let places = records.iter().map(|record| record.seq).collect();
    let run = "20261123-203312-a1b2".into();
    update(&mut model, Msg::Followed { run, records, places, state: State::Running });
    model
}

/// The monitor of a run that was looked at after its search step 40, so many seconds ago.
pub fn away(away_s: f64) -> Model {
    let mut log = searching();
    log.say("warning", "the loss jumped");
    let mut model = with_runs(rows());
    let run = "20261123-203312-a1b2";
    model.screens.push(autolora::tui::model::Screen::Monitor(Box::new(autolora::tui::monitor::Monitor::new(run))));
    let head = Head {
        id: run.into(),
        name: "demo".into(),
        settings: Some(Box::default()),
        seen: Some(Seen { seq: 25 + 2 * 40, time: "2026-11-23T20:40:00.000Z".into() }),
        away_s: Some(away_s),
        ..Head::default()
    };
    update(&mut model, Msg::Opened(Box::new(head)));
    update(&mut model, log.filled(State::Running, 25 + 2 * 40));
    model
}
