//! `config.json` of the decoders that are built here: one description of all of them, in which the families differ by
//! values alone.

mod gpt2;
mod llama;
mod rope;

use super::check_size;
use crate::model::ModelError;
use crate::model::activation::Activation;
use crate::model::pass::DropoutRates;
pub use rope::RopeRule;
use serde_json::Value;

/// Families of decoders, by their `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderFamily {
    Gpt2,
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
    SmolLm3,
    Gemma,
    Gemma2,
    Gemma3,
    Phi3,
}

impl DecoderFamily {
    /// All of them.
    pub const ALL: [DecoderFamily; 10] = [
        DecoderFamily::Gpt2,
        DecoderFamily::Llama,
        DecoderFamily::Mistral,
        DecoderFamily::Qwen2,
        DecoderFamily::Qwen3,
        DecoderFamily::SmolLm3,
        DecoderFamily::Gemma,
        DecoderFamily::Gemma2,
        DecoderFamily::Gemma3,
        DecoderFamily::Phi3,
    ];

    /// `model_type` in a config.json.
    pub fn model_type(self) -> &'static str {
        match self {
            DecoderFamily::Gpt2 => "gpt2",
            DecoderFamily::Llama => "llama",
            DecoderFamily::Mistral => "mistral",
            DecoderFamily::Qwen2 => "qwen2",
            DecoderFamily::Qwen3 => "qwen3",
            DecoderFamily::SmolLm3 => "smollm3",
            DecoderFamily::Gemma => "gemma",
            DecoderFamily::Gemma2 => "gemma2",
            DecoderFamily::Gemma3 => "gemma3_text",
            DecoderFamily::Phi3 => "phi3",
        }
    }

    /// Name of the class with the language-model head.
    pub fn architecture(self) -> &'static str {
        match self {
            DecoderFamily::Gpt2 => "GPT2LMHeadModel",
            DecoderFamily::Llama => "LlamaForCausalLM",
            DecoderFamily::Mistral => "MistralForCausalLM",
            DecoderFamily::Qwen2 => "Qwen2ForCausalLM",
            DecoderFamily::Qwen3 => "Qwen3ForCausalLM",
            DecoderFamily::SmolLm3 => "SmolLM3ForCausalLM",
            DecoderFamily::Gemma => "GemmaForCausalLM",
            DecoderFamily::Gemma2 => "Gemma2ForCausalLM",
            DecoderFamily::Gemma3 => "Gemma3ForCausalLM",
            DecoderFamily::Phi3 => "Phi3ForCausalLM",
        }
    }

    /// Prefix of the decoder's modules in that class.
    pub fn prefix(self) -> &'static str {
        if self == DecoderFamily::Gpt2 { "transformer" } else { "model" }
    }

    /// The family of this `model_type`.
    pub fn of(model_type: &str) -> Option<DecoderFamily> {
        DecoderFamily::ALL.into_iter().find(|family| family.model_type() == model_type)
    }

    /// The `model_type`s that load, for messages.
    pub fn names() -> String {
        DecoderFamily::ALL.map(DecoderFamily::model_type).join(", ")
    }
}

/// Kinds of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormRule {
    /// Layer norm with a bias.
    Layer,
    /// Root mean square, times the weight.
    Rms,
    /// Root mean square, times 1 + the weight: Gemma.
    RmsPlusOne,
}

/// What attention differs by from layer to layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRule {
    /// Keys that a query sees, its own included; all where none.
    pub window: Option<usize>,
    /// Index among [`DecoderConfig::ropes`]; none where the layer has no positions.
    pub rope: Option<usize>,
    /// Factor of the scores.
    pub scale: f64,
}

/// A resolved configuration of a decoder; names as in Llama's.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    pub family: DecoderFamily,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    /// Key and value heads, which groups of the others share.
    pub num_key_value_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    pub max_position_embeddings: usize,
    pub layers: Vec<LayerRule>,
    /// Kinds of rotary positions; none where positions are learned (GPT-2).
    pub ropes: Vec<RopeRule>,
    pub activation: Activation,
    /// Whether the feed-forward has a gate.
    pub gated: bool,
    pub norm: NormRule,
    pub norm_eps: f64,
    /// Whether attention and feed-forward are normed after, too: Gemma 2 and 3.
    pub post_norms: bool,
    /// Whether each head of queries and keys is normed: Qwen3 and Gemma 3.
    pub head_norms: bool,
    /// Whether the projections of queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the projection after attention has one.
    pub output_bias: bool,
    /// Whether the feed-forward's layers have biases.
    pub mlp_bias: bool,
    /// Scores become cap tanh(score / cap).
    pub attention_cap: Option<f64>,
    /// As do logits.
    pub logit_cap: Option<f64>,
    /// Factor of the embeddings.
    pub embedding_factor: f64,
    /// Whether the output layer is the embeddings.
    pub tied: bool,
    /// The backbone's own dropout: embeddings, attention probabilities, both residual branches.
    pub dropout: DropoutRates,
    pub bos_token_id: Option<u32>,
    /// Any of these ends a text.
    pub eos_token_ids: Vec<u32>,
    pub pad_token_id: Option<u32>,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
}

impl DecoderConfig {
    /// Reads the text of a `config.json`; `file` names it in errors.
    pub fn parse(json: &[u8], file: &str) -> Result<DecoderConfig, ModelError> {
        let wrong = |problem: String| ModelError::Config { file: file.into(), problem };
        let value: Value = serde_json::from_slice(json).map_err(|e| wrong(format!("not valid JSON: {e}")))?;
        if value.get("quantization_config").is_some_and(|config| !config.is_null()) {
            return Err(wrong(
                "the weights are quantised, which is not supported: give the model in f32, f16 or bf16".into(),
            ));
        }
        let model_type = value.get("model_type").and_then(Value::as_str).map(str::to_owned);
        let family = model_type.as_deref().and_then(DecoderFamily::of);
        let config = match (family, model_type.as_deref()) {
            (Some(DecoderFamily::Gpt2), _) => gpt2::parse(value),
            (Some(family), _) => llama::parse(value, family),
            (None, Some("gemma3")) => {
                Err("model_type `gemma3` reads images too, which is not supported: give its text \
                 part as a model of its own, model_type `gemma3_text`"
                    .into())
            }
            (None, Some(other)) => {
                Err(format!("model_type `{other}` is not supported; supported: {}", DecoderFamily::names()))
            }
            (None, None) => Err(format!("`model_type` is missing; supported: {}", DecoderFamily::names())),
        };
        let config = config.map_err(wrong)?;
        config.check().map_err(wrong)?;
        Ok(config)
    }

    /// Whether positions are learned and added to the embeddings.
    pub fn learned_positions(&self) -> bool {
        self.ropes.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        for (what, size) in [
            ("vocab_size", self.vocab_size),
            ("the hidden size", self.hidden_size),
            ("the number of layers", self.layers.len()),
            ("the number of attention heads", self.num_attention_heads),
            ("the number of key and value heads", self.num_key_value_heads),
            ("the width of a head", self.head_dim),
            ("the feed-forward's size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ] {
            check_size(what, size)?;
        }
        if let Some(window) = self.layers.iter().find_map(|layer| layer.window.filter(|&window| window == 0)) {
            return Err(format!("sliding_window is {window}; a token sees at least itself"));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(format!(
                "{} attention heads cannot share {} key and value heads evenly",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        let turned = self.ropes.iter().map(|rope| rope.width).max().unwrap_or(0);
        if turned > self.head_dim || self.ropes.iter().any(|rope| rope.width == 0 || rope.width % 2 == 1) {
            return Err(format!("{turned} elements of a head of {} cannot be turned in pairs", self.head_dim));
        }
        Ok(())
    }
}

/// `eos_token_id`: none, one, or several.
pub fn ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(ids)) => ids.iter().filter_map(id).collect(),
        Some(one) => id(one).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<DecoderConfig, String> {
        DecoderConfig::parse(json.as_bytes(), "config.json").map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_file_leaves_out_is_as_in_the_configuration_classes() {
        for (family, sizes, tied, eos) in [
            ("gpt2", [50257, 768, 3072, 12, 12, 64, 1024, 12], true, 50256),
            ("llama", [32000, 4096, 11008, 32, 32, 128, 2048, 32], false, 2),
            ("mistral", [32000, 4096, 14336, 32, 8, 128, 131_072, 32], false, 2),
            ("qwen2", [151_936, 4096, 22016, 32, 32, 128, 32768, 32], false, 0),
            ("qwen3", [151_936, 4096, 22016, 32, 32, 128, 32768, 32], false, 0),
            ("smollm3", [128_256, 2048, 11008, 16, 4, 128, 32768, 36], true, 128_001),
            ("gemma", [256_000, 3072, 24576, 16, 16, 256, 8192, 28], true, 1),
            ("gemma2", [256_000, 2304, 9216, 8, 4, 256, 8192, 26], true, 1),
            ("gemma3_text", [262_208, 2304, 9216, 8, 4, 256, 131_072, 26], true, 1),
            ("phi3", [32064, 3072, 8192, 32, 32, 96, 4096, 32], false, 32000),
        ] {
            let config = parse(&format!(r#"{{"model_type": "{family}"}}"#)).unwrap();
            let found = [
                config.vocab_size,
                config.hidden_size,
                config.intermediate_size,
                config.num_attention_heads,
                config.num_key_value_heads,
                config.head_dim,
                config.max_position_embeddings,
                config.layers.len(),
            ];
            assert_eq!((found, config.tied), (sizes, tied), "{family}");
            assert_eq!(config.eos_token_ids.first().copied().unwrap_or(0), eos, "{family}");
        }
    }

    #[test]
    fn windows_and_positions_by_layer() {
        let gemma2 = parse(r#"{"model_type": "gemma2", "num_hidden_layers": 3, "sliding_window": 5}"#).unwrap();
        assert_eq!(gemma2.layers.iter().map(|layer| layer.window).collect::<Vec<_>>(), [Some(5), None, Some(5)]);
        let qwen = r#""model_type": "qwen2", "num_hidden_layers": 3, "sliding_window": 7, "max_window_layers": 1"#;
        let windows = |json: &str| parse(json).unwrap().layers.iter().map(|layer| layer.window).collect::<Vec<_>>();
        assert_eq!(windows(&format!("{{{qwen}}}")), [None, None, None]);
        assert_eq!(windows(&format!(r#"{{{qwen}, "use_sliding_window": true}}"#)), [None, Some(7), Some(7)]);
        assert_eq!(windows(r#"{"model_type": "mistral", "num_hidden_layers": 1}"#), [Some(4096)]);
        assert_eq!(windows(r#"{"model_type": "mistral", "num_hidden_layers": 1, "sliding_window": null}"#), [None]);
        let smol = parse(r#"{"model_type": "smollm3", "num_hidden_layers": 4}"#).unwrap();
        assert_eq!(smol.layers.iter().map(|layer| layer.rope).collect::<Vec<_>>(), [Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn configurations_of_transformers_4_and_5_are_read_alike() {
        let scaling = r#"{"rope_type": "linear", "factor": 8.0}"#;
        let old = format!(
            r#"{{"model_type": "gemma3_text", "num_hidden_layers": 2, "rope_theta": 9.0, "rope_local_base_freq": 7.0,
                "sliding_window_pattern": 2, "rope_scaling": {scaling}}}"#
        );
        let new = r#"{"model_type": "gemma3_text", "num_hidden_layers": 2, "layer_types": ["sliding_attention",
            "full_attention"], "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0,
            "rope_theta": 9.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 7.0}}}"#;
        assert_eq!(parse(&old).unwrap(), parse(new).unwrap());
        let old = r#"{"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}}"#;
        let new =
            r#"{"model_type": "llama", "rope_parameters": {"rope_type": "linear", "rope_theta": 5e5, "factor": 2.0}}"#;
        assert_eq!(parse(old).unwrap(), parse(new).unwrap());
    }

    #[test]
    fn what_cannot_be_built_is_named_with_what_can() {
        for (json, what) in [
            (r#"{"model_type": "mamba"}"#, "`mamba` is not supported; supported: gpt2, llama"),
            (r#"{"model_type": "gemma3"}"#, "gemma3_text"),
            (r#"{"model_type": "llama", "quantization_config": {"bits": 4}}"#, "quantised"),
            (r#"{"model_type": "llama", "rope_scaling": {"rope_type": "spiral"}}"#, "rope_type `spiral`"),
            (r#"{"model_type": "llama", "rope_scaling": {"rope_type": "linear"}}"#, "factor"),
            (r#"{"model_type": "llama", "num_key_value_heads": 5}"#, "cannot share 5"),
            (r#"{"model_type": "llama", "hidden_size": 0}"#, "the hidden size is 0"),
            (r#"{"model_type": "phi3", "num_attention_heads": 0}"#, "heads is 0"),
            (r#"{"model_type": "llama", "head_dim": 9}"#, "turned in pairs"),
            (r#"{"model_type": "gemma3_text", "use_bidirectional_attention": true}"#, "use_bidirectional_attention"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(what), "{json}: {error}");
        }
    }
}
