//! What speaks against a run, from the numbers of its card.

use super::card::{Card, Remark, Weight};
use crate::experiment::{Experiment, SETTINGS, Task};
use crate::run::pipeline::sized;

/// Shares of what is free from which it is near, and of the rows that may be cut without a word.
const NEAR: f64 = 0.9;
const MAY_BE_CUT: f64 = 0.05;
/// Steps of a search below which its ranks say little, and hours after which somebody wants to know before.
const FEW_STEPS: usize = 50;
const MANY_HOURS: f64 = 24.0;

/// A setting that saves memory, and what it brings.
pub type Saver = (&'static str, String);

/// Every remark on a card whose numbers are in.
pub fn judge(card: &Card, experiment: &Experiment, savers: &[Saver]) -> Vec<Remark> {
    let remarks =
        [memory(card, savers), disk(card, experiment), cuts(card, experiment), few_steps(card, experiment), long(card)];
    let mut remarks: Vec<Remark> = remarks.into_iter().flatten().collect();
    remarks.sort_by_key(|remark| remark.weight);
    remarks
}

fn remark(weight: Weight, key: &str, message: String, help: String) -> Remark {
    Remark { weight, message, help, key: (!key.is_empty()).then(|| key.to_owned()) }
}

fn memory(card: &Card, savers: &[Saver]) -> Option<Remark> {
    let memory = card.memory?;
    let (peak, free) = (memory.peak(), memory.free?);
    let phases = [("search", memory.search), ("retraining", memory.retrain), ("evaluation", memory.evaluate)];
    let (phase, _) = phases.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    let help = savers.iter().map(|(_, help)| help.as_str()).collect::<Vec<_>>().join("; ");
    let key = savers.first().map_or("", |(key, _)| key);
    let (peak_words, free_words) = (sized(peak), sized(free));
    if peak > free {
        let message = format!("{phase} may need {peak_words} of memory, {free_words} are free");
        return Some(remark(Weight::Fit, key, message, help));
    }
    (peak as f64 > NEAR * free as f64).then(|| {
        let message = format!("{phase} may need {peak_words} of the {free_words} of memory that are free");
        remark(Weight::Warning, key, message, help)
    })
}

fn disk(card: &Card, experiment: &Experiment) -> Option<Remark> {
    let disk = card.disk?;
    let (needed, free) = (disk.needed(), disk.free?);
    let (needed_words, free_words) = (sized(needed), sized(free));
    let (key, help) = match experiment.runtime.keep_checkpoints {
        0 | 1 => ("", "AUTOLORA_HOME moves the runs to another disk".to_owned()),
        _ => {
            let help = format!(
                "runtime.keep_checkpoints = 1 saves {}; AUTOLORA_HOME moves the runs to another disk",
                sized(disk.checkpoint * disk.checkpoints.saturating_sub(2) as u64)
            );
            ("runtime.keep_checkpoints", help)
        }
    };
    if needed > free {
        let message = format!("the run writes about {needed_words}, {free_words} of the disk are free");
        return Some(remark(Weight::Fit, key, message, help));
    }
    (needed as f64 > NEAR * free as f64).then(|| {
        let message = format!("the run writes about {needed_words} of the {free_words} that the disk has free");
        remark(Weight::Warning, key, message, help)
    })
}

fn cuts(card: &Card, experiment: &Experiment) -> Option<Remark> {
    let lengths = card.lengths.as_ref()?;
    let share = lengths.share_cut();
    if share <= MAY_BE_CUT {
        return None;
    }
    let what = if experiment.data.task == Task::Tagging { "go on in further rows" } else { "are cut" };
    let max = lengths.max_length;
    let message = format!("{:.1} % of the rows are longer than {max} tokens and {what}", 100.0 * share);
    let fit = format!("90 % of the rows have up to {} tokens, 99 % up to {}", lengths.p90, lengths.p99);
    Some(match max < experiment.data.max_length {
        true => remark(Weight::Warning, "model.id", message, format!("{fit}; this model has no places for more")),
        false => remark(Weight::Warning, "data.max_length", message, format!("{fit}; raise data.max_length")),
    })
}

fn few_steps(card: &Card, experiment: &Experiment) -> Option<Remark> {
    let steps = card.phase("search")?.steps;
    if steps >= FEW_STEPS {
        return None;
    }
    let key = if experiment.search.steps.is_some() { "search.steps" } else { "search.epochs" };
    let message = format!("the search has {steps} step{}", if steps == 1 { "" } else { "s" });
    Some(remark(
        Weight::Warning,
        key,
        message,
        format!("ranks of fewer than {FEW_STEPS} steps say little; raise {key}"),
    ))
}

fn long(card: &Card) -> Option<Remark> {
    let seconds = card.total_s()?;
    if seconds <= MANY_HOURS * 3600.0 {
        return None;
    }
    let longest = card.phases.iter().max_by(|a, b| a.seconds().total_cmp(&b.seconds()))?;
    let key = match longest.name.as_str() {
        "search" => "search.epochs",
        "retrain" | "baseline" => "retrain.epochs",
        "evaluate" => "evaluate.batch_size",
        _ => "",
    };
    let hours = seconds / 3600.0;
    let message =
        format!("the whole takes about {hours:.0} h; {} alone {:.0} h", longest.name, longest.seconds() / 3600.0);
    let help = if key.is_empty() { String::new() } else { format!("{key} is the setting to change") };
    Some(remark(Weight::Warning, key, message, help))
}

/// A fault that ended the trial.
pub fn fault(message: &str, advice: &str) -> Remark {
    let key = setting_in(advice).or_else(|| setting_in(message)).unwrap_or("");
    remark(Weight::Start, key, message.to_owned(), advice.to_owned())
}

/// A warning of `prepare`.
pub fn warning(message: &str) -> Remark {
    remark(Weight::Warning, setting_in(message).unwrap_or(""), message.to_owned(), String::new())
}

/// The first setting that a text names.
fn setting_in(text: &str) -> Option<&'static str> {
    let named = SETTINGS.iter().filter_map(|setting| Some((text.find(setting.key)?, setting.key)));
    // Of names that begin at the same place, the longest is meant.
    named.min_by_key(|(at, key)| (*at, usize::MAX - key.len())).map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::super::card::{Disk, Lengths, Memory, PhaseTime};
    use super::*;

    fn card() -> Card {
        let phase = |name: &str, steps| PhaseTime { name: name.into(), steps, step_s: 1.0, timed: 3 };
        Card {
            memory: Some(Memory { search: 800, free: Some(1000), ..Memory::default() }),
            disk: Some(Disk { checkpoint: 100, checkpoints: 3, log: 10, adapter: 10, free: Some(1000) }),
            phases: vec![phase("search", 300), phase("retrain", 100)],
            lengths: Some(Lengths { counted: 100, longer: 5, max_length: 64, p90: 70, p99: 99, ..Lengths::default() }),
            ..Card::default()
        }
    }

    /// Whether each remark refuses, and its setting.
    fn of(card: &Card) -> Vec<(bool, Option<String>)> {
        let mut experiment = Experiment::default();
        experiment.data.max_length = 64;
        let savers = [("runtime.micro_batch", "less".to_owned())];
        judge(card, &experiment, &savers).into_iter().map(|remark| (remark.refuses(), remark.key)).collect()
    }

    fn key(key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    #[test]
    fn what_is_well_within_its_bounds_is_not_remarked_upon() {
        assert_eq!(of(&card()), []);
    }

    #[test]
    fn memory_and_disk_refuse_where_they_do_not_suffice_and_warn_where_it_is_near() {
        for (bytes, expected) in [(900, None), (901, Some(false)), (1000, Some(false)), (1001, Some(true))] {
            let mut tight = card();
            tight.memory = Some(Memory { retrain: bytes, free: Some(1000), ..Memory::default() });
            let found: Vec<_> = expected.map(|refuses| (refuses, key("runtime.micro_batch"))).into_iter().collect();
            assert_eq!(of(&tight), found, "memory {bytes}");
            let mut full = card();
            full.disk = Some(Disk { checkpoint: 0, checkpoints: 3, log: bytes, adapter: 0, free: Some(1000) });
            let found: Vec<_> =
                expected.map(|refuses| (refuses, key("runtime.keep_checkpoints"))).into_iter().collect();
            assert_eq!(of(&full), found, "disk {bytes}");
        }
    }

    #[test]
    fn cut_rows_short_searches_and_long_runs_are_said_with_their_setting() {
        let mut bad = card();
        if let Some(lengths) = &mut bad.lengths {
            lengths.longer = 6;
        }
        bad.phases[0].steps = 49;
        bad.phases[1].step_s = 864.0;
        let expected = ["data.max_length", "search.epochs", "retrain.epochs"].map(|name| (false, key(name)));
        assert_eq!(of(&bad), expected);
    }

    #[test]
    fn a_fault_names_the_setting_that_its_advice_names() {
        let fault = fault("there is no device", "set runtime.device to auto or cpu");
        assert_eq!((fault.refuses(), fault.key), (true, key("runtime.device")));
        assert_eq!(setting_in("search.weights.lr is high"), Some("search.weights.lr"));
        assert_eq!(setting_in("nothing of the kind"), None);
    }
}
