//! The adapter that a run has learned, as PEFT holds it: natively, or with the scale folded into B.

use super::ExportError;
use super::facts::{Facts, task_type};
use crate::experiment::ScaleRule;
use crate::model::Weights;
use crate::model::decoder::PARTS;
use crate::model::head::saved_module;
use crate::model::lora::{a_name, b_name};
use crate::run::adapter::pattern::Pattern;
use crate::run::adapter::{Adapter, LoraConfig};
use crate::run::directory::RunDir;
use crate::run::event::ModuleShape;
use crate::train::problem::retrain_scales;
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Where the scale of a module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// In the configuration, lora_alpha over rank.
    Native,
    /// In B: lora_alpha equals the rank of every module.
    Folded,
}

impl Scale {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Native => "native",
            Scale::Folded => "folded",
        }
    }
}

/// A module's share of the adapter.
#[derive(Clone, Debug)]
pub struct Module {
    pub path: String,
    pub shape: ModuleShape,
    pub rank: usize,
    /// What B A is multiplied by; 0 for rank 0.
    pub scale: f64,
    /// Made of the modules of its parts, whose scales are in its B.
    pub joined: bool,
}

/// What a run has learned.
pub struct Learned {
    pub facts: Facts,
    /// In the order of the model.
    pub modules: Vec<Module>,
    /// A, B and head, named as in PEFT without `base_model.model.`; f32 on the CPU.
    pub weights: Weights,
}

impl Learned {
    /// Facts and the trained weights.
    ///
    /// # Errors
    /// Weights that cannot be brought to the CPU.
    pub fn new(facts: Facts, weights: &Weights) -> Result<Learned, ExportError> {
        let ranks: Vec<usize> = facts.ranks_in_order().into_iter().map(|(_, rank)| rank).collect();
        let scales = retrain_scales(facts.experiment.retrain.scale, &facts.experiment.lora, &ranks);
        let modules = facts.modules.iter().zip(ranks).zip(scales);
        let module = |(((path, shape), rank), scale): ((&(String, ModuleShape), usize), f64)| Module {
            path: path.clone(),
            shape: shape.clone(),
            rank,
            scale,
            joined: false,
        };
        let modules = modules.map(module).collect();
        let on_cpu = |(name, tensor): (&String, &Tensor)| {
            Ok((name.clone(), tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?))
        };
        let weights = weights.iter().map(on_cpu).collect::<candle_core::Result<Weights>>()?;
        let (modules, weights) = joined(modules, weights)?;
        Ok(Learned { facts, modules, weights })
    }

    /// What a run wrote to its own `adapter/`. Factors of rank 0, which that holds where all ranks are 0, are left out.
    ///
    /// # Errors
    /// [`ExportError::NotYet`] where there is none; files that cannot be read or do not fit the run.
    pub fn of_run(dir: &RunDir) -> Result<Learned, ExportError> {
        if !dir.adapter_path().is_dir() {
            let state = crate::run::state::state(dir)?;
            return Err(ExportError::NotYet { run: dir.id().into(), state });
        }
        let facts = Facts::of(dir)?;
        let mut adapter = Adapter::read(&dir.adapter_path())?;
        for (path, _) in facts.ranks_in_order().into_iter().filter(|(_, rank)| *rank == 0) {
            adapter.tensors.remove(&a_name(path));
            adapter.tensors.remove(&b_name(path));
        }
        let learned = Learned::new(facts, &adapter.tensors)?;
        learned.check(&adapter.file)?;
        Ok(learned)
    }

    /// Every module of a rank has its factors, and there are no others.
    fn check(&self, file: &str) -> Result<(), ExportError> {
        let factors = self.weights.keys().filter(|name| name.contains(".lora_")).count();
        let whole = |module: &&Module| {
            let shape = |name: String| self.weights.get(&name).map(|tensor| tensor.dims().to_vec());
            let ModuleShape { inputs, outputs } = module.shape;
            shape(a_name(&module.path)) == Some(vec![module.rank, inputs])
                && shape(b_name(&module.path)) == Some(vec![outputs, module.rank])
        };
        let present: Vec<&Module> = self.present().collect();
        let missing = present.iter().find(|module| !whole(module));
        if let Some(module) = missing {
            let problem = format!("{} has not the factors of rank {} that the run allocated", module.path, module.rank);
            return Err(ExportError::Changed { file: file.into(), problem });
        }
        if factors != 2 * present.len() {
            let problem = format!("it has {factors} factors where the run has {}", 2 * present.len());
            return Err(ExportError::Changed { file: file.into(), problem });
        }
        Ok(())
    }

    /// The modules with a rank.
    pub fn present(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|module| module.rank > 0)
    }

    /// A and B of a module with a rank.
    pub fn factors(&self, module: &Module) -> Option<(&Tensor, &Tensor)> {
        Some((self.weights.get(&a_name(&module.path))?, self.weights.get(&b_name(&module.path))?))
    }

    /// The tensors that are no factors: the head.
    pub fn head(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.weights.iter().filter(|(name, _)| !name.contains(".lora_"))
    }

    /// The modules as an adapter has them: those with a rank; where there is none, the first with rank 1 and factors 0,
    /// since PEFT refuses an adapter without modules.
    fn written(&self) -> Vec<Module> {
        let present: Vec<Module> = self.present().cloned().collect();
        if !present.is_empty() {
            return present;
        }
        self.modules.iter().take(1).map(|module| Module { rank: 1, scale: 1.0, ..module.clone() }).collect()
    }

    /// PEFT's configuration: r and lora_alpha of the commonest rank, the others in the patterns under full module paths.
    pub fn config(&self, scale: Scale) -> LoraConfig {
        let written = self.written();
        let lora = &self.facts.experiment.lora;
        let commonest = commonest(written.iter().map(|module| module.rank)).unwrap_or(lora.rank);
        let alpha = |module: &Module| match (scale, self.facts.experiment.retrain.scale) {
            _ if module.joined => module.rank as f64,
            (Scale::Folded, _) => module.rank as f64,
            (_, ScaleRule::AlphaOverRank) => lora.alpha,
            (_, ScaleRule::Constant) => lora.alpha / lora.rank as f64 * module.rank as f64,
        };
        let usual = written.iter().find(|module| module.rank == commonest).map_or(lora.alpha, alpha);
        let ranks: Vec<(&str, usize)> = written.iter().map(|module| (module.path.as_str(), module.rank)).collect();
        let alphas: Vec<(&str, f64)> = written.iter().map(|module| (module.path.as_str(), alpha(module))).collect();
        LoraConfig {
            base_model: Some(self.facts.experiment.model.id.clone()),
            revision: self.facts.commit.clone(),
            task_type: Some(task_type(self.facts.experiment.data.task).into()),
            rank: commonest,
            alpha: usual,
            dropout: lora.dropout,
            target_modules: written.iter().map(|module| module.path.clone()).collect(),
            modules_to_save: self.saved_modules(),
            rank_pattern: Pattern::of_modules(&ranks, commonest),
            alpha_pattern: Pattern::of_modules(&alphas, usual),
            fan_in_fan_out: written.iter().any(|module| is_conv1d(&module.path)),
            inference_mode: true,
            ..LoraConfig::default()
        }
    }

    /// The modules that are stored whole, as PEFT's `modules_to_save` names them.
    fn saved_modules(&self) -> Vec<String> {
        let modules: BTreeSet<&str> = self.head().map(|(name, _)| saved_module(name)).collect();
        modules.into_iter().map(str::to_owned).collect()
    }

    /// The tensors of the adapter, without PEFT's prefix.
    ///
    /// # Errors
    /// Those of candle.
    pub fn tensors(&self, scale: Scale) -> candle_core::Result<Weights> {
        let mut tensors = self.weights.clone();
        for module in self.written() {
            let (a, b) = (a_name(&module.path), b_name(&module.path));
            let ModuleShape { inputs, outputs } = module.shape;
            match tensors.get(&b) {
                None => {
                    tensors.insert(a, Tensor::zeros((1, inputs), DType::F32, &Device::Cpu)?);
                    tensors.insert(b, Tensor::zeros((outputs, 1), DType::F32, &Device::Cpu)?);
                }
                Some(factor) if scale == Scale::Folded && !module.joined => {
                    let folded = (factor.to_dtype(DType::F64)? * module.scale)?.to_dtype(DType::F32)?;
                    tensors.insert(b, folded);
                }
                Some(_) => {}
            }
        }
        Ok(tensors)
    }
}

/// Whether a module is one of GPT-2's layers, which are stored as (in, out). No other model calls its layers so.
pub fn is_conv1d(path: &str) -> bool {
    path.starts_with("transformer.h.")
}

/// Modules that are parts of a layer (of GPT-2's `c_attn`) as one module of that layer, as PEFT can hold it: A of the parts
/// one above the other, B a block for each with its scale in it. `weights` may have it so already.
fn joined(modules: Vec<Module>, mut weights: Weights) -> candle_core::Result<(Vec<Module>, Weights)> {
    let whole = |path: &str| {
        let (stem, part) = path.rsplit_once('.')?;
        let place = PARTS.iter().position(|known| *known == part)?;
        stem.ends_with(".c_attn").then(|| (stem.to_owned(), place))
    };
    let mut all: Vec<Module> = Vec::new();
    let mut parts: BTreeMap<String, Vec<(usize, Module)>> = BTreeMap::new();
    for module in modules {
        let Some((stem, place)) = whole(&module.path) else {
            all.push(module);
            continue;
        };
        let ModuleShape { inputs, outputs } = module.shape;
        match all.iter_mut().find(|joined| joined.path == stem) {
            Some(joined) => joined.rank += module.rank,
            None => {
                let shape = ModuleShape { inputs, outputs: PARTS.len() * outputs };
                all.push(Module { path: stem.clone(), shape, rank: module.rank, scale: 1.0, joined: true });
            }
        }
        parts.entry(stem).or_default().push((place, module));
    }
    for (stem, parts) in parts {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (place, module) in parts {
            let factors = (weights.remove(&a_name(&module.path)), weights.remove(&b_name(&module.path)));
            let (Some(of_a), Some(of_b)) = factors else { continue };
            let outputs = module.shape.outputs;
            let scaled = (of_b.to_dtype(DType::F64)? * module.scale)?.to_dtype(DType::F32)?;
            b.push(scaled.pad_with_zeros(0, place * outputs, (PARTS.len() - 1 - place) * outputs)?);
            a.push(of_a);
        }
        if !a.is_empty() {
            weights.insert(a_name(&stem), Tensor::cat(&a, 0)?);
            weights.insert(b_name(&stem), Tensor::cat(&b, 1)?.contiguous()?);
        }
    }
    for module in all.iter_mut().filter(|module| module.joined && module.rank == 0) {
        module.scale = 0.0;
    }
    Ok((all, weights))
}

/// The value that occurs most often, the largest of several.
fn commonest(values: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(value, count)| (*count, *value)).map(|(value, _)| value)
}
