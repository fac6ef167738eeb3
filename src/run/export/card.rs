//! The model card: `README.md` with the front matter of the hub.

use super::facts::Facts;
use super::learned::{Learned, Scale};
use super::passport::Entry;
use super::readback::Readback;
use crate::data::error::shown;
use crate::experiment::{Choice, Task};
use crate::model::builtin;
use crate::run::event::Metrics;
use crate::run::fold::evaluated_words;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What a card is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Adapter(Scale),
    Merged,
}

/// The text of the card.
pub fn text(learned: &Learned, of: Of, readback: &Readback, passport: &[Entry]) -> String {
    let facts = &learned.facts;
    let mut text = front_matter(facts, of);
    // Writing to a string does not fail.
    let _ = (|| -> std::fmt::Result {
        writeln!(text, "# {}\n", in_line(&facts.name))?;
        writeln!(text, "{}\n", about(facts, of))?;
        scores(&mut text, facts)?;
        load(&mut text, facts, of)?;
        ranks(&mut text, learned)?;
        runtimes(&mut text, passport)?;
        writeln!(text, "## Checked\n")?;
        let head = if learned.head().next().is_some() { "; the head is equal" } else { "" };
        writeln!(text, "After writing, this was read back from the disk: {readback}{head}.\n")?;
        writeln!(text, "`autolora.json` has the settings, the hashes of the data and everything above as JSON.")
    })();
    text
}

fn front_matter(facts: &Facts, of: Of) -> String {
    let mut lines = vec!["---".to_string()];
    if let Some(id) = facts.hub_id() {
        // JSON's strings are YAML's.
        lines.push(format!("base_model: {}", json!(id)));
    }
    let adapter = matches!(of, Of::Adapter(_));
    lines.push(format!("library_name: {}", if adapter { "peft" } else { "transformers" }));
    lines.push(format!("pipeline_tag: {}", pipeline(facts.experiment.data.task)));
    lines.push("tags:\n- autolora\n- lora".into());
    if let (true, Some(id)) = (adapter, facts.hub_id()) {
        lines.push(format!("- {}", json!(format!("base_model:adapter:{id}"))));
    }
    // Our names and the hub's.
    let figures = [
        ("accuracy", "accuracy"),
        ("f1", "f1"),
        ("entity_f1", "f1"),
        ("entity_precision", "precision"),
        ("entity_recall", "recall"),
        ("matthews_correlation", "matthews_correlation"),
        ("pearson", "pearsonr"),
        ("spearman", "spearmanr"),
    ];
    let known = figures.into_iter().filter(|(ours, _)| facts.metrics.contains_key(*ours)).map(|(_, hub)| hub);
    let known: Vec<&str> = known.collect();
    if !known.is_empty() {
        lines.push("metrics:".into());
        lines.extend(known.iter().map(|name| format!("- {name}")));
    }
    lines.join("\n") + "\n---\n\n"
}

/// The hub's word for the task.
fn pipeline(task: Task) -> &'static str {
    match task {
        Task::Classification | Task::Regression => "text-classification",
        Task::Tagging => "token-classification",
        Task::Generation => "text-generation",
    }
}

fn about(facts: &Facts, of: Of) -> String {
    let what = match of {
        Of::Adapter(Scale::Native) => "A LoRA adapter",
        Of::Adapter(Scale::Folded) => "A LoRA adapter with its scale folded into B",
        Of::Merged => "A model with a LoRA adapter merged into its weights",
    };
    let revision = facts.commit.as_ref().map_or(String::new(), |commit| format!(" at `{commit}`"));
    let lora = &facts.experiment.lora;
    let mut text = format!(
        "{what} for `{}`{revision}, trained on `{}` ({}, {} rows) by [AutoLoRA](https://arxiv.org/abs/2403.09113): a search \
         that started from rank {} in every module gave each module its rank, and the adapter was trained anew with those \
         (lora_alpha {}, scale {}, seed {}).",
        in_line(&facts.base_name()),
        in_line(&facts.data_name()),
        facts.experiment.data.task.name(),
        facts.train_rows,
        lora.rank,
        lora.alpha,
        facts.experiment.retrain.scale.name(),
        facts.experiment.runtime.seed,
    );
    if facts.undecided {
        text += "\n\nThe selection values did not leave their start: the ranks say nothing about the modules.";
    }
    if facts.ranks.values().all(|rank| *rank == 0) {
        text += "\n\nEvery module has rank 0: only the head was trained. PEFT refuses an adapter without modules, so the first \
                 module is there with rank 1 and an update of 0.";
    }
    text
}

/// The figures of everything that was evaluated.
fn scores(text: &mut String, facts: &Facts) -> std::fmt::Result {
    writeln!(text, "## Scores\n")?;
    if facts.evaluations.is_empty() {
        return writeln!(text, "None: the run had no held-out rows.\n");
    }
    let rows = facts.metrics.get("test_rows").map_or(String::new(), |rows| format!(" ({rows} held-out rows)"));
    let columns: Vec<String> = facts.evaluations.iter().map(|(what, _)| in_line(&evaluated_words(what))).collect();
    writeln!(text, "| figure{rows} | {} |", columns.join(" | "))?;
    writeln!(text, "|{}", "---|".repeat(columns.len() + 1))?;
    let names: BTreeSet<&String> = facts.evaluations.iter().flat_map(|(_, figures)| figures.keys()).collect();
    for name in names {
        let cell =
            |(_, figures): &(String, Metrics)| figures.get(name).map_or("-".into(), |value| format!("{value:.4}"));
        let cells: Vec<String> = facts.evaluations.iter().map(cell).collect();
        writeln!(text, "| {} | {} |", in_line(name), cells.join(" | "))?;
    }
    writeln!(text)
}

/// Python that loads it; it runs as it stands.
fn load(text: &mut String, facts: &Facts, of: Of) -> std::fmt::Result {
    let class = match facts.experiment.data.task {
        Task::Tagging => "AutoModelForTokenClassification",
        Task::Generation => "AutoModelForCausalLM",
        _ => "AutoModelForSequenceClassification",
    };
    writeln!(text, "## Use\n\n```python")?;
    match of {
        Of::Merged => {
            writeln!(text, "from transformers import {class}, AutoTokenizer\n")?;
            writeln!(text, "folder = \".\"  # where this file is")?;
            writeln!(text, "model = {class}.from_pretrained(folder).eval()")?;
            writeln!(text, "tokenizer = AutoTokenizer.from_pretrained(folder)")?;
        }
        Of::Adapter(_) => {
            let (import, base, revision) = match (builtin::names().contains(&facts.experiment.model.id), facts.hub_id())
            {
                (true, _) => ("PeftModel", "folder + \"/base\"".to_string(), String::new()),
                (_, Some(id)) => {
                    let revision =
                        facts.commit.as_ref().map_or(String::new(), |at| format!(", revision={}", json!(at)));
                    ("PeftModel", json!(id).to_string(), revision)
                }
                // A folder of the machine of the run: the configuration has it, and a card that is shown need not.
                _ => {
                    let base = "PeftConfig.from_pretrained(folder).base_model_name_or_path".to_string();
                    ("PeftConfig, PeftModel", base, String::new())
                }
            };
            writeln!(text, "from peft import {import}\nfrom transformers import {class}, AutoTokenizer\n")?;
            writeln!(text, "folder = \".\"  # where this file is")?;
            writeln!(text, "base = {base}")?;
            let head = match facts.experiment.data.task {
                Task::Generation => String::new(),
                Task::Regression => "num_labels=1, problem_type=\"regression\"".to_string(),
                _ => {
                    let name = |(id, name): (usize, &String)| format!("{id}: {}", json!(name));
                    let names: Vec<String> = facts.labels.iter().enumerate().map(name).collect();
                    writeln!(text, "id2label = {{{}}}", names.join(", "))?;
                    writeln!(text, "label2id = {{label: id for id, label in id2label.items()}}")?;
                    format!("num_labels={}, id2label=id2label, label2id=label2id", facts.labels.len())
                }
            };
            if head.is_empty() {
                writeln!(text, "model = {class}.from_pretrained(base{revision})")?;
            } else {
                writeln!(text, "model = {class}.from_pretrained(\n    base{revision},\n    {head},")?;
                writeln!(text, "    ignore_mismatched_sizes=True,  # the adapter brings the head\n)")?;
            }
            writeln!(text, "model = PeftModel.from_pretrained(model.float(), folder).eval()")?;
            writeln!(text, "tokenizer = AutoTokenizer.from_pretrained(base{revision})")?;
        }
    }
    let length = facts.max_length;
    match facts.experiment.data.task {
        Task::Tagging => {
            writeln!(text, "words = [\"some\", \"words\"]")?;
            writeln!(
                text,
                "inputs = tokenizer(words, is_split_into_words=True, truncation=True, max_length={length}, return_tensors=\"pt\")"
            )?;
            writeln!(text, "logits = model(**inputs).logits  # of each token; the first of a word carries its tag")?;
        }
        Task::Generation => {
            writeln!(text, "inputs = tokenizer(\"some prompt\", return_tensors=\"pt\")")?;
            writeln!(
                text,
                "new = model.generate(**inputs, max_new_tokens={})",
                facts.experiment.evaluate.max_new_tokens
            )?;
            writeln!(
                text,
                "print(tokenizer.decode(new[0, inputs[\"input_ids\"].shape[1]:], skip_special_tokens=True))"
            )?;
        }
        _ => {
            let pair = if facts.experiment.data.text_pair.is_some() { ", \"another text\"" } else { "" };
            writeln!(
                text,
                "inputs = tokenizer(\"some text\"{pair}, truncation=True, max_length={length}, return_tensors=\"pt\")"
            )?;
            writeln!(text, "logits = model(**inputs).logits")?;
        }
    }
    writeln!(text, "```\n")
}

fn ranks(text: &mut String, learned: &Learned) -> std::fmt::Result {
    let rank = learned.facts.experiment.lora.rank;
    writeln!(text, "## Ranks\n\n{} parameters of A and B.\n", learned.facts.parameters())?;
    if learned.modules.iter().any(|module| module.joined) {
        writeln!(
            text,
            "The run trained parts of `c_attn` (`query`, `key`, `value`), each with an A and a B of its own. PEFT knows the whole \
             layer alone: here their ranks are added, zeros stand where a part has no B (PEFT counts them as parameters), and the \
             scales are in B, so that `lora_alpha / rank` is 1.\n"
        )?;
    }
    writeln!(text, "| module | rank (of {rank}) | lora_alpha / rank |\n|---|---|---|")?;
    for module in &learned.modules {
        let scale = if module.rank == 0 { "-".into() } else { format!("{:.4}", module.scale) };
        writeln!(text, "| `{}` | {} | {scale} |", in_line(&module.path), module.rank)?;
    }
    writeln!(text)
}

fn runtimes(text: &mut String, passport: &[Entry]) -> std::fmt::Result {
    writeln!(text, "## Where it runs\n\n| program | logits | why | known from |\n|---|---|---|---|")?;
    for entry in passport {
        writeln!(text, "| {} | {} | {} | {} |", entry.runtime, entry.verdict.name(), entry.why, entry.known_from)?;
    }
    writeln!(text)
}

/// Text of a user in Markdown: one line, with no sign that ends code or a cell.
fn in_line(text: &str) -> String {
    shown(text).replace('`', "'").replace('|', "\\|")
}
