//! Runs that no worker made: written through the program's own types, as long as wanted in a moment.

use autolora::experiment::{DataSettings, Experiment, ModelSettings};
use autolora::run::directory::RunDir;
use autolora::run::event::{Event, Metrics, ModuleShape, Phase, Ranks, Selected, Selection, Step, Timing};
use autolora::run::lock::Lock;
use autolora::run::log::EventLog;
use autolora::run::store::{NewRun, Store};
use std::path::Path;

/// What a run holds.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub layers: usize,
    /// Modules of a layer, at most 7.
    pub kinds: usize,
    /// Steps of search and retraining, half each.
    pub steps: usize,
    /// Snapshots of the selection values, spread over the steps of the search.
    pub snapshots: usize,
    /// k.
    pub rank: usize,
}

impl Shape {
    /// A few steps on two layers.
    pub const SMALL: Shape = Shape { layers: 2, kinds: 2, steps: 40, snapshots: 20, rank: 8 };
}

/// A run and its log, held open.
pub struct Run {
    pub dir: RunDir,
    pub log: EventLog,
    shape: Shape,
    /// Held while the run is at work.
    lock: Option<Lock>,
    step: usize,
}

const HIDDEN: usize = 768;

impl Run {
    /// A run below a home folder, at work in its search, nothing done.
    pub fn begin(home: &Path, name: &str, shape: Shape) -> Run {
        let experiment = Experiment {
            model: ModelSettings { id: "builtin:demo".into(), ..ModelSettings::default() },
            data: DataSettings { id: Some("builtin:demo".into()), ..DataSettings::default() },
            ..Experiment::default()
        };
        let preset = "[model]\nid = \"builtin:demo\"\n\n[data]\nid = \"builtin:demo\"\n";
        let dir = Store::new(home).create(NewRun { name, parent: None, experiment, preset }).unwrap();
        let mut lock = Lock::acquire(&dir.lock_path()).unwrap();
        lock.sign().unwrap();
        let log = EventLog::open(&dir.events_path()).unwrap();
        let mut run = Run { dir, log, shape, lock: Some(lock), step: 0 };
        run.add(Event::Started {
            pid: std::process::id(),
            host: "here".into(),
            device: "cpu".into(),
            threads: 2,
            version: "0.1.0".into(),
        });
        run.add(Event::Phase { phase: Phase::Prepare, total: 0, epochs: None });
        let modules = run.paths().into_iter().map(|path| (path, ModuleShape { inputs: HIDDEN, outputs: HIDDEN }));
        let prepared = Event::Prepared {
            phase: Phase::Prepare,
            model: "builtin:demo".into(),
            train_rows: 6000,
            validation_rows: 1200,
            test_rows: 800,
            truncated_rows: 0,
            labels: vec!["negative".into(), "positive".into()],
            rank: shape.rank,
            threshold: Some(1.0 / shape.rank as f64),
            trainable_parameters: 2 * HIDDEN * shape.rank * shape.layers * shape.kinds,
            frozen_parameters: 125_000_000,
            head_parameters: 1538,
            modules: modules.collect(),
            warmup_steps: 0,
            task: "classification".into(),
            metric: "accuracy".into(),
            max_length: 128,
        };
        run.add(prepared);
        run.add(Event::Phase { phase: Phase::Search, total: shape.steps / 2, epochs: Some(3.0) });
        run
    }

    /// A finished run.
    pub fn finished(home: &Path, name: &str, shape: Shape) -> Run {
        let mut run = Run::begin(home, name, shape);
        for _ in 0..shape.steps {
            run.step();
        }
        run.finish();
        run
    }

    pub fn add(&mut self, event: Event) {
        self.log.append(event).unwrap();
    }

    fn paths(&self) -> Vec<String> {
        const KINDS: [&str; 7] = [
            "attention.self.query",
            "attention.self.value",
            "attention.self.key",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
            "gate",
        ];
        let of_layer =
            |layer| KINDS[..self.shape.kinds].iter().map(move |kind| format!("encoder.layer.{layer}.{kind}"));
        (0..self.shape.layers).flat_map(of_layer).collect()
    }

    /// One more step, with a snapshot where one is due; the search goes over into retraining.
    pub fn step(&mut self) {
        self.step += 1;
        let half = (self.shape.steps / 2).max(1);
        let phase = if self.step > half { Phase::Retrain } else { Phase::Search };
        if self.step == half + 1 {
            self.allocate(half);
        }
        let step = if phase == Phase::Retrain { self.step - half } else { self.step };
        let t = self.step as f64;
        let wave = |speed: f64, size: f64| size * (1.0 + 0.3 * (t * speed).sin() + 0.1 * (t * 1.7).sin());
        let loss = 0.2 + 2.0 / (1.0 + t / half as f64);
        let search = phase == Phase::Search;
        self.add(Event::Step(Step {
            validation_loss: search.then(|| loss + wave(0.13, 0.07)),
            selection_lr: search.then_some(1e-2),
            tokens: Some(512 * step as u64),
            grad_norm: Some(wave(0.31, 1.0)),
            direct_norm: search.then(|| wave(0.17, 0.02)),
            mixed_norm: search.then(|| wave(0.23, 0.004)),
            ..Step::new(phase, step, loss + wave(0.9, 0.05), 1e-3 / (1.0 + t / 1e4))
        }));
        let due = |step: usize| step * self.shape.snapshots / half;
        if search && due(step) > due(step - 1) {
            self.snapshot(step);
        }
        if step.is_multiple_of(100) {
            self.add(Event::Progress {
                phase,
                step,
                total: half,
                rate: 50.0,
                left_s: (half - step.min(half)) as f64 / 50.0,
                rss_bytes: 900_000_000,
                device_bytes: None,
            });
        }
    }

    fn values(&self, module: usize, step: usize) -> Vec<f32> {
        let raw = |j: usize| {
            let drift = (module * 7 + j * 3) as f64 * 0.37;
            ((step as f64 / 3000.0).min(1.5) * drift.sin() + 0.05 * (step as f64 * 0.011 + drift).sin()).exp()
        };
        let all: Vec<f64> = (0..self.shape.rank).map(raw).collect();
        let sum: f64 = all.iter().sum();
        all.into_iter().map(|value| (value / sum) as f32).collect()
    }

    fn ranks(&self, modules: &Selection) -> Ranks {
        let least = 1.0 / self.shape.rank as f32;
        let kept = |values: &Vec<f32>| values.iter().filter(|value| **value >= least).count();
        modules.iter().map(|(path, values)| (path.clone(), kept(values))).collect()
    }

    fn snapshot(&mut self, step: usize) {
        let paths = self.paths();
        let modules: Selection = paths.into_iter().enumerate().map(|(i, path)| (path, self.values(i, step))).collect();
        let energy = modules.iter().map(|(path, values)| (path.clone(), values.iter().map(|v| v * 0.3).collect()));
        let event = Event::Selection(Selected {
            phase: Phase::Search,
            step,
            ranks: self.ranks(&modules),
            energy: energy.collect(),
            modules,
        });
        self.add(event);
    }

    fn allocate(&mut self, half: usize) {
        let paths = self.paths();
        let modules: Selection = paths.into_iter().enumerate().map(|(i, path)| (path, self.values(i, half))).collect();
        let ranks = self.ranks(&modules);
        let parameters = ranks.values().sum::<usize>() * 2 * HIDDEN;
        let rule = "threshold".into();
        self.add(Event::Phase { phase: Phase::Allocate, total: 0, epochs: None });
        let terms = Default::default();
        self.add(Event::Allocated { phase: Phase::Allocate, ranks, parameters, undecided: false, rule, terms });
        self.add(Event::Phase { phase: Phase::Retrain, total: half, epochs: Some(3.0) });
    }

    /// Whether all of its steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.shape.steps
    }

    /// Its last words; the lock goes free.
    pub fn finish(&mut self) {
        let metrics: Metrics = [("accuracy".to_owned(), 0.91), ("test_loss".to_owned(), 0.31)].into();
        self.add(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: metrics.clone() });
        let (run, dir) = (self.dir.id().to_owned(), self.dir.path().display().to_string());
        let (ranks, timing) = (Ranks::new(), Timing::new());
        self.add(Event::Finished { phase: Phase::Export, run, dir, ranks, metrics, timing });
        self.lock = None;
    }

    /// Its worker is gone without a word.
    pub fn die(&mut self) {
        self.lock = None;
    }
}
