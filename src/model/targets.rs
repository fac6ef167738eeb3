//! Which linear layers carry LoRA: by suffix as PEFT's `target_modules`, by full path, or `all-linear`.

use super::ModelError;
use super::config::{DecoderFamily, Family};

/// The layers that carry LoRA unless others are asked for: PEFT's choice for the family's `model_type`
/// (`TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING`), query and value projections; where PEFT has no choice
/// (DistilBERT, ModernBERT), the same.
pub fn default_targets(family: &Family) -> &'static [&'static str] {
    match family {
        Family::Bert | Family::Roberta | Family::XlmRoberta => &["query", "value"],
        Family::DistilBert => &["q_lin", "v_lin"],
        Family::DebertaV2(_) => &["query_proj", "value_proj"],
        Family::ModernBert(_) => &["Wqkv"],
    }
}

/// The same for decoders. GPT-2's are the paper's, the query and value parts of `c_attn`; PEFT's would be the whole of
/// it, `c_attn`.
pub fn default_decoder_targets(family: DecoderFamily) -> &'static [&'static str] {
    match family {
        DecoderFamily::Gpt2 => &["c_attn.query", "c_attn.value"],
        DecoderFamily::Phi3 => &["qkv_proj"],
        _ => &["q_proj", "v_proj"],
    }
}

/// Every linear layer.
pub const ALL_LINEAR: &str = "all-linear";

/// Resolves `targets` among the linear layers' full paths, in the order of the model.
///
/// A target matches a path that is it or ends in `.` + it. An unmatched target is an error that names the nearest
/// layer.
pub fn resolve(targets: &[String], paths: &[String]) -> Result<Vec<String>, ModelError> {
    if targets.iter().any(|target| target == ALL_LINEAR) {
        return Ok(paths.to_vec());
    }
    let matches = |target: &str, path: &str| path == target || path.ends_with(&format!(".{target}"));
    for target in targets {
        if !paths.iter().any(|path| matches(target, path)) {
            let mut names: Vec<&str> = paths.iter().map(|path| path.rsplit('.').next().unwrap_or(path)).collect();
            names.sort_unstable();
            names.dedup();
            let nearest = names
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, target).total_cmp(&strsim::jaro_winkler(b, target)))
                .map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            return Err(ModelError::Targets {
                problem: format!(
                    "no linear layer matches `{target}`; the layers' names are {} (or all-linear){nearest}",
                    names.join(", ")
                ),
            });
        }
    }
    Ok(paths.iter().filter(|path| targets.iter().any(|target| matches(target, path))).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<String> {
        ["l.0.self.query", "l.0.self.key", "l.0.output.dense", "l.1.self.query"].map(String::from).to_vec()
    }

    #[test]
    fn suffixes_match_whole_components_in_model_order() {
        let found = resolve(&["query".into(), "output.dense".into()], &paths()).unwrap();
        assert_eq!(found, ["l.0.self.query", "l.0.output.dense", "l.1.self.query"]);
        assert_eq!(resolve(&["l.1.self.query".into()], &paths()).unwrap(), ["l.1.self.query"]);
        assert_eq!(resolve(&["all-linear".into()], &paths()).unwrap(), paths());
    }

    #[test]
    fn an_unmatched_target_names_the_nearest_layer() {
        let error = resolve(&["querry".into()], &paths()).unwrap_err().to_string();
        assert!(error.contains("did you mean `query`"), "{error}");
        assert!(resolve(&["uery".into()], &paths()).is_err(), "part of a component must not match");
    }
}
