//! A trained adapter scored once more, by the phase that scored it first.

use super::evaluate::evaluate;
use super::job::{ADAPTER, Fault, Job, check_inputs};
use super::prepare::prepare;
use super::state::{Carried, Tensors};
use crate::model::Weights;
use crate::run::checkpoint::Checkpoint;
use crate::run::event::{Phase, Ranks, Timing};
use crate::run::worker::{Context, JobEnd, JobError, JobResult};
use candle_core::Device;
use std::collections::BTreeMap;

/// What retraining came to.
pub struct Trained {
    /// Factors and head.
    pub weights: Weights,
    pub ranks: Ranks,
    /// SHA-256 of what the run read, by setting.
    pub inputs: BTreeMap<String, String>,
}

impl Trained {
    /// What a checkpoint holds; none from before the end of retraining.
    ///
    /// # Errors
    /// A checkpoint that cannot be understood.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Trained>, Fault> {
        let weights = Tensors::of(checkpoint).take(ADAPTER, &Device::Cpu)?;
        let Carried { ranks, inputs, .. } = serde_json::from_value(checkpoint.meta.clone())?;
        Ok((!weights.is_empty()).then_some(Trained { weights, ranks, inputs }))
    }
}

/// Prepares what the run prepared, and scores what it trained.
///
/// # Errors
/// Whatever would end the phase, and data or a model that are not what the run read.
pub fn evaluate_again(ctx: &mut Context, trained: &Trained) -> JobResult {
    scored(ctx, trained).map_err(|fault| JobError::new(Phase::Evaluate, 0, fault.message, fault.advice))
}

fn scored(ctx: &mut Context, trained: &Trained) -> Result<JobEnd, Fault> {
    let prepared = prepare(ctx)?;
    check_inputs(&trained.inputs, &prepared.inputs)?;
    if prepared.test.is_none() {
        return Err(Fault {
            message: "the run has no held-out rows: data.test is not given".into(),
            advice: "autolora rerun makes a run with other settings".into(),
        });
    }
    let device = &prepared.problem.device;
    let on_device = |(name, tensor): (&String, &candle_core::Tensor)| Ok((name.clone(), tensor.to_device(device)?));
    let weights = trained.weights.iter().map(on_device).collect::<candle_core::Result<Weights>>()?;
    let mut job = Job::new(ctx);
    job.carried.ranks.clone_from(&trained.ranks);
    job.adapter = Some(weights);
    match evaluate(&mut job, &prepared, None)? {
        None => {
            let (ranks, metrics) = (job.carried.ranks, job.carried.metrics);
            Ok(JobEnd::Finished { ranks, metrics, timing: Timing::new() })
        }
        Some(_) => Err(Fault::said("interrupted")),
    }
}
