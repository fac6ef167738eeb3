//! Runs as their logs tell them, from the first step to the end.

use autolora::experiment::{PresetDoc, Source};
use autolora::run::event::{
    AllTerms, Event, Metrics, ModuleShape, Phase, Ranks, Record, Selected, Selection, Step, Timing,
};
use autolora::run::machine::Machine;
use autolora::run::notes::Notes;
use autolora::run::outlook::Left;
use autolora::run::view::{RunView, State};
use autolora::tui::look::Look;
use autolora::tui::model::{Model, Screen};
use autolora::tui::monitor::{Head, Monitor, Then};
use autolora::tui::msg::{Effect, Msg, Weight};
use autolora::tui::palette::Depth;
use autolora::tui::presets::PresetRow;
use autolora::tui::runs::{Ranked, RunRow};
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

pub const LOOK: Look = Look { depth: Depth::Many, unicode: true, letters: true };
pub const PLAIN: Look = Look { depth: Depth::None, unicode: false, letters: false };

/// The first screen, nothing read yet.
pub fn model() -> Model {
    Model::new(LOOK, TimeZone::UTC)
}

/// A frame of the model as text.
pub fn frame(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend always opens");
    terminal.draw(|frame| autolora::tui::view::view(model, frame)).expect("and draws");
    // A backend without columns cannot print itself.
    if width == 0 { String::new() } else { terminal.backend().to_string() }
}

pub fn key(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// The effects of pressing a plain key.
pub fn effects(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, key(code))
}

/// The only effect of a key.
pub fn effect(model: &mut Model, code: KeyCode) -> Effect {
    let mut effects = effects(model, code);
    assert_eq!(effects.len(), 1, "{effects:?}");
    effects.remove(0)
}

/// The only effect of a character.
pub fn char_effect(model: &mut Model, c: char) -> Effect {
    effect(model, KeyCode::Char(c))
}

/// Presses the characters of a text, one key each.
pub fn press(model: &mut Model, keys: &str) {
    for c in keys.chars() {
        update(model, key(KeyCode::Char(c)));
    }
}

pub fn row(id: &str, name: &str, state: State) -> RunRow {
    RunRow {
        id: id.into(),
        name: name.into(),
        dir: format!("/home/ada/.local/share/autolora/runs/{id}"),
        state,
        place: None,
        phase: Some(Phase::Search),
        step: 120,
        total: 300,
        warms_up: false,
        left: None,
        ranks: None,
        score: None,
        best: None,
        last: None,
        took: None,
        model: "builtin:demo".into(),
        data: "builtin:demo".into(),
        started: Some("2026-11-23T20:33:12.512Z".into()),
        parent: None,
        parent_name: None,
        notes: Notes::default(),
        error: None,
        damage: None,
        unreadable: None,
        reads_on: false,
    }
}

/// One run of each state, newest first.
pub fn rows() -> Vec<RunRow> {
    let mut rows = vec![
        row("20261123-203312-a1b2", "demo", State::Running),
        row("20261123-193007-00ff", "sst2-minilm-rank-8-unrolled", State::Running),
        row("20261123-180000-1234", "cola", State::Paused),
        row("20261122-235959-abcd", "cola", State::Finished),
        row("20261122-110000-0001", "big", State::Failed),
        row("20261121-110000-0002", "slow", State::Stalled),
        row("20261120-110000-0003", "gone", State::Crashed),
        row("20261119-110000-0004", "enough", State::Stopped),
        row("20261118-110000-0005", "next", State::Queued),
    ];
    (rows[1].phase, rows[1].step, rows[1].total) = (Some(Phase::Retrain), 12_345, 99_999);
    rows[0].left = Some(Left { seconds: 371.0, at_least: false });
    rows[1].left = Some(Left { seconds: 12_000.0, at_least: true });
    rows[0].ranks = Some(Ranked { mean: 3.17, parameters: Some(3648), allocated: false });
    rows[1].ranks = Some(Ranked { mean: 4.5, parameters: Some(1_234_567), allocated: true });
    rows[3].ranks = Some(Ranked { mean: 2.83, parameters: Some(33_792), allocated: true });
    (rows[0].best, rows[0].last) = (Some((97, 0.3127)), Some((120, 0.3342)));
    rows[0].notes.tags = vec!["paper".into(), "lr-sweep".into()];
    rows[3].notes.star = true;
    rows[3].took = Some(754.0);
    rows[3].notes.note = "the one in the report".into();
    rows[3].parent = Some("20261121-110000-0002".into());
    rows[3].parent_name = Some("slow".into());
    rows[1].model = "/models/all-MiniLM-L6-v2".into();
    rows[1].data = "/data/glue/SST-2/train.tsv".into();
    rows[3].score = Some(("matthews_correlation".into(), 0.4312));
    rows[4].error = Some("the loss is not a number at step 57 (learning rate 0.3)".into());
    (rows[8].phase, rows[8].step, rows[8].total) = (None, 0, 0);
    rows[8].place = Some(2);
    rows
}

pub fn with_runs(rows: Vec<RunRow>) -> Model {
    let mut model = model();
    update(&mut model, Msg::Runs(rows));
    model
}

/// What a run holds.
pub fn weight(run: &str) -> Weight {
    let dir = format!("/home/ada/.local/share/autolora/runs/{run}");
    Weight { run: run.into(), dir, files: 17, bytes: 41_300_000, ..Weight::default() }
}

/// A log that is being written.
pub struct Log {
    records: Vec<Record>,
    layers: usize,
    /// Of the modules' paths, before the layer.
    stack: &'static str,
    kinds: Vec<&'static str>,
    rank: usize,
    width: usize,
}

impl Log {
    /// A worker that has begun.
    pub fn new() -> Log {
        let kinds = vec!["attention.self.query", "attention.self.value"];
        let mut log = Log { records: Vec::new(), layers: 2, stack: "bert.encoder.layer", kinds, rank: 8, width: 96 };
        log.push(Event::Schema { version: 1, program: "autolora 0.1.0".into() });
        log.push(Event::Started {
            pid: 4242,
            host: "turing".into(),
            device: "cpu".into(),
            threads: 2,
            version: "0.1.0".into(),
        });
        log.push(Event::Phase { phase: Phase::Prepare, total: 0, epochs: None });
        log
    }

    pub fn of_size(layers: usize, kinds: &[&'static str], rank: usize, width: usize) -> Log {
        Log { layers, kinds: kinds.to_vec(), rank, width, ..Log::new() }
    }

    /// Of a model like GPT-2.
    pub fn of_decoder(layers: usize) -> Log {
        Log { stack: "transformer.h", ..Log::of_size(layers, &["attn.c_attn.query", "attn.c_attn.value"], 8, 96) }
    }

    pub fn push(&mut self, event: Event) -> &mut Log {
        let seq = self.records.len() as u64;
        let time = format!("2026-11-23T20:{:02}:{:02}.000Z", 33 + seq / 60 % 27, seq % 60);
        self.records.push(Record { seq, time, event });
        self
    }

    fn paths(&self) -> Vec<String> {
        let path = |layer: usize, kind: &str| format!("{}.{layer}.{kind}", self.stack);
        (0..self.layers).flat_map(|layer| self.kinds.iter().map(move |kind| path(layer, kind))).collect()
    }

    pub fn say(&mut self, level: &str, message: &str) -> &mut Log {
        self.push(Event::Log { phase: Phase::Search, level: level.into(), message: message.into() })
    }

    pub fn prepared(&mut self) -> &mut Log {
        self.prepared_for("classification", "accuracy")
    }

    pub fn prepared_for(&mut self, task: &str, metric: &str) -> &mut Log {
        let shape = ModuleShape { inputs: self.width, outputs: self.width };
        let modules = self.paths().into_iter().map(|path| (path, shape.clone())).collect();
        self.push(Event::Prepared {
            phase: Phase::Prepare,
            model: "builtin:demo".into(),
            train_rows: 800,
            validation_rows: 800,
            test_rows: 400,
            truncated_rows: 0,
            labels: vec!["negative".into(), "positive".into()],
            rank: self.rank,
            threshold: Some(1.0 / self.rank as f64),
            trainable_parameters: 12_674,
            frozen_parameters: 310_000,
            head_parameters: 386,
            modules,
            warmup_steps: 20,
            task: task.into(),
            metric: metric.into(),
            max_length: 64,
        });
        self.say("info", "800 rows to train, 800 to validate, 400 held out; none was cut");
        self.push(Event::Phase { phase: Phase::Search, total: 300, epochs: Some(6.0) })
    }

    pub fn warmup(&mut self, steps: usize) -> &mut Log {
        for step in 1..=steps {
            self.push(Event::Warmup { phase: Phase::Search, step, total: 20, train_loss: 0.7 - 0.001 * step as f64 });
        }
        self
    }

    /// Selection values that part with the steps: the same for all at step 0.
    pub fn selection(&self, step: usize) -> (Selection, Ranks) {
        let mut selection = Selection::new();
        let mut ranks = Ranks::new();
        for (i, path) in self.paths().into_iter().enumerate() {
            let logit = |j: usize| ((i * 37 + j * 101) % 19) as f32 / 9.0 - 1.0;
            let logits: Vec<f32> = (0..self.rank).map(|j| logit(j) * step as f32 / 150.0).collect();
            let sum: f32 = logits.iter().map(|x| x.exp()).sum();
            let alpha: Vec<f32> = logits.iter().map(|x| x.exp() / sum).collect();
            let rank = alpha.iter().filter(|alpha| **alpha >= 1.0 / self.rank as f32 - 1e-6).count();
            ranks.insert(path.clone(), rank);
            selection.insert(path, alpha);
        }
        (selection, ranks)
    }

    pub fn search(&mut self, steps: usize) -> &mut Log {
        self.search_like(steps, 0)
    }

    /// The selection alone from one step to another.
    pub fn selected(&mut self, steps: std::ops::RangeInclusive<usize>) -> &mut Log {
        for step in steps {
            let (modules, ranks) = self.selection(step);
            let energy = modules.clone();
            self.push(Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy }));
        }
        self
    }

    /// A search that is worse the higher `worse` is.
    pub fn search_like(&mut self, steps: usize, worse: usize) -> &mut Log {
        for step in 1..=steps {
            let x = step as f64 / (1.0 + worse as f64 / 3.0);
            let wave = (x / 3.0).sin() * 0.04;
            self.push(Event::Step(Step {
                validation_loss: Some(0.6 * (-x / 140.0).exp() + 0.15 - wave / 2.0),
                selection_lr: Some(1e-2),
                tokens: Some(512 * step as u64),
                grad_norm: Some(1.0),
                direct_norm: Some(0.01),
                mixed_norm: Some(0.001),
                ..Step::new(Phase::Search, step, 0.65 * (-x / 120.0).exp() + 0.1 + wave, 1e-3)
            }));
            let (modules, ranks) = self.selection(step);
            let energy =
                modules.iter().map(|(path, alpha)| (path.clone(), alpha.iter().map(|a| a * a).collect())).collect();
            self.push(Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy }));
        }
        self.push(Event::Progress {
            phase: Phase::Search,
            step: steps,
            total: 300,
            rate: 12.34,
            left_s: (300 - steps) as f64 / 12.34,
            rss_bytes: 183_500_000,
            device_bytes: None,
        });
        let machine = Machine {
            host_used_bytes: 12_300_000_000,
            host_total_bytes: 24_600_000_000,
            load: 1.9,
            cores: 2,
            worker_cores: Some(1.8),
            gpu: None,
        };
        self.push(Event::Machine { phase: Phase::Search, machine })
    }

    /// One step.
    pub fn step_at(&mut self, phase: Phase, step: usize, train_loss: f64, validation_loss: Option<f64>) -> &mut Log {
        self.push(Event::Step(Step { validation_loss, ..Step::new(phase, step, train_loss, 1e-3) }))
    }

    pub fn allocate(&mut self) -> &mut Log {
        self.allocate_like(0)
    }

    /// Ranks of which every third differs by `other` from those of another.
    pub fn allocate_like(&mut self, other: usize) -> &mut Log {
        let (_, mut ranks) = self.selection(300);
        ranks.values_mut().step_by(3).for_each(|rank| *rank = (*rank + other) % 8);
        let parameters = ranks.values().sum::<usize>() * 2 * self.width;
        self.push(Event::Allocated {
            phase: Phase::Allocate,
            ranks,
            parameters,
            undecided: false,
            rule: "threshold".into(),
            terms: AllTerms::new(),
        })
    }

    pub fn retrain(&mut self) -> &mut Log {
        self.push(Event::Phase { phase: Phase::Retrain, total: 100, epochs: Some(2.0) });
        for step in 1..=100 {
            let spike = if step == 61 { 0.9 } else { 0.0 };
            self.push(Event::Step(Step {
                tokens: Some(512 * step as u64),
                ..Step::new(Phase::Retrain, step, 0.6 * (-(step as f64) / 40.0).exp() + 0.02 + spike, 1e-3)
            }));
        }
        self
    }

    pub fn finish(&mut self) -> &mut Log {
        self.finish_with(0.9525, 0.1432)
    }

    pub fn finish_with(&mut self, accuracy: f64, loss: f64) -> &mut Log {
        let evaluated = |what: &str, accuracy: f64, loss: Option<f64>| {
            let mut metrics = Metrics::from([("accuracy".to_owned(), accuracy)]);
            metrics.extend(loss.map(|loss| ("loss".to_owned(), loss)));
            Event::Evaluated { phase: Phase::Evaluate, what: what.into(), metrics }
        };
        self.push(evaluated("run", accuracy, Some(loss)));
        self.push(evaluated("head_only", 0.705, Some(0.5821)));
        self.push(evaluated("majority", 0.5025, None));
        let allocated = self.records.iter().rev().find_map(|record| match &record.event {
            Event::Allocated { ranks, .. } => Some(ranks.clone()),
            _ => None,
        });
        let ranks = allocated.unwrap_or_else(|| self.selection(300).1);
        let metrics = Metrics::from([("accuracy".to_owned(), accuracy)]);
        let timing =
            [("prepare_s", 0.2), ("search_s", 602.4), ("retrain_s", 100.0), ("evaluate_s", 4.2), ("total_s", 706.8)];
        let timing: Timing = timing.map(|(name, seconds)| (name.to_owned(), seconds)).into();
        let (run, dir) = ("20261123-203312-a1b2".into(), "/runs/20261123-203312-a1b2".into());
        self.push(Event::Finished { phase: Phase::Export, run, dir, ranks, metrics, timing })
    }

    pub fn fail(&mut self, error: &str, advice: &str) -> &mut Log {
        self.push(Event::Failed {
            phase: Phase::Search,
            step: 57,
            run: "20261123-203312-a1b2".into(),
            dir: "/runs/20261123-203312-a1b2".into(),
            error: error.into(),
            advice: advice.into(),
            ranks: Ranks::new(),
            metrics: Metrics::new(),
            timing: Timing::new(),
        })
    }

    /// What is written so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// All of this log as it reaches the screen.
    pub fn followed(&self, state: State) -> Msg {
        Msg::Followed {
            run: "20261123-203312-a1b2".into(),
            records: self.records.clone(),
            places: (0..self.records.len() as u64).collect(),
            state,
        }
    }

    /// The same with all of its history, `seen` being the event up to which it was seen before.
    pub fn filled(&self, state: State, seen: u64) -> Msg {
        let mut view = RunView::default();
        let mut then = None;
        for record in &self.records {
            view.apply_at(record, Some(record.seq));
            if record.seq == seen {
                then = Some(Then::of(&view));
            }
        }
        Msg::Filled { run: "20261123-203312-a1b2".into(), view: Box::new(view), state, then }
    }

    /// The record at a place, as [`Log::followed`] counts them.
    pub fn record(&self, place: usize) -> &Record {
        &self.records[place]
    }

    /// The monitor of a run with this log.
    pub fn watched(&self, state: State) -> Model {
        let mut model = with_runs(rows());
        let run = "20261123-203312-a1b2";
        model.screens.push(Screen::Monitor(Box::new(Monitor::new(run))));
        let head = Head {
            id: run.into(),
            name: "demo".into(),
            dir: format!("/runs/{run}"),
            data: "builtin:demo".into(),
            settings: Some(Box::default()),
            ..Head::default()
        };
        update(&mut model, Msg::Opened(Box::new(head)));
        for effect in update(&mut model, self.followed(state)) {
            if let Effect::LookAtAdapter(run) = effect {
                update(&mut model, Msg::Adapter { run, files: adapter_files() });
            }
        }
        model
    }
}

/// What lies in the folder of an adapter.
pub fn adapter_files() -> Vec<(String, u64)> {
    let files = [("adapter_model.safetensors", 10_952), ("README.md", 2_411), ("adapter_config.json", 1_204)];
    files.map(|(name, size)| (name.to_owned(), size)).to_vec()
}

/// The log of the demo in the middle of its search.
pub fn searching() -> Log {
    let mut log = Log::new();
    log.prepared().warmup(20).search(120);
    log.say("warning", "12 rows of the validation split have a label with few examples");
    log
}

/// The log of the demo to its end.
pub fn finished() -> Log {
    let mut log = Log::new();
    log.prepared().warmup(20).search(300).allocate().retrain().finish();
    log
}

pub fn preset_rows() -> Vec<PresetRow> {
    vec![
        PresetRow {
            name: "demo".into(),
            saved: false,
            path: String::new(),
            description: "The embedded model and dataset: a whole run in about a minute on two CPU cores.\nNo network."
                .into(),
            said: vec![
                ("model.id", "builtin:demo".into()),
                ("data.id", "builtin:demo".into()),
                ("lora.rank", "8".into()),
            ],
        },
        PresetRow {
            name: "sst2".into(),
            saved: true,
            path: "/home/ada/.local/share/autolora/presets/sst2.toml".into(),
            description: "SST-2 with MiniLM, 4,000 rows.".into(),
            said: vec![
                ("model.id", "/models/all-MiniLM-L6-v2".into()),
                ("data.train", "/data/train.tsv".into()),
                ("lora.targets", "query, key, value, attention.output.dense, intermediate.dense, output.dense".into()),
            ],
        },
    ]
}

pub const PRESET: &str = "\
# My first preset.
[model]
id = \"builtin:demo\" # small

[data]
id = \"builtin:demo\"

[lora]
rank = 8
";

/// The form on a preset text.
pub fn form(text: &str) -> Model {
    let mut model = with_runs(rows());
    let source = Source { name: "demo".into(), text: text.into(), folder: None };
    let doc = PresetDoc::open(&source).expect("the text is TOML");
    update(&mut model, Msg::PresetOpened(Box::new(doc)));
    update(&mut model, Msg::Presets(preset_rows()));
    model
}
