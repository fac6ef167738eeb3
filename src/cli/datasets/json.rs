//! `autolora datasets show --json`

use super::ShowArgs;
use super::show::Seen;
use crate::data::Part;
use crate::data::columns::Chosen;
use crate::data::profile::Profile;
use crate::experiment::Choice;
use serde_json::{Value, json};

/// Everything that is known of a dataset, as one object.
pub(super) fn of(args: &ShowArgs, seen: &Seen) -> Value {
    let column = |column: &Chosen| json!({"name": column.name, "guessed": column.guessed});
    let Seen { dataset, commit, model, parts, example } = seen;
    let parts: Vec<Value> = parts.iter().map(|(name, part, seen)| of_part(name, part, seen, args.max_length)).collect();
    json!({
        "dataset": args.dataset,
        "commit": commit,
        "task": dataset.task.name(),
        "columns": {
            "text": column(&dataset.columns.text),
            "text_pair": dataset.columns.pair.as_ref().map(column),
            "label": column(&dataset.columns.label),
        },
        "tokenizer": model,
        "max_length": args.max_length,
        "parts": parts,
        "example": example.as_ref().map(|example| example.json()),
    })
}

fn of_part(name: &str, part: &Part, seen: &Profile, max_length: usize) -> Value {
    let l = &seen.lengths;
    let counted = !l.is_empty();
    let long = l.longer_than(max_length);
    let labels: serde_json::Map<String, Value> =
        seen.labels.iter().map(|(label, count)| (label.clone(), json!(count))).collect();
    let first: Vec<String> = part.bad.first.iter().map(ToString::to_string).collect();
    json!({
        "part": name,
        "file": part.file,
        "files": part.files(),
        "sha256": part.sha256,
        "rows": seen.rows,
        "bad_rows": {"count": part.bad.count, "first": first},
        "left_out": (!part.left_out.is_empty()).then(|| part.left_out.to_string()),
        "labels": labels,
        "scores": seen.scores.map(|(min, mean, max)| json!({"min": min, "mean": mean, "max": max})),
        "words": (seen.words > 0).then_some(seen.words),
        "entities": (seen.words > 0).then_some(&seen.entities),
        "messages": (!seen.messages.is_empty()).then_some(&seen.messages),
        "lengths": counted.then(|| json!({
            "min": l.min(), "median": l.quantile(0.5), "p95": l.quantile(0.95), "max": l.max(),
            "histogram": l.histogram(8).iter().map(|(end, count)| json!({"up_to": end, "rows": count})).collect::<Vec<_>>(),
        })),
        "truncated": counted.then_some(long),
        "truncated_share": counted.then_some(long as f64 / seen.rows.max(1) as f64),
        "moved_words": seen.cuts.moved_words,
    })
}
