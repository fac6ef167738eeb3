//! Makes what is in `assets/demo-generation`: `cargo run --release --example make-demo-generation -- data`, then
//! `-- pretrain`.

mod grammar;
mod pretrain;

use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// All of it comes from this seed.
const SEED: u64 = 2026;
/// Boats of each file, and how often each is told.
const PARTS: [(&str, usize, usize); 3] = [("train", 700, 1), ("validation", 350, 1), ("test", 100, 3)];
const SPECIALS: [&str; 3] = ["<pad>", "</s>", "<unk>"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-generation");
    match std::env::args().nth(1).as_deref() {
        Some("data") => data(&folder),
        Some("pretrain") => pretrain::pretrain(&folder, SEED),
        Some("corpus") => {
            grammar::corpus(SEED, 20).iter().for_each(|text| println!("{text}"));
            Ok(())
        }
        _ => Err("say what to make: `data` (the dataset and the tokenizer), `pretrain` (the decoder) or `corpus` (twenty texts, to stdout)".into()),
    }
}

/// The dataset and the tokenizer: a token a word or a run of signs.
fn data(folder: &Path) -> Result<(), Box<dyn Error>> {
    for ((part, ..), rows) in PARTS.iter().zip(grammar::rows(SEED, &PARTS)) {
        let rows: String = rows.iter().map(|(register, told)| format!("{register}\t{told}\n")).collect();
        std::fs::write(folder.join(format!("{part}.tsv")), format!("mr\tref\n{rows}"))?;
    }
    let words = grammar::vocabulary();
    let tokens = SPECIALS.iter().chain(&words);
    let vocabulary: Map<String, Value> = tokens.zip(0..).map(|(token, id)| (token.to_string(), json!(id))).collect();
    let special = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let source = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIALS.iter().enumerate().map(special).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": vocabulary},
    });
    let tokenizer = tokenizers::Tokenizer::from_bytes(serde_json::to_vec(&source)?).map_err(|e| e.to_string())?;
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string(true).map_err(|e| e.to_string())?)?;
    Ok(())
}
