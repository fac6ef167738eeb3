//! How other programs read an export: the same, something else, or not at all, and why.
//!
//! Computed from what is written, by the rules that those programs follow: PEFT 0.21 (`LoraLayer`, `get_pattern_key`), vLLM
//! (`lora/peft_helper.py`, `models/registry.py`, November 2025), llama.cpp (`convert_lora_to_gguf.py`, `llama-adapter.h`,
//! `conversion/bert.py`, 2026). Nothing is run here, and each line says so.

use crate::run::adapter::LoraConfig;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a program makes of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same logits, up to rounding.
    Same,
    /// It loads and computes something else.
    Different,
    /// It does not load.
    Refused,
}

impl Verdict {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Different => "different",
            Verdict::Refused => "refused",
        }
    }
}

/// A line of the passport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub runtime: &'static str,
    pub verdict: Verdict,
    pub why: String,
    /// What the line rests on.
    pub known_from: &'static str,
}

const PEFT: &str = "PEFT 0.21's source; tests/python/peft_parity.py compares logits";
const TRANSFORMERS: &str = "transformers' file format; tests/python/peft_parity.py compares logits";
const VLLM: &str = "vLLM's source, not run here";
const LLAMA: &str = "llama.cpp's source, not run here";

/// The task classes that vLLM builds itself, among those of this program.
const VLLM_CLASSES: [&str; 6] = [
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "ModernBertForSequenceClassification",
    "ModernBertForTokenClassification",
    "RobertaForSequenceClassification",
    "XLMRobertaForSequenceClassification",
];

/// The passport of an adapter whose `target_modules` are full paths. `encoder`: it is for an encoder, not for a model that
/// generates.
pub fn of_adapter(config: &LoraConfig, encoder: bool) -> Vec<Entry> {
    let modules = config.target_modules.len();
    let differs = |of: &dyn Fn(usize) -> f64| {
        let off = |path: &&String| (of(config.rank_of(path)) / config.scale_of(path) - 1.0).abs() > 1e-9;
        config.target_modules.iter().filter(off).count()
    };
    // One scale for all modules.
    let in_vllm = differs(&|_| config.alpha / config.rank as f64);
    // One alpha for all modules, over the rank of the tensor.
    let in_llama = differs(&|rank| config.alpha / rank as f64);
    let stored = config.modules_to_save.join(", ");
    let peft = Entry {
        runtime: "PEFT",
        verdict: Verdict::Same,
        why: format!(
            "lora_alpha / r of each of {modules} modules through both patterns; {}",
            match stored.as_str() {
                "" => "no module is stored whole".to_string(),
                stored => format!("{stored} through modules_to_save"),
            }
        ),
        known_from: PEFT,
    };
    let refusals = [
        (!stored.is_empty()).then(|| format!("it takes no modules_to_save, and the head ({stored}) is one")),
        encoder.then(|| "its encoder classes take no LoRA".to_string()),
    ];
    let vllm = judged("vLLM", refusals, in_vllm, modules, "it scales all modules by one lora_alpha / r", VLLM);
    let refusals = [
        (!stored.is_empty())
            .then(|| format!("its converter ends at a tensor that is neither A nor B, and the head ({stored}) is one")),
        None,
    ];
    let llama =
        judged("llama.cpp", refusals, in_llama, modules, "it divides one lora_alpha by each module's own rank", LLAMA);
    vec![peft, vllm, llama]
}

fn judged(
    runtime: &'static str,
    refusals: [Option<String>; 2],
    off: usize,
    modules: usize,
    rule: &str,
    known_from: &'static str,
) -> Entry {
    let scales = match off {
        0 => format!("{rule}, which is the scale of all {modules} modules"),
        off => format!("{rule}, which is another scale in {off} of {modules} modules"),
    };
    let refusals: Vec<String> = refusals.into_iter().flatten().collect();
    let (verdict, why) = match (refusals.is_empty(), off) {
        (false, 0) => (Verdict::Refused, refusals.join("; ")),
        (false, _) => (Verdict::Refused, format!("{}; if it loaded: {scales}", refusals.join("; "))),
        (true, 0) => (Verdict::Same, scales),
        (true, _) => (Verdict::Different, scales),
    };
    Entry { runtime, verdict, why, known_from }
}

/// The passport of a merged model of `architecture`.
pub fn of_model(architecture: &str) -> Vec<Entry> {
    let entry = |runtime, verdict, why: String, known_from| Entry { runtime, verdict, why, known_from };
    if architecture.ends_with("ForCausalLM") || architecture == "GPT2LMHeadModel" {
        let loads = || format!("{architecture} is one of its models; no adapter is left to load");
        return vec![
            entry("transformers", Verdict::Same, loads(), TRANSFORMERS),
            entry("vLLM", Verdict::Same, loads(), VLLM),
            entry("llama.cpp", Verdict::Same, loads(), LLAMA),
        ];
    }
    let transformers = format!("{architecture}.from_pretrained; no adapter is left to load");
    let vllm = if VLLM_CLASSES.contains(&architecture) {
        entry("vLLM", Verdict::Same, format!("it serves {architecture} (task classify or token_classify)"), VLLM)
    } else {
        entry("vLLM", Verdict::Refused, format!("it has no {architecture} of its own"), VLLM)
    };
    let llama = if architecture.ends_with("ForSequenceClassification") {
        let why =
            "its converter reads the classes of a head for ranking texts; labels and scores of others are not shown";
        entry("llama.cpp", Verdict::Different, why.into(), LLAMA)
    } else {
        entry("llama.cpp", Verdict::Refused, format!("its converter knows no {architecture}"), LLAMA)
    };
    vec![entry("transformers", Verdict::Same, transformers, TRANSFORMERS), vllm, llama]
}

/// `passport.json`.
pub fn to_json(entries: &[Entry]) -> serde_json::Value {
    let by_runtime: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.runtime, entry)).collect();
    serde_json::json!({"runtimes": by_runtime})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::adapter::pattern::Pattern;

    const RANKS: [(&str, usize); 3] = [("m.0.q", 2), ("m.0.v", 5), ("m.1.q", 2)];

    /// The configuration of these ranks with an alpha for each rank, and the verdicts on it by runtime.
    fn verdicts(alpha: impl Fn(usize) -> f64, ranks: &[(&str, usize)], head: bool, encoder: bool) -> Vec<Verdict> {
        let alphas: Vec<(&str, f64)> = ranks.iter().map(|(path, rank)| (*path, alpha(*rank))).collect();
        let config = LoraConfig {
            rank: 2,
            alpha: alpha(2),
            target_modules: ranks.iter().map(|(path, _)| path.to_string()).collect(),
            rank_pattern: Pattern::of_modules(ranks, 2),
            alpha_pattern: Pattern::of_modules(&alphas, alpha(2)),
            modules_to_save: if head { vec!["classifier".into()] } else { Vec::new() },
            ..LoraConfig::default()
        };
        of_adapter(&config, encoder).iter().map(|entry| entry.verdict).collect()
    }

    #[test]
    fn the_scales_decide_where_nothing_is_refused() {
        use Verdict::{Different, Same};
        let causal = |alpha: fn(usize) -> f64, ranks: &[(&str, usize)]| verdicts(alpha, ranks, false, false);
        // lora_alpha / rank: vLLM divides by the one r, llama.cpp by each rank as PEFT does.
        assert_eq!(causal(|_| 16.0, &RANKS), [Same, Different, Same]);
        // A constant scale: vLLM has just that, llama.cpp one alpha.
        assert_eq!(causal(|rank| 2.0 * rank as f64, &RANKS), [Same, Same, Different]);
        // Folded: the scale is 1 everywhere for PEFT and vLLM; llama.cpp still divides one alpha by each rank.
        assert_eq!(causal(|rank| rank as f64, &RANKS), [Same, Same, Different]);
        assert_eq!(causal(|rank| rank as f64, &RANKS[..1]), [Same, Same, Same]);
    }

    #[test]
    fn heads_and_encoders_are_refused_whatever_the_scales() {
        use Verdict::{Refused, Same};
        let of = |head, encoder| verdicts(|rank| rank as f64, &RANKS[..1], head, encoder);
        assert_eq!(of(true, true), [Same, Refused, Refused]);
        assert_eq!(of(false, true), [Same, Refused, Same]);
        assert_eq!(of(true, false), [Same, Refused, Refused]);
    }

    #[test]
    fn a_merged_model_is_served_where_its_class_is_known() {
        let of = |class| of_model(class).iter().map(|entry| entry.verdict).collect::<Vec<_>>();
        use Verdict::{Different, Refused, Same};
        assert_eq!(of("RobertaForSequenceClassification"), [Same, Same, Different]);
        assert_eq!(of("DebertaV2ForTokenClassification"), [Same, Refused, Refused]);
    }
}
