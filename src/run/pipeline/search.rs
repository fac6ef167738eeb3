//! `search` and `allocate`: the bilevel search over D_tr and D_val, then one rank per module.

use super::init_from;
use super::job::{End, Fault, Job, Progressed};
use super::prepare::Prepared;
use super::progress::Pace;
use super::room::Work;
use super::state::Tensors;
use crate::data::Rows;
use crate::data::random;
use crate::data::sampler::Sampler;
use crate::experiment::Experiment;
use crate::model::{DropoutRates, Weights, kept_in};
use crate::ops::rounds_operands;
use crate::run::event::{AllTerms, Energy, Event, Phase, Selected, Selection, Step, Terms};
use crate::search::allocation::{self, Module};
use crate::search::hypergradient::{passes, perturbation};
use crate::search::lower::LowerLevel;
use crate::search::selection::values;
use crate::search::stability::Settling;
use crate::search::step::{DropoutKeys, Report, Rules, SearchState};
use crate::train::optimizer::{Adam, AdamConfig};
use candle_core::{DType, Tensor};
use rand_chacha::rand_core::Rng;

pub(super) fn rules(job: &Job, prepared: &Prepared) -> Rules {
    let Experiment { search: settings, runtime, .. } = job.ctx.experiment();
    let rounds = rounds_operands(kept_in(runtime.precision), &prepared.problem.device);
    Rules {
        hypergradient: settings.hypergradient,
        selection: settings.selection,
        weights_lr: settings.weights.lr,
        selection_lr: settings.selection_optimizer.lr,
        epsilon: settings.epsilon.unwrap_or_else(|| perturbation(rounds)),
        clip_norm: settings.clip_norm,
    }
}

fn optimizers(job: &Job) -> (AdamConfig, AdamConfig) {
    let (w, b) = (&job.ctx.experiment().search.weights, &job.ctx.experiment().search.selection_optimizer);
    (AdamConfig::new(w.optimizer, w.betas, w.weight_decay), AdamConfig::new(b.optimizer, b.betas, b.weight_decay))
}

pub(super) fn initial(job: &mut Job, prepared: &Prepared) -> Result<SearchState, Fault> {
    let (task, lora) = (&prepared.problem, job.ctx.experiment().lora.clone());
    let (seed, rank) = (job.ctx.experiment().runtime.seed, lora.rank);
    let weights = match &lora.init_from {
        Some(folder) => {
            let head = task.model.head_shapes();
            let (weights, said) = init_from::load(folder, &lora, &task.modules, &head, &task.device)?;
            for message in said {
                job.say(Phase::Search, "warning", format!("lora.init_from: {message}"))?;
            }
            weights
        }
        None => {
            let mut weights = task.fresh_factors(&vec![rank; task.modules.len()], seed, "init/search")?;
            weights.extend(task.model.initial_head(seed, "init/search/head")?);
            weights
        }
    };
    let (for_weights, for_selection) = optimizers(job);
    Ok(SearchState {
        weights,
        beta: Tensor::zeros((task.modules.len(), rank), DType::F32, &task.device)?,
        weights_optimizer: Adam::new(for_weights),
        selection_optimizer: Adam::new(for_selection),
    })
}

const BETA: &str = "beta";
/// What the search trains, where its tokens are counted.
const TOKENS: &str = "search";

fn save(job: &mut Job, state: &SearchState, step: usize) -> Result<(), Fault> {
    let mut tensors = Tensors::default();
    tensors.put("weights", &state.weights);
    tensors.put("selection", &Weights::from([(BETA.into(), state.beta.clone())]));
    tensors.put_adam("weights-optimizer", &state.weights_optimizer, &mut job.carried);
    tensors.put_adam("selection-optimizer", &state.selection_optimizer, &mut job.carried);
    job.save(tensors, Phase::Search, step)
}

fn restore(job: &Job, prepared: &Prepared, tensors: &Tensors) -> Result<SearchState, Fault> {
    let device = &prepared.problem.device;
    let (for_weights, for_selection) = optimizers(job);
    let beta = tensors.take("selection", device)?.remove(BETA);
    Ok(SearchState {
        weights: tensors.take("weights", device)?,
        beta: beta.ok_or_else(|| Fault::said("the checkpoint holds no selection logits"))?,
        weights_optimizer: tensors.take_adam("weights-optimizer", for_weights, &job.carried, device)?,
        selection_optimizer: tensors.take_adam("selection-optimizer", for_selection, &job.carried, device)?,
    })
}

/// Searches to the end, or to a request; allocates. `from`: steps done and state, where a checkpoint has them.
pub fn search(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let experiment = job.ctx.experiment().clone();
    let (seed, settings) = (experiment.runtime.seed, &experiment.search);
    let sampler = |rows: &Rows, purpose| Sampler::of(rows, settings.batch_size, &experiment, purpose);
    let mut train = sampler(&prepared.train, "batches/search/train");
    let mut validation = sampler(&prepared.validation, "batches/search/validation");
    let warmup = settings.warmup_steps;
    let steps = settings.steps.unwrap_or_else(|| train.steps(settings.epochs)).max(1);
    let (mut done, mut state) = match from {
        Some((done, tensors)) => (job.carried.warmed_up + done, restore(job, prepared, &tensors)?),
        None => {
            job.carried.tokens.insert(TOKENS.into(), 0);
            job.carried.stability = Settling::default();
            (0, initial(job, prepared)?)
        }
    };
    let objective = LowerLevel {
        problem: &prepared.problem,
        scales: vec![experiment.lora.alpha / experiment.lora.rank as f64; prepared.problem.modules.len()],
        dropout: DropoutRates::everywhere(experiment.lora.dropout, experiment.model.dropout.unwrap_or(0.0)),
    };
    let rules = rules(job, prepared);
    job.enter_epochs(Phase::Search, steps, train.epochs(steps))?;
    let mut pace = Pace::new(Phase::Search, done, (warmup, steps), experiment.runtime.checkpoint_every)
        .costing(passes(settings.hypergradient) as f64)
        .expecting(job.carried.rates.get(Phase::Search.name()).copied());
    if let Some(event) = pace.first_word() {
        job.ctx.emit(event)?;
    }
    while done < warmup + steps {
        job.carried.warmed_up = done.min(warmup);
        if let Some(request) = job.ctx.request() {
            job.carried.expect_rate(Phase::Search.name(), pace.rate());
            let step = done.saturating_sub(warmup);
            save(job, &state, step)?;
            return Ok(Some(End::requested(request, Phase::Search, step)));
        }
        let rows = train.indices(done);
        let training = (Phase::Search, Work::Training);
        let key = |purpose: &str| Some(random::stream(seed, purpose, done as u64).next_u64());
        let weights = key("dropout/search/weights");
        if done < warmup {
            let report = job.step_in_room(training, rows.len(), &mut state, |state, most| {
                let tb = prepared.problem.parts(&prepared.train, &rows, most)?;
                state.weights_step(&rules, &objective, &tb, weights)
            })?;
            job.check_loss(Phase::Search, 0, "training", report.train_loss, rules.weights_lr)?;
            let train_loss = report.train_loss;
            job.ctx.emit(Event::Warmup { phase: Phase::Search, step: done + 1, total: warmup, train_loss })?;
        } else {
            let step = done - warmup;
            let validation = validation.indices(step);
            let keys = DropoutKeys { hypergradient: key("dropout/search/replayed"), weights };
            let report = job.step_in_room(training, rows.len().max(validation.len()), &mut state, |state, most| {
                let tb = prepared.problem.parts(&prepared.train, &rows, most)?;
                let vb = prepared.problem.parts(&prepared.validation, &validation, most)?;
                state.step(&rules, &objective, &tb, &vb, keys)
            })?;
            job.count_tokens(TOKENS, &prepared.train, &rows);
            if let Some(reason) = log_step(job, prepared, &state, &rules, &report, (step + 1, steps))? {
                job.say(Phase::Search, "info", format!("the search ends at step {} of {steps}: {reason}", step + 1))?;
                job.ctx.emit(Event::Stable { phase: Phase::Search, step: step + 1, reason })?;
                break;
            }
        }
        done += 1;
        if let Some(event) = pace.tick(done) {
            job.ctx.emit(event)?;
        }
        if pace.save_due() {
            job.carried.expect_rate(Phase::Search.name(), pace.rate());
            job.carried.warmed_up = done.min(warmup);
            save(job, &state, done.saturating_sub(warmup))?;
        }
    }
    allocate(job, prepared, &state, &rules)?;
    Ok(None)
}

/// Logs a step; gives the reason to end the search here, where `search.stop_when_stable` finds one.
fn log_step(
    job: &mut Job,
    prepared: &Prepared,
    state: &SearchState,
    rules: &Rules,
    report: &Report,
    (step, steps): (usize, usize),
) -> Result<Option<String>, Fault> {
    let moved = report.selection.as_ref();
    let validation_loss = moved.map(|moved| moved.validation_loss);
    job.check_loss(Phase::Search, step, "training", report.train_loss, rules.weights_lr)?;
    job.check_loss(Phase::Search, step, "validation", validation_loss.unwrap_or(0.0), rules.weights_lr)?;
    if moved.is_some_and(|moved| moved.skipped) {
        let message = format!("step {step}: the hypergradient is not finite; the selection variables stay");
        job.say(Phase::Search, "warning", message)?;
    }
    if step % job.ctx.experiment().runtime.log_every != 0 && step != steps {
        return Ok(None);
    }
    job.ctx.emit(Event::Step(Step {
        validation_loss,
        selection_lr: Some(rules.selection_lr),
        tokens: job.carried.tokens.get(TOKENS).copied(),
        grad_norm: Some(report.grad_norm),
        direct_norm: moved.map(|moved| moved.direct_norm),
        mixed_norm: moved.and_then(|moved| moved.mixed_norm),
        ..Step::new(Phase::Search, step, report.train_loss, rules.weights_lr)
    }))?;
    let (modules, ranks) = terms(job, prepared, state, rules)?;
    let alpha: Vec<Vec<f32>> = values(rules.selection, &state.beta)?.to_vec2()?;
    // A module whose logits never moved has no rank yet: "undecided" is not rank k.
    let decided: Vec<Option<usize>> =
        modules.iter().zip(ranks).map(|(module, rank)| (!module.undecided()).then_some(rank)).collect();
    let settings = job.ctx.experiment();
    let (patience, may_stop) = (settings.search.stable_steps, settings.search.stop_when_stable);
    let line = allocation::line_of(&settings.allocation, settings.lora.rank);
    let stability = job.carried.stability.observe((step, steps), patience, &decided, &alpha, line);
    let paths = || modules.iter().map(|module| module.path.clone());
    let selection: Selection = paths().zip(alpha).collect();
    let energy: Energy = paths().zip(modules.iter().map(|m| m.energy.iter().map(|e| *e as f32).collect())).collect();
    let ranks = paths().zip(decided).filter_map(|(path, rank)| Some((path, rank?))).collect();
    job.ctx.emit(Event::Selection(Selected { phase: Phase::Search, step, modules: selection, ranks, energy }))?;
    let stops = may_stop && step < steps && stability.verdict.is_safe();
    Ok(stops.then(|| stability.verdict.reason(|module| modules[module].path.clone())))
}

/// Every module's terms, and the ranks that the rule gives them now.
fn terms(
    job: &Job,
    prepared: &Prepared,
    state: &SearchState,
    rules: &Rules,
) -> Result<(Vec<Module>, Vec<usize>), Fault> {
    let settings = job.ctx.experiment();
    let alpha = values(rules.selection, &state.beta)?;
    let scale = settings.lora.alpha / settings.lora.rank as f64;
    let modules = allocation::modules(&prepared.problem.modules, &state.weights, &alpha, &state.beta, scale)?;
    let chosen = &settings.allocation;
    let ranks = allocation::allocate(chosen.rule, chosen.threshold, chosen.budget, &modules);
    Ok((modules, ranks))
}

fn allocate(job: &mut Job, prepared: &Prepared, state: &SearchState, rules: &Rules) -> Result<(), Fault> {
    job.enter(Phase::Allocate, 0)?;
    let (modules, _) = terms(job, prepared, state, rules)?;
    settle(job, prepared, modules)
}

/// One rank per module from the search of another run.
pub fn allocate_inherited(job: &mut Job, prepared: &Prepared, terms: &AllTerms) -> Result<(), Fault> {
    job.enter(Phase::Allocate, 0)?;
    let module = |(path, inputs, outputs): &(String, usize, usize)| {
        let Terms { alpha, beta, energy } =
            terms.get(path).cloned().ok_or_else(|| Fault::said(format!("the search that was taken has no {path}")))?;
        Ok(Module { path: path.clone(), inputs: *inputs, outputs: *outputs, alpha, beta, energy })
    };
    let modules = prepared.problem.modules.iter().map(module).collect::<Result<Vec<Module>, Fault>>()?;
    settle(job, prepared, modules)
}

fn settle(job: &mut Job, prepared: &Prepared, modules: Vec<Module>) -> Result<(), Fault> {
    // The last moment for another choice.
    job.ctx.heed_allocation()?;
    let chosen = job.ctx.experiment().allocation.clone();
    let ranks = allocation::allocate(chosen.rule, chosen.threshold, chosen.budget, &modules);
    let undecided = modules.iter().filter(|module| module.undecided()).count();
    if undecided > 0 {
        let message = format!(
            "undecided: the selection variables of {undecided} of {} modules never moved; their rank says nothing. \
             A longer search or a higher search.selection_optimizer.lr may help",
            modules.len()
        );
        job.say(Phase::Allocate, "warning", message)?;
    }
    let parameters = prepared.problem.lora_parameters(&ranks);
    job.carried.undecided = undecided == modules.len();
    job.carried.ranks = modules.iter().zip(&ranks).map(|(module, rank)| (module.path.clone(), *rank)).collect();
    job.carried.metrics.insert("lora_parameters".into(), parameters as f64);
    job.carried.metrics.insert("mean_rank".into(), ranks.iter().sum::<usize>() as f64 / ranks.len().max(1) as f64);
    let event = Event::Allocated {
        phase: Phase::Allocate,
        ranks: job.carried.ranks.clone(),
        parameters,
        undecided: job.carried.undecided,
        rule: chosen.rule.to_string(),
        terms: modules
            .into_iter()
            .map(|Module { path, alpha, beta, energy, .. }| (path, Terms { alpha, beta, energy }))
            .collect(),
    };
    Ok(job.ctx.emit(event)?)
}
