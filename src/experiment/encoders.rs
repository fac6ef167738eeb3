//! Encoders and decoders that people start from, for lists. Any other of the same families works by its id as well.

/// A model of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoder {
    /// What `model.id` names.
    pub id: &'static str,
    /// `model_type` of its config.json.
    pub family: &'static str,
    /// Millions of parameters.
    pub parameters: f64,
    /// One line for people.
    pub about: &'static str,
}

impl Encoder {
    /// Whether it is a decoder, which writes texts and does nothing else here.
    pub fn writes(&self) -> bool {
        matches!(self.family, "gpt2" | "llama" | "smollm3" | "qwen3" | "gemma3_text")
    }
}

const fn encoder(id: &'static str, family: &'static str, parameters: f64, about: &'static str) -> Encoder {
    Encoder { id, family, parameters, about }
}

pub static ENCODERS: &[Encoder] = &[
    encoder(super::BUILTIN_DEMO, "bert", 0.8, "made for the demo, inside the program: 4 layers of 128"),
    encoder(super::BUILTIN_GENERATION, "gpt2", 0.8, "made for the demo of generation, inside the program"),
    encoder("FacebookAI/roberta-base", "roberta", 125.0, "English; what the paper searches on"),
    encoder("FacebookAI/roberta-large", "roberta", 355.0, "English; the paper's large model"),
    encoder("google-bert/bert-base-uncased", "bert", 110.0, "English, lower case"),
    encoder("google-bert/bert-base-cased", "bert", 108.0, "English, for names"),
    encoder("google-bert/bert-large-uncased", "bert", 336.0, "English, lower case, large"),
    encoder("FacebookAI/xlm-roberta-base", "xlm-roberta", 278.0, "100 languages"),
    encoder("distilbert/distilbert-base-uncased", "distilbert", 66.0, "English, lower case; half of BERT"),
    encoder("distilbert/distilroberta-base", "roberta", 82.0, "English; half of RoBERTa"),
    encoder("microsoft/deberta-v3-small", "deberta-v2", 141.0, "English; small, strong"),
    encoder("microsoft/deberta-v3-base", "deberta-v2", 184.0, "English; the strongest of its size on GLUE"),
    encoder("answerdotai/ModernBERT-base", "modernbert", 149.0, "English and code, up to 8192 tokens"),
    encoder("answerdotai/ModernBERT-large", "modernbert", 395.0, "English and code, up to 8192 tokens, large"),
    encoder(
        "dmis-lab/biobert-base-cased-v1.2",
        "bert",
        108.0,
        "English of biomedicine: for JNLPBA, NCBI-disease, BC5CDR",
    ),
    encoder(
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
        "bert",
        109.0,
        "English of biomedicine, from PubMed alone",
    ),
    encoder("allenai/scibert_scivocab_uncased", "bert", 110.0, "English of science"),
    encoder("sentence-transformers/all-MiniLM-L6-v2", "bert", 23.0, "English; small, for a laptop"),
    encoder("openai-community/gpt2-medium", "gpt2", 355.0, "writes English; what the paper searches on"),
    encoder("openai-community/gpt2", "gpt2", 124.0, "writes English; small"),
    encoder("HuggingFaceTB/SmolLM2-135M", "llama", 135.0, "writes English; small"),
    encoder("HuggingFaceTB/SmolLM3-3B", "smollm3", 3080.0, "writes six languages"),
    encoder("Qwen/Qwen3-0.6B", "qwen3", 596.0, "writes 100 languages"),
    encoder("meta-llama/Llama-3.2-1B", "llama", 1240.0, "writes eight languages; gated"),
    encoder("google/gemma-3-1b-pt", "gemma3_text", 1000.0, "writes English; gated"),
];
