//! What comes from outside: answers to what was asked for, and news of runs, true or not.

use crate::fixtures::*;
use crate::form::{card, difference, found, refused, wrong};
use autolora::experiment::{Place, PresetDoc, Problem, Rule, Source};
use autolora::run::event::{Event, ModuleShape, Phase, Ranks, Record, Selected, Selection, Step, Timing};
use autolora::run::machine::{Gpu, Machine};
use autolora::run::notes::Notes;
use autolora::run::view::{RunView, State};
use autolora::tui::model::Model;
use autolora::tui::monitor::{Head, Then};
use autolora::tui::msg::{Effect, Msg, Watching};
use autolora::tui::preflight::Stage;
use autolora::tui::seen::Seen;
use proptest::prelude::*;

/// Something that the program is told; of the run that is watched, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct News {
    what: What,
    /// Of another run than the one that is shown.
    is_stray: bool,
}

#[derive(Clone, Debug)]
enum What {
    Runs(Vec<(usize, State, usize)>),
    Opened { away_s: Option<f64>, has_settings: bool },
    Glimpse(Vec<Event>, State),
    Reading(f64),
    Filled(Vec<Event>, State, Option<usize>),
    Followed(Vec<Event>, State),
    Fetched(usize, Event),
    Tick,
    Lost(String),
    Regained,
    Presets(usize),
    PresetOpened(String),
    PresetSaved(String),
    PresetRenamed,
    Checked(u64, usize),
    Refused(usize),
    Started,
    Wrong,
    Differs,
    InTheWay,
    Weighed(usize),
    Annotated,
    Preflight(u64, bool),
    Said(String, bool),
}

/// Figures as a log may hold them.
fn figures() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..2.0f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE]),
    ]
}

fn counts() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0usize..400, 1 => prop::sample::select(vec![1 << 20, 1 << 32])]
}

fn phases() -> impl Strategy<Value = Phase> {
    prop::sample::select(Phase::ALL.to_vec())
}

fn states() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.to_vec())
}

/// Paths of the modules of the fixtures, and others.
fn paths() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0usize..3, prop::sample::select(vec!["query", "value"]))
            .prop_map(|(layer, kind)| format!("bert.encoder.layer.{layer}.attention.self.{kind}")),
        1 => ".{0,12}",
        1 => "[a-c.0-9]{0,9}",
    ]
}

fn ranks() -> impl Strategy<Value = Ranks> {
    prop::collection::btree_map(paths(), counts(), 0..5)
}

fn selection() -> impl Strategy<Value = Selection> {
    let values = prop::collection::vec(figures().prop_map(|x| x as f32), 0..10);
    prop::collection::btree_map(paths(), values, 0..5)
}

fn steps() -> impl Strategy<Value = Event> {
    (phases(), counts(), figures(), prop::option::of(figures()), prop::option::of(any::<u64>())).prop_map(
        |(phase, step, loss, other, tokens)| {
            Event::Step(Step {
                phase,
                step,
                train_loss: loss,
                validation_loss: other,
                lr: loss,
                selection_lr: other,
                tokens,
                grad_norm: other,
                direct_norm: other,
                mixed_norm: Some(loss),
            })
        },
    )
}

fn prepared() -> impl Strategy<Value = Event> {
    let modules = prop::collection::vec((paths(), counts(), counts()), 0..8);
    (modules, counts(), prop::option::of(figures()), ".{0,9}").prop_map(|(modules, count, threshold, text)| {
        let shape = |(path, inputs, outputs)| (path, ModuleShape { inputs, outputs });
        Event::Prepared {
            phase: Phase::Prepare,
            model: text.clone(),
            train_rows: count,
            validation_rows: count,
            test_rows: 0,
            truncated_rows: count,
            labels: vec![text.clone()],
            rank: count % 300,
            threshold,
            trainable_parameters: count,
            frozen_parameters: count,
            head_parameters: count,
            modules: modules.into_iter().map(shape).collect(),
            warmup_steps: count,
            task: text.clone(),
            metric: text,
            max_length: count,
        }
    })
}

fn machine() -> impl Strategy<Value = Event> {
    (phases(), any::<u64>(), figures(), counts(), prop::option::of(any::<u32>())).prop_map(
        |(phase, bytes, load, cores, percent)| {
            let gpu = percent.map(|percent| Gpu {
                name: "GPU".into(),
                used_bytes: bytes,
                total_bytes: bytes / 2,
                load_percent: Some(percent),
                temperature: Some(percent),
                power: Some(load),
                ..Gpu::default()
            });
            let machine = Machine {
                host_used_bytes: bytes,
                host_total_bytes: bytes / 3,
                load,
                cores,
                worker_cores: Some(load),
                gpu,
            };
            Event::Machine { phase, machine }
        },
    )
}

fn events() -> impl Strategy<Value = Event> {
    let metrics = || prop::collection::btree_map(".{0,9}", figures(), 0..4);
    prop_oneof![
        8 => steps(),
        6 => (counts(), selection(), ranks())
            .prop_map(|(step, modules, ranks)| Event::Selection(Selected { phase: Phase::Search, step, energy: modules.clone(), modules, ranks })),
        2 => prepared(),
        2 => machine(),
        2 => (phases(), counts(), prop::option::of(figures()))
            .prop_map(|(phase, total, epochs)| Event::Phase { phase, total, epochs }),
        2 => (phases(), counts(), counts(), figures()).prop_map(|(phase, step, total, rate)| Event::Progress {
            phase, step, total, rate, left_s: rate, rss_bytes: step as u64, device_bytes: Some(total as u64),
        }),
        1 => (counts(), counts(), figures())
            .prop_map(|(step, total, train_loss)| Event::Warmup { phase: Phase::Search, step, total, train_loss }),
        1 => (phases(), counts()).prop_map(|(phase, step)| Event::Resumed { phase, step }),
        1 => (ranks(), counts(), any::<bool>()).prop_map(|(ranks, parameters, undecided)| Event::Allocated {
            phase: Phase::Allocate, ranks, parameters, undecided, rule: "threshold".into(), terms: Default::default(),
        }),
        1 => prop::option::of(figures())
            .prop_map(|threshold| Event::Allocation { phase: Phase::Search, rule: Rule::Energy, threshold, budget: None }),
        1 => (phases(), ".{0,9}", metrics()).prop_map(|(phase, what, metrics)| Event::Evaluated { phase, what, metrics }),
        1 => (".{0,40}", ".{0,40}", ".{0,40}").prop_map(|(input, reference, output)| Event::Sample {
            phase: Phase::Evaluate, input, reference, output,
        }),
        1 => (phases(), ".{0,40}").prop_map(|(phase, message)| Event::Log { phase, level: "warning".into(), message }),
        1 => (phases(), counts()).prop_map(|(phase, step)| Event::Paused { phase, step }),
        1 => (phases(), counts(), ".{0,40}", ranks(), metrics()).prop_map(|(phase, step, error, ranks, metrics)| {
            Event::Failed {
                phase, step, run: String::new(), dir: String::new(), advice: error.clone(), error, ranks, metrics,
                timing: Timing::new(),
            }
        }),
        1 => (ranks(), metrics()).prop_map(|(ranks, metrics)| Event::Finished {
            phase: Phase::Export, run: String::new(), dir: String::new(), ranks, timing: metrics.clone(), metrics,
        }),
        1 => Just(Event::Unknown),
        1 => Just(Event::Inherited { phase: Phase::Search, run: rows()[3].id.clone(), dir: String::new() }),
        1 => (phases(), counts()).prop_map(|(phase, step)| Event::Checkpoint { phase, step }),
    ]
}

pub fn news() -> impl Strategy<Value = News> {
    let logs = || prop::collection::vec(events(), 0..12);
    let texts = prop::sample::select(vec![PRESET, "", "[lora]\nrank = 0\n", "[search]\nlr = 1\n[data]\nid = \"x\"\n"]);
    let what = prop_oneof![
        3 => prop::collection::vec((0usize..9, states(), counts()), 0..9).prop_map(What::Runs),
        2 => (prop::option::of(figures()), any::<bool>())
            .prop_map(|(away_s, has_settings)| What::Opened { away_s, has_settings }),
        2 => (logs(), states()).prop_map(|(log, state)| What::Glimpse(log, state)),
        1 => figures().prop_map(What::Reading),
        3 => (logs(), states(), prop::option::of(0usize..12))
            .prop_map(|(log, state, seen)| What::Filled(log, state, seen)),
        8 => (logs(), states()).prop_map(|(log, state)| What::Followed(log, state)),
        1 => (counts(), events()).prop_map(|(index, event)| What::Fetched(index, event)),
        2 => Just(What::Tick),
        1 => ".{0,40}".prop_map(What::Lost),
        1 => Just(What::Regained),
        1 => (0usize..3).prop_map(What::Presets),
        1 => texts.prop_map(|text| What::PresetOpened(text.into())),
        1 => "[a-z]{0,9}".prop_map(What::PresetSaved),
        1 => Just(What::PresetRenamed),
        1 => (0u64..4, 0usize..3).prop_map(|(edit, count)| What::Checked(edit, count)),
        1 => (0usize..3).prop_map(What::Refused),
        1 => Just(What::Started),
        1 => (0u64..4, any::<bool>()).prop_map(|(number, is_refused)| What::Preflight(number, is_refused)),
        1 => prop::sample::select(vec![What::Wrong, What::Differs, What::InTheWay, What::Annotated, What::Weighed(2)]),
        1 => (".{0,90}", any::<bool>()).prop_map(|(text, bad)| What::Said(text, bad)),
    ];
    (what, prop::bool::weighted(0.1)).prop_map(|(what, is_stray)| News { what, is_stray })
}

/// A log that goes on after the line with this number.
fn records(events: Vec<Event>, after: u64) -> Vec<Record> {
    let record = |(i, event)| Record { seq: after + i as u64, time: "2026-11-23T21:00:00.000Z".into(), event };
    events.into_iter().enumerate().map(record).collect()
}

fn problems(count: usize) -> Vec<Problem> {
    let keys = ["lora.rank", "data.train", "no.such.key"];
    let problem = |key: &&str| Problem {
        key: (*key).into(),
        place: Place::Unsaid,
        message: "is missing".into(),
        help: Some("say it".into()),
    };
    keys.iter().take(count).map(problem).collect()
}

fn doc(text: &str) -> Box<PresetDoc> {
    let source = Source { name: "demo".into(), text: text.into(), folder: None };
    Box::new(PresetDoc::open(&source).expect("the texts are TOML"))
}

impl News {
    /// What the program is told, in its present state.
    pub fn about(self, model: &Model) -> Msg {
        let shown = match model.watching() {
            Watching::Run(run) => Some(run),
            Watching::Several(runs) => runs.into_iter().next(),
            _ => None,
        };
        let run = shown.filter(|_| !self.is_stray).unwrap_or_else(|| rows()[1].id.clone());
        let last = model.monitor_shown().and_then(|monitor| monitor.view.last_seq).map_or(0, |seq| seq + 1);
        let view = |events: Vec<Event>| {
            let mut view = RunView::default();
            for record in records(events, 0) {
                view.apply_at(&record, Some(record.seq));
            }
            Box::new(view)
        };
        match self.what {
            What::Runs(changed) => {
                let mut all = rows();
                all.truncate(changed.len() + 1);
                let count = all.len();
                for (row, state, number) in changed {
                    let row = &mut all[row % count];
                    (row.state, row.step, row.total) = (state, number, number / 3);
                    row.place = (state == State::Queued).then_some(number);
                }
                Msg::Runs(all)
            }
            What::Opened { away_s, has_settings } => Msg::Opened(Box::new(Head {
                id: run,
                name: "demo".into(),
                settings: has_settings.then(Box::default),
                seen: away_s.map(|_| Seen { seq: 40, time: "2026-11-23T20:40:00.000Z".into() }),
                away_s,
                ..Head::default()
            })),
            What::Glimpse(events, state) => Msg::Glimpse { run, view: view(events), state },
            What::Reading(read) => Msg::Reading { run, read },
            What::Filled(events, state, seen) => {
                let then = seen.map(|seen| Then::of(&view(events.iter().take(seen).cloned().collect())));
                Msg::Filled { run, view: view(events), state, then }
            }
            What::Followed(events, state) => {
                let records = records(events, last);
                Msg::Followed { run, places: records.iter().map(|record| record.seq).collect(), records, state }
            }
            What::Fetched(index, event) => {
                let record = records(vec![event], 0).remove(0);
                Msg::Fetched { run, index, record: Box::new(record) }
            }
            What::Tick => Msg::Tick,
            What::Lost(error) => Msg::Lost { run, error },
            What::Regained => Msg::Regained { run },
            What::Presets(count) => Msg::Presets(preset_rows().into_iter().take(count).collect()),
            What::PresetOpened(text) => Msg::PresetOpened(doc(&text)),
            What::PresetSaved(name) => Msg::PresetSaved(name),
            What::PresetRenamed => Msg::PresetRenamed { from: "sst2".into(), to: "films".into() },
            What::Checked(edit, count) => Msg::Checked { edit, problems: problems(count) },
            What::Refused(count) => Msg::Refused(problems(count)),
            What::Started => Msg::Started { run },
            What::Wrong => Msg::Wrong(wrong()),
            What::Differs => Msg::Differs(difference("sst2")),
            What::InTheWay => Msg::InTheWay {
                title: "Write over",
                text: "It is there.".into(),
                then: Effect::DeletePreset("sst2".into()),
            },
            What::Weighed(count) => Msg::Weighed(rows().iter().take(count).map(|row| weight(&row.id)).collect()),
            What::Annotated => Msg::Annotated { run, notes: Box::new(Notes { star: true, ..Notes::default() }) },
            What::Preflight(number, is_refused) => {
                let card = if is_refused { refused() } else { card() };
                Msg::Preflight { number, stage: Stage::Done(Box::new(card)) }
            }
            What::Said(text, true) => Msg::Failed(text),
            What::Said(text, false) => Msg::Done(text),
        }
    }
}

/// Answers what the model asks for as a world would in which everything works.
pub fn answer(effect: Effect) -> Option<Msg> {
    let done = || Some(Msg::Done("done".into()));
    match effect {
        Effect::Start { .. } | Effect::Retrain { .. } | Effect::Begin { .. } => {
            Some(Msg::Started { run: rows()[0].id.clone() })
        }
        Effect::Pause(_) | Effect::Resume(_) | Effect::Stop(_) | Effect::Remove(_) => done(),
        Effect::ChooseAllocation { .. } | Effect::QueueFirst(_) | Effect::ExportRun { .. } => done(),
        Effect::Fetch { run, index, .. } => {
            let (modules, ranks) = Log::new().selection(index % 300);
            let event = Event::Selection(Selected {
                phase: Phase::Search,
                step: index,
                energy: modules.clone(),
                modules,
                ranks,
            });
            Some(Msg::Fetched { run, index, record: Box::new(records(vec![event], 0).remove(0)) })
        }
        Effect::LookAtAdapter(run) => Some(Msg::Adapter { run, files: adapter_files() }),
        Effect::Weigh(runs) => Some(Msg::Weighed(runs.iter().map(|run| weight(run)).collect())),
        Effect::Annotate { run, .. } => {
            let notes = Box::new(Notes { star: true, note: run.clone(), ..Notes::default() });
            Some(Msg::Annotated { run, notes })
        }
        Effect::OpenRerun(parent) => {
            let doc = Box::new(PresetDoc::empty("demo"));
            Some(Msg::RerunOpened { doc, name: "demo-2".into(), parent })
        }
        Effect::ListPresets | Effect::CopyPreset { .. } | Effect::DeletePreset(_) => Some(Msg::Presets(preset_rows())),
        Effect::OpenPreset(_) => Some(Msg::PresetOpened(doc(PRESET))),
        Effect::SavePreset { name, .. } => Some(Msg::PresetSaved(name)),
        Effect::RenamePreset { from, to } => Some(Msg::PresetRenamed { from, to }),
        Effect::ImportPreset { replace: false, file, name } => {
            let then = Effect::ImportPreset { file, name, replace: true };
            Some(Msg::InTheWay { title: "Replace", text: "There is one.".into(), then })
        }
        Effect::ExportPreset { .. } => Some(Msg::Wrong(wrong())),
        Effect::ImportPreset { .. } => done(),
        Effect::Compare(name) => Some(Msg::Differs(difference(&name))),
        Effect::Gather(ask) => Some(Msg::Gathered { found: found(&ask), ask }),
        Effect::Preflight { number, .. } => {
            let card = if number % 2 == 0 { refused() } else { card() };
            Some(Msg::Preflight { number, stage: Stage::Done(Box::new(card)) })
        }
        Effect::Check { edit, .. } => Some(Msg::Checked { edit, problems: Vec::new() }),
        Effect::Keep(_) | Effect::EndPreflight | Effect::Quit(_) | Effect::PutAside | Effect::Ring(_) => None,
    }
}
