//! Makes what is in `assets/demo`: `cargo run --release --example make-demo -- data`, then `-- pretrain`.

mod grammar;
mod pretrain;
mod tokenizer;
mod words;

use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// All of the demo comes from this seed.
const SEED: u64 = 2024;
/// Rows of each file.
const PARTS: [(&str, usize); 3] = [("train", 1600), ("validation", 800), ("test", 600)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    match std::env::args().nth(1).as_deref() {
        Some("data") => data(&folder),
        Some("pretrain") => pretrain::pretrain(&folder, SEED),
        Some("corpus") => {
            let sentences = std::env::args().nth(2).map_or(Ok(60_000), |count| count.parse())?;
            grammar::corpus(SEED, sentences).iter().for_each(|sentence| println!("{sentence}"));
            Ok(())
        }
        _ => Err("say what to make: `data` (the dataset and the tokenizer), `pretrain` (the encoder) or `corpus [SENTENCES]` (to stdout)".into()),
    }
}

/// The dataset and the tokenizer.
fn data(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let write = |name: PathBuf, text: String| {
        println!("{} ({} bytes)", name.display(), text.len());
        std::fs::write(name, text)
    };
    let mut rows = grammar::dataset(SEED, PARTS.iter().map(|(_, rows)| rows).sum()).into_iter();
    for (part, count) in PARTS {
        let mut text = String::from("sentence\tlabel\n");
        for (sentence, label) in rows.by_ref().take(count) {
            text.push_str(&format!("{sentence}\t{label}\n"));
        }
        write(folder.join(format!("{part}.tsv")), text)?;
    }
    write(folder.join("tokenizer.json"), tokenizer::json(&grammar::vocabulary())?)?;
    Ok(())
}
