//! `config.json` of the encoders that are built here. Values that a file leaves out are those of Hugging Face's
//! configuration classes.

mod any;
mod bert;
mod deberta_v2;
pub mod decoder;
mod distilbert;
mod modernbert;

use super::ModelError;
use super::activation::Activation;
use super::head::HeadKind;
use super::pass::DropoutRates;
pub use any::ModelConfig;
pub use deberta_v2::{Convolution, DebertaV2, Relative};
pub use decoder::{DecoderConfig, DecoderFamily};
pub use modernbert::{ModernBert, Pooling};
use serde_json::Value;
use std::collections::BTreeMap;

/// Families of encoders, with what is their own in a configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    Bert,
    /// As BERT, but positions start after the padding id, and the head has two layers.
    Roberta,
    /// As RoBERTa.
    XlmRoberta,
    /// As BERT, under other names and without segments.
    DistilBert,
    DebertaV2(DebertaV2),
    ModernBert(ModernBert),
}

impl Family {
    /// `model_type`s that load.
    pub const NAMES: [&str; 6] = ["bert", "roberta", "xlm-roberta", "distilbert", "deberta-v2", "modernbert"];

    /// Prefix of the encoder's modules in the task classes of Hugging Face.
    pub fn prefix(&self) -> &'static str {
        match self {
            Family::Bert => "bert",
            Family::Roberta | Family::XlmRoberta => "roberta",
            Family::DistilBert => "distilbert",
            Family::DebertaV2(_) => "deberta",
            Family::ModernBert(_) => "model",
        }
    }

    /// Name of the task class.
    pub fn architecture(&self, kind: HeadKind) -> &'static str {
        let (sequence, tokens) = match self {
            Family::Bert => ("BertForSequenceClassification", "BertForTokenClassification"),
            Family::Roberta => ("RobertaForSequenceClassification", "RobertaForTokenClassification"),
            Family::XlmRoberta => ("XLMRobertaForSequenceClassification", "XLMRobertaForTokenClassification"),
            Family::DistilBert => ("DistilBertForSequenceClassification", "DistilBertForTokenClassification"),
            Family::DebertaV2(_) => ("DebertaV2ForSequenceClassification", "DebertaV2ForTokenClassification"),
            Family::ModernBert(_) => ("ModernBertForSequenceClassification", "ModernBertForTokenClassification"),
        };
        match kind {
            HeadKind::Sequence => sequence,
            HeadKind::Tokens => tokens,
        }
    }
}

/// A resolved configuration; names as in BERT's.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    pub family: Family,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub activation: Activation,
    pub max_position_embeddings: usize,
    /// 0 where there are no segments.
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub pad_token_id: u32,
    /// Of the backbone and of a sequence head.
    pub dropout: DropoutRates,
    /// Of the input of a token head's output layer.
    pub token_dropout: f64,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Class names by id, where the file has them and they are not the generic `LABEL_n`.
    pub label_names: Option<Vec<String>>,
}

impl EncoderConfig {
    /// Reads the text of a `config.json`; `file` names it in errors.
    pub fn parse(json: &[u8], file: &str) -> Result<EncoderConfig, ModelError> {
        let wrong = |problem: String| ModelError::Config { file: file.into(), problem };
        let value: Value = serde_json::from_slice(json).map_err(|e| wrong(format!("not valid JSON: {e}")))?;
        let model_type = value.get("model_type").and_then(Value::as_str).map(str::to_owned);
        let labels = value.get("id2label").and_then(label_names);
        let known = || Family::NAMES.join(", ");
        let config = match model_type.as_deref() {
            Some("bert") => bert::parse(value, Family::Bert),
            Some("roberta") => bert::parse(value, Family::Roberta),
            Some("xlm-roberta") => bert::parse(value, Family::XlmRoberta),
            Some("distilbert") => distilbert::parse(value),
            Some("deberta-v2") => deberta_v2::parse(value),
            Some("modernbert") => modernbert::parse(value),
            Some(other) => Err(format!("model_type `{other}` is not supported; supported: {}", known())),
            None => Err(format!("`model_type` is missing; supported: {}", known())),
        };
        let config = config.map_err(wrong)?;
        check_sizes(&config).map_err(wrong)?;
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(wrong(format!(
                "the hidden size {} is not a multiple of the number of attention heads {}",
                config.hidden_size, config.num_attention_heads
            )));
        }
        Ok(EncoderConfig { label_names: labels, ..config })
    }

    /// The longest row that has positions: RoBERTa's start after the padding id.
    pub fn max_length(&self) -> usize {
        match self.family {
            Family::Roberta | Family::XlmRoberta => {
                self.max_position_embeddings.saturating_sub(self.pad_token_id as usize + 1)
            }
            _ => self.max_position_embeddings,
        }
    }

    /// Elements of a head of attention.
    pub fn head_width(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }
}

/// Sizes that a file can say, but no model has: they would overflow, or leave nothing to compute.
fn check_sizes(config: &EncoderConfig) -> Result<(), String> {
    let span = match &config.family {
        Family::DebertaV2(own) => own.relative.map_or(1, |relative| relative.span),
        _ => 1,
    };
    let furthest = match &config.family {
        Family::DebertaV2(own) => own.relative.and_then(|relative| relative.log_up_to).unwrap_or(1),
        Family::ModernBert(own) => own.half_window.max(1),
        _ => 1,
    };
    for (what, size) in [
        ("vocab_size", config.vocab_size),
        ("the hidden size", config.hidden_size),
        ("the number of layers", config.num_hidden_layers),
        ("the number of attention heads", config.num_attention_heads),
        ("the feed-forward's size", config.intermediate_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("type_vocab_size", config.type_vocab_size.max(1)),
        ("the number of relative positions", span),
        ("the reach of attention", furthest),
    ] {
        check_size(what, size)?;
    }
    Ok(())
}

/// An error where no model has a size like this.
fn check_size(what: &str, size: usize) -> Result<(), String> {
    const MOST: usize = 1 << 24;
    if (1..=MOST).contains(&size) { Ok(()) } else { Err(format!("{what} is {size}, not between 1 and {MOST}")) }
}

/// The value of `key` as a non-linearity.
fn activation(key: &str, name: &str) -> Result<Activation, String> {
    Activation::parse(name).ok_or_else(|| format!("{key} `{name}` is not supported; supported: {}", Activation::NAMES))
}

fn label_names(id2label: &Value) -> Option<Vec<String>> {
    let by_id: BTreeMap<String, String> = serde_json::from_value(id2label.clone()).ok()?;
    let names: Option<Vec<String>> = (0..by_id.len()).map(|id| by_id.get(&id.to_string()).cloned()).collect();
    names.filter(|names| names.iter().enumerate().any(|(id, name)| *name != format!("LABEL_{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<EncoderConfig, String> {
        EncoderConfig::parse(json.as_bytes(), "config.json").map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_file_leaves_out_is_as_in_the_configuration_classes() {
        let length = |kind: &str| parse(&format!(r#"{{"model_type": "{kind}"}}"#)).unwrap().max_length();
        assert_eq!(Family::NAMES.map(length), [512, 510, 510, 512, 512, 8192]);
        let padding = |kind: &str| parse(&format!(r#"{{"model_type": "{kind}"}}"#)).unwrap().pad_token_id;
        assert_eq!(Family::NAMES.map(padding), [0, 1, 1, 0, 0, 50283]);
    }

    #[test]
    fn what_cannot_be_built_is_named_with_what_can() {
        let error = parse(r#"{"model_type": "deberta"}"#).unwrap_err();
        assert!(error.contains("`deberta` is not supported; supported: bert, roberta"), "{error}");
        let error = parse(r#"{"model_type": "bert", "hidden_act": "xielu"}"#).unwrap_err();
        assert!(error.contains("hidden_act `xielu` is not supported; supported: gelu"), "{error}");
        let error = parse(r#"{"model_type": "distilbert", "dim": 10, "n_heads": 3}"#).unwrap_err();
        assert!(error.contains("hidden size 10 is not a multiple"), "{error}");
        for (sizes, what) in [
            (r#""model_type": "bert", "hidden_size": 0"#, "the hidden size is 0, not between 1 and"),
            (r#""model_type": "roberta", "num_attention_heads": 0"#, "the number of attention heads is 0"),
            (r#""model_type": "deberta-v2", "relative_attention": true, "position_buckets": 9000000000"#, "relative"),
            (r#""model_type": "modernbert", "local_attention": 18446744073709551615"#, "the reach of attention"),
        ] {
            let error = parse(&format!("{{{sizes}}}")).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        let error = parse(r#"{"model_type": "bert", "vocab_size": "many"}"#).unwrap_err();
        assert!(error.contains("invalid type: string \"many\""), "{error}");
    }

    #[test]
    fn old_and_new_names_of_modernberts_ropes_and_layers_are_read_alike() {
        let new = r#"{"model_type": "modernbert", "num_hidden_layers": 4, "layer_types":
            ["full_attention", "sliding_attention", "full_attention", "sliding_attention"], "rope_parameters": {
            "full_attention": {"rope_theta": 7.0, "rope_type": "default"}, "sliding_attention": {"rope_theta": 5.0}}}"#;
        let old = r#"{"model_type": "modernbert", "num_hidden_layers": 4, "global_attn_every_n_layers": 2,
            "global_rope_theta": 7.0, "local_rope_theta": 5.0}"#;
        assert_eq!(parse(new).unwrap(), parse(old).unwrap());
        let scaled = r#"{"model_type": "modernbert", "rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#;
        assert!(parse(scaled).unwrap_err().contains("rope_type `yarn`"));
    }
}
