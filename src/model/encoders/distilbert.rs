//! DistilBERT: BERT's structure under other names, without segments.

use super::bert::Bert;
use super::post_norm::Names;
use crate::model::ModelError;
use crate::model::config::EncoderConfig;
use crate::model::loader::Loader;

const NAMES: Names = Names {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
    drops_attention_output: false,
};

/// `DistilBertModel`.
pub fn load(config: &EncoderConfig, loader: &Loader) -> Result<Bert, ModelError> {
    Bert::load(config, loader, "transformer.layer", &NAMES)
}
