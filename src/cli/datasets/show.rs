//! `autolora datasets show`

use super::example::{self, Shown};
use super::{ShowArgs, failed, find, json};
use crate::cli::CliError;
use crate::cli::out::{Json, say};
use crate::data::chat::Row;
use crate::data::hub::{Download, Hub};
use crate::data::profile::{Profile, UNCUT, parts, profile};
use crate::data::{Content, Counted, Dataset, DialogueEncoder, Encode, Part, TextEncoder};
use crate::experiment::problem::printable;
use crate::experiment::{BUILTIN_DEMO, BUILTIN_GENERATION, Task};
use crate::model::source::tokenizer;
use crate::run::base::chat_template_of;
use crate::train::metrics::{Scheme, entities};
use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// What is known of a dataset.
pub(super) struct Seen<'a> {
    pub dataset: &'a Dataset,
    pub commit: Option<String>,
    /// The model whose tokens are counted; none where no text can be made of the rows.
    pub model: Option<&'a str>,
    pub parts: Vec<(String, &'a Part, Profile)>,
    /// The first row, of generation.
    pub example: Option<Shown>,
}

pub(super) fn show(args: &ShowArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let hub = Hub::from_env();
    let mut told = Instant::now();
    let mut progress = move |Download { file, done, total }: Download| {
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            say(format!("downloading {}: {:.1} of {:.1} MB", printable(file), done as f64 / 1e6, total as f64 / 1e6));
        }
        ControlFlow::Continue(())
    };
    let (settings, sources) = find(args, &hub, &mut progress).map_err(failed)?;
    let (commit, about) = (sources.commit.clone(), sources.about.clone());
    let dataset = Dataset::load(&settings, sources, None).map_err(failed)?;
    let writes = dataset.task == Task::Generation;
    let model = args.model.as_deref().unwrap_or(if writes { BUILTIN_GENERATION } else { BUILTIN_DEMO });
    let template = match writes {
        true => chat_template_of(model, &hub).map_err(|error| CliError::new(1, error, None))?,
        false => None,
    };
    let first = if writes { dataset.train.first().map_err(failed)? } else { None };
    // Only a template makes a text of a conversation: without one there is nothing to count.
    let is_chat = matches!(&first, Some(first) if matches!(first.content, Content::Instruction(Row::Chat(_))));
    let encoders = if is_chat && template.is_none() {
        None
    } else {
        let (file, notice) =
            tokenizer(model, None, &hub, &mut progress).map_err(|error| CliError::new(1, error, None))?;
        notice.into_iter().for_each(|notice| say(printable(&notice)));
        let encoder = |length| -> Result<Box<dyn Encode>, CliError> {
            if !writes {
                return Ok(Box::new(TextEncoder::new(&file.name, &file.bytes, length).map_err(failed)?));
            }
            let how = (None, length, Counted::Reply);
            let encoder = DialogueEncoder::new(&file.name, &file.bytes, how).map_err(failed)?;
            Ok(Box::new(match &template {
                Some(template) => encoder.with_template(template.clone(), ""),
                None => encoder,
            }))
        };
        Some((encoder(UNCUT)?, encoder(args.max_length)?))
    };
    let pair = encoders.as_ref().map(|(whole, cut)| (whole.as_ref(), cut.as_ref()));
    let kinds = |tags: &[&str]| entities(tags, Scheme::Default).into_iter().map(|(kind, _)| kind.to_owned()).collect();
    let mut seen = Vec::new();
    for (name, part) in parts(&dataset) {
        let profile = profile(part, &dataset.labels, pair, args.max_length, kinds).map_err(failed)?;
        seen.push((name, part, profile));
    }
    let seen = Seen {
        dataset: &dataset,
        commit,
        model: encoders.as_ref().map(|_| model),
        parts: seen,
        example: first.as_ref().and_then(|first| example::of(first, template.as_ref())),
    };
    if args.json {
        writeln!(out, "{}", Json(json::of(args, &seen)))?;
        return Ok(0);
    }
    if !about.is_empty() {
        writeln!(out, "{}, commit {}", printable(&about), seen.commit.as_deref().unwrap_or_default())?;
    }
    write_columns(&dataset, out)?;
    let tokens = match (seen.model, args.model.as_deref()) {
        (Some(model), Some(_)) => format!("tokens of {}", printable(model)),
        (Some(model), None) => format!("tokens of {model} (--model counts as another model does)"),
        (None, Some(model)) => {
            format!(
                "tokens are not counted: {} has no chat template to make a text of a conversation",
                printable(model)
            )
        }
        (None, None) => "tokens are not counted: the template of --model MODEL makes the text of a conversation".into(),
    };
    writeln!(out, "task   {}\n{tokens}", dataset.task)?;
    for doubt in dataset.doubts() {
        writeln!(out, "note   {}", printable(&doubt))?;
    }
    for (name, part, profile) in &seen.parts {
        writeln!(out)?;
        write_part(name, part, profile, args.max_length, out)?;
    }
    if let Some(example) = &seen.example {
        writeln!(out)?;
        example.write(out)?;
    }
    Ok(0)
}

/// Which columns are read, or that rows are read whole.
fn write_columns(dataset: &Dataset, out: &mut impl Write) -> std::io::Result<()> {
    let columns = &dataset.columns;
    if let Some(form) = &columns.form {
        return writeln!(out, "{}", printable(&form.notice()));
    }
    let all = [("text", Some(&columns.text)), ("pair", columns.pair.as_ref()), ("label", Some(&columns.label))];
    for (what, column) in all.into_iter().filter_map(|(what, column)| Some((what, column?))) {
        let guessed = if column.guessed { " (by its name)" } else { "" };
        writeln!(out, "{what:6} {}{guessed}", printable(&column.name))?;
    }
    Ok(())
}

fn write_part(name: &str, part: &Part, seen: &Profile, max_length: usize, out: &mut impl Write) -> std::io::Result<()> {
    let more = match part.files() {
        0 | 1 => String::new(),
        files => format!(" and {} more", files - 1),
    };
    writeln!(out, "{name}: {} rows, {}{more}", seen.rows, printable(&part.file))?;
    if part.bad.count > 0 {
        writeln!(out, "  {} broken rows; the first: {}", part.bad.count, printable(&part.bad.first[0].to_string()))?;
    }
    if !part.left_out.is_empty() {
        writeln!(out, "  left out: {}", printable(&part.left_out.to_string()))?;
    }
    let share = |count: usize, all: usize| 100.0 * count as f64 / all.max(1) as f64;
    if let Some((min, mean, max)) = seen.scores {
        writeln!(out, "  scores from {min} to {max}, mean {mean:.3}")?;
    }
    if seen.words > 0 {
        writeln!(out, "  {} words", seen.words)?;
        for (kind, count) in &seen.entities {
            writeln!(out, "  {count:>9}  entities {}", printable(kind))?;
        }
    } else {
        for (label, count) in &seen.labels {
            writeln!(out, "  {count:>9}  {:4.1} %  {}", share(*count, seen.rows), printable(label))?;
        }
    }
    for (role, count) in &seen.messages {
        writeln!(out, "  {count:>9}  messages of {}", printable(role))?;
    }
    let l = &seen.lengths;
    if l.is_empty() {
        return Ok(());
    }
    let (median, p95) = (l.quantile(0.5), l.quantile(0.95));
    writeln!(out, "  tokens: min {}, median {median}, 95 % up to {p95}, max {}", l.min(), l.max())?;
    let bins = l.histogram(8);
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (end, count) in bins {
        let bar = "#".repeat((count * 40).div_ceil(most));
        writeln!(out, "  {end:>9}  {bar:40} {count}")?;
    }
    let long = l.longer_than(max_length);
    writeln!(out, "  longer than {max_length} tokens: {long} rows ({:.2} %)", share(long, seen.rows))?;
    if seen.cuts.split > 0 {
        let (moved, rows) = (seen.cuts.moved_words, seen.cuts.split);
        writeln!(out, "  no word is lost: {moved} words of {rows} sentences go on in further rows")?;
    }
    Ok(())
}
