//! `adapter_config.json` of a LoRA adapter (PEFT 0.21, `LoraConfig`).

use super::AdapterError;
use super::pattern::Pattern;
use crate::data::error::shown;
use serde_json::{Map, Value, json};

/// What of PEFT's `LoraConfig` says how an adapter computes.
#[derive(Clone, Debug, Default)]
pub struct LoraConfig {
    /// `base_model_name_or_path`: hub id, folder, or `builtin:demo`.
    pub base_model: Option<String>,
    /// Commit of a hub model.
    pub revision: Option<String>,
    /// `SEQ_CLS`, `TOKEN_CLS`, ...; some writers leave it out.
    pub task_type: Option<String>,
    /// `r` and `lora_alpha` of modules without an entry in the patterns.
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    /// Full paths or suffixes; empty where the file has a regular expression instead.
    pub target_modules: Vec<String>,
    /// Modules that are stored whole, such as the head.
    pub modules_to_save: Vec<String>,
    pub rank_pattern: Pattern<usize>,
    pub alpha_pattern: Pattern<f64>,
    /// Scale lora_alpha / sqrt(r) instead of lora_alpha / r.
    pub use_rslora: bool,
    /// The layers are stored as (in, out), such as GPT-2's; A and B are as always.
    pub fan_in_fan_out: bool,
    pub inference_mode: bool,
}

impl LoraConfig {
    /// Rank of a module.
    pub fn rank_of(&self, path: &str) -> usize {
        self.rank_pattern.get(path).unwrap_or(self.rank)
    }

    /// `lora_alpha` of a module.
    pub fn alpha_of(&self, path: &str) -> f64 {
        self.alpha_pattern.get(path).unwrap_or(self.alpha)
    }

    /// What B A of a module is multiplied by.
    pub fn scale_of(&self, path: &str) -> f64 {
        let rank = self.rank_of(path) as f64;
        self.alpha_of(path) / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// As PEFT's `save_pretrained` writes it.
    pub fn to_json(&self) -> Value {
        json!({
            "peft_type": "LORA",
            "task_type": self.task_type,
            "base_model_name_or_path": self.base_model,
            "revision": self.revision,
            "r": self.rank,
            "lora_alpha": number(self.alpha),
            "lora_dropout": self.dropout,
            "target_modules": self.target_modules,
            "modules_to_save": if self.modules_to_save.is_empty() { Value::Null } else { json!(self.modules_to_save) },
            "rank_pattern": self.rank_pattern.to_json(|rank| json!(rank)),
            "alpha_pattern": self.alpha_pattern.to_json(number),
            "bias": "none",
            "fan_in_fan_out": self.fan_in_fan_out,
            "inference_mode": self.inference_mode,
            "init_lora_weights": true,
            "use_rslora": self.use_rslora,
            "use_dora": false,
        })
    }

    /// Reads the text of a file called `file`.
    ///
    /// # Errors
    /// Not JSON, another method than LoRA, a kind of LoRA that computes something else than s B A beside a frozen linear
    /// layer, a key of the wrong type.
    pub fn parse(text: &[u8], file: &str) -> Result<LoraConfig, AdapterError> {
        let wrong = |problem: String| AdapterError::File { path: file.into(), problem };
        let value: Value = serde_json::from_slice(text).map_err(|e| wrong(format!("not valid JSON: {e}")))?;
        let Value::Object(map) = value else {
            return Err(wrong("not a JSON object; PEFT's save_pretrained writes one".into()));
        };
        if let Some(problem) = unsupported(&map) {
            return Err(wrong(problem));
        }
        let reader = Reader { map: &map };
        let read = || -> Result<LoraConfig, String> {
            Ok(LoraConfig {
                base_model: reader.text("base_model_name_or_path")?,
                revision: reader.text("revision")?,
                task_type: reader.text("task_type")?,
                rank: reader.rank("r", map.get("r").unwrap_or(&json!(8)))?,
                alpha: reader.number("lora_alpha", map.get("lora_alpha").unwrap_or(&json!(8)))?,
                dropout: reader.number("lora_dropout", map.get("lora_dropout").unwrap_or(&json!(0)))?,
                target_modules: reader.texts("target_modules").unwrap_or_default(),
                modules_to_save: reader.texts("modules_to_save").unwrap_or_default(),
                rank_pattern: reader.pattern("rank_pattern", |key, value| reader.rank(key, value))?,
                alpha_pattern: reader.pattern("alpha_pattern", |key, value| reader.number(key, value))?,
                fan_in_fan_out: map.get("fan_in_fan_out") == Some(&json!(true)),
                use_rslora: map.get("use_rslora") == Some(&json!(true)),
                inference_mode: map.get("inference_mode") == Some(&json!(true)),
            })
        };
        read().map_err(wrong)
    }
}

/// A whole number where it is one, as PEFT's own files have it.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// Keys with which an adapter computes something else, what values of them change nothing, and what they do.
const UNSUPPORTED: &[(&str, &[&str], &str)] = &[
    ("use_dora", &["null", "false"], "DoRA also scales the columns of the sum of W0 and the update"),
    ("bias", &["null", "\"none\""], "it has trained biases, which only LoRA's B and A are read beside"),
    ("lora_bias", &["null", "false"], "B has a bias"),
    ("use_qalora", &["null", "false"], "it is for a quantised base"),
    ("use_bdlora", &["null", "false"], "its factors are block-diagonal"),
    ("layer_replication", &["null", "[]"], "it changes the layers of the model"),
    ("target_parameters", &["null", "[]"], "it adapts parameters that are no linear layers"),
    ("trainable_token_indices", &["null", "[]", "{}"], "it replaces rows of the embeddings"),
    ("alora_invocation_tokens", &["null", "[]"], "it is at work only after certain tokens"),
    ("arrow_config", &["null"], "it mixes several adapters"),
    ("kasa_config", &["null"], "it changes the base's weights"),
    ("monteclora_config", &["null"], "it draws its weights"),
    (
        "init_lora_weights",
        &["null", "true", "false", "\"gaussian\"", "\"orthogonal\"", "\"eva\""],
        "training began by changing the base's weights; save it with path_initial_model_for_weight_conversion, which makes \
         it plain LoRA",
    ),
];

/// Why an adapter of this configuration cannot be read, if so.
fn unsupported(map: &Map<String, Value>) -> Option<String> {
    match map.get("peft_type") {
        None => return Some("no \"peft_type\": not the configuration of an adapter of PEFT".into()),
        Some(kind) if kind.as_str().is_none_or(|kind| kind.to_uppercase() != "LORA") => {
            return Some(format!("peft_type is {}, not \"LORA\": no other method is read", shown(&kind.to_string())));
        }
        Some(_) => {}
    }
    UNSUPPORTED.iter().find_map(|(key, neutral, reason)| {
        let value = map.get(*key)?.to_string();
        let harmless = neutral.contains(&value.as_str());
        (!harmless).then(|| format!("{key} is {}: {reason}; only plain LoRA is read", shown(&value)))
    })
}

/// The values of a configuration; messages name the key.
struct Reader<'a> {
    map: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{key} is {}, not a text", shown(&other.to_string()))),
        }
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.map.get(key)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    }

    fn rank(&self, key: &str, value: &Value) -> Result<usize, String> {
        let rank = value.as_u64().and_then(|rank| usize::try_from(rank).ok()).filter(|rank| *rank > 0);
        rank.ok_or_else(|| format!("{key} is {}, not a rank of at least 1", shown(&value.to_string())))
    }

    fn number(&self, key: &str, value: &Value) -> Result<f64, String> {
        value.as_f64().ok_or_else(|| format!("{key} is {}, not a number", shown(&value.to_string())))
    }

    fn pattern<T: Copy>(
        &self,
        key: &str,
        value_of: impl Fn(&str, &Value) -> Result<T, String>,
    ) -> Result<Pattern<T>, String>
    where
        Pattern<T>: Default,
    {
        let mut pattern = Pattern::default();
        let entries = match self.map.get(key) {
            None | Some(Value::Null) => return Ok(pattern),
            Some(Value::Object(entries)) => entries,
            Some(other) => return Err(format!("{key} is {}, not an object", shown(&other.to_string()))),
        };
        for (of, value) in entries {
            let value = value_of(&format!("{key} of {}", shown(of)), value)?;
            pattern
                .push(of, value)
                .map_err(|e| format!("{key}: {} is no pattern that is read here: {e}", shown(of)))?;
        }
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: Value) -> Result<LoraConfig, String> {
        LoraConfig::parse(json.to_string().as_bytes(), "adapter_config.json").map_err(|e| e.to_string())
    }

    #[test]
    fn the_scale_of_a_module_is_its_alpha_over_its_rank() {
        let config = parse(json!({
            "peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"a.query": 2}, "alpha_pattern": {"query": 3},
        }))
        .unwrap();
        assert_eq!((config.scale_of("a.query"), config.scale_of("b.query"), config.scale_of("key")), (1.5, 0.75, 2.0));
        let rslora = parse(json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true})).unwrap();
        assert_eq!(rslora.scale_of("key"), 4.0);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut config = LoraConfig { rank: 2, alpha: 2.5, task_type: Some("SEQ_CLS".into()), ..LoraConfig::default() };
        config.modules_to_save = vec!["classifier".into()];
        config.rank_pattern = Pattern::of_modules(&[("m.1.query", 5)], 2);
        config.alpha_pattern = Pattern::of_modules(&[("m.1.query", 6.25)], 2.5);
        let read = parse(config.to_json()).unwrap();
        assert_eq!(read.to_json(), config.to_json());
        assert_eq!(
            (read.rank_of("m.1.query"), read.scale_of("m.1.query"), read.scale_of("m.0.query")),
            (5, 1.25, 1.25)
        );
    }

    #[test]
    fn adapters_that_compute_something_else_are_refused_with_the_reason() {
        for (key, value, reason) in [
            ("peft_type", json!("LOHA"), "not \"LORA\""),
            ("use_dora", json!(true), "columns"),
            ("bias", json!("all"), "biases"),
            ("init_lora_weights", json!("pissa"), "changing the base"),
            ("layer_replication", json!([[0, 2]]), "layers"),
            ("r", json!(0), "rank of at least 1"),
            ("lora_alpha", json!("8"), "not a number"),
            ("rank_pattern", json!({"query": -1}), "rank_pattern of query"),
            ("rank_pattern", json!([1]), "not an object"),
            ("alpha_pattern", json!({"(": 1}), "no pattern"),
        ] {
            let mut json = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8});
            json[key] = value;
            let error = parse(json).unwrap_err();
            assert!(error.starts_with("adapter_config.json: ") && error.contains(reason), "{key}: {error}");
        }
        assert!(parse(json!({"model_type": "bert"})).unwrap_err().contains("peft_type"));
        assert!(parse(json!([])).is_err());
    }
}
