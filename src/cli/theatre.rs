//! What the monitor shows beside ranks and scores, for `show` and `watch --once`: as text and as fields of the JSON object.

use crate::experiment::problem::printable;
use crate::experiment::{AllocationSettings, Experiment};
use crate::run::event::Phase;
use crate::run::history::{Curves, Looks, Metric};
use crate::run::machine::Machine;
use crate::run::retrain::words;
use crate::run::settled::stability;
use crate::run::view::{RunView, shares_of_energy};
use crate::search::allocation::resolved;
use crate::search::stability::{Stability, no_change};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

use super::out::bytes;

/// Messages of the log that are told.
const LOG_LINES: usize = 20;

/// What a selection value must reach to be kept, where the rule has such a line.
pub fn line(view: &RunView, settings: Option<&Experiment>) -> Option<f64> {
    view.line(settings.map(|settings| &settings.allocation))
}

/// The choice of allocation that holds, with the threshold that it works with.
fn rule(view: &RunView, settings: Option<&Experiment>) -> Option<AllocationSettings> {
    let said = settings.map(|settings| &settings.allocation);
    view.allocation.as_ref().or(said).map(|choice| resolved(choice, view.rank))
}

/// How settled the search is after its newest snapshot.
fn settled(view: &RunView, settings: Option<&Experiment>) -> Option<Stability> {
    let newest = view.snapshots.len().checked_sub(1)?;
    let patience = settings.map_or(100, |settings| settings.search.stable_steps);
    stability(view, newest, patience, line(view, settings))
}

/// Share of each module in the energy of all; none where the log has no energies.
pub fn energy_shares(view: &RunView) -> Option<Vec<f64>> {
    shares_of_energy(view.modules.iter().map(|module| module.energy.as_slice()))
}

fn path_of(view: &RunView, module: usize) -> String {
    view.modules.get(module).map_or(String::new(), |module| module.path.clone())
}

/// The newest value of every figure that was logged.
fn newest(curves: &Curves) -> Map<String, Value> {
    let of = |metric: Metric| Some((metric.key().to_owned(), json!(curves.last(metric)?.1)));
    Metric::ALL.into_iter().filter_map(of).collect()
}

/// Fields for the object of `show --json`.
pub fn fields(view: &RunView, settings: Option<&Experiment>) -> Map<String, Value> {
    let search = settings.map(|settings| &settings.search);
    let stability = settled(view, settings).map(|found| {
        json!({
            "steps_needed": search.map(|search| search.stable_steps),
            "stops_when_stable": search.map(|search| search.stop_when_stable),
            "steps_since_change": found.since_change,
            "flips_in_100": found.flips,
            "entropy": found.entropy,
            "safe_to_stop": found.verdict.is_safe(),
            "reason": found.verdict.reason(|module| path_of(view, module)),
        })
    });
    let best = view.search.least(Metric::ValidationLoss).map(|(step, value)| json!({"step": step, "value": value}));
    let energy: Option<Map<String, Value>> = energy_shares(view).map(|shares| {
        view.modules.iter().zip(shares).map(|(module, share)| (module.path.clone(), json!(share))).collect()
    });
    let log: Vec<Value> = view
        .log
        .iter()
        .rev()
        .take(LOG_LINES)
        .rev()
        .map(|(time, level, message)| json!({"time": time, "level": level, "message": message}))
        .collect();
    let fields = json!({
        "stability": stability,
        "ended_early": view.stable,
        "figures": {
            "search": newest(&view.search),
            "retrain": newest(&view.retrain),
            "baseline": newest(&view.baseline),
        },
        "best_validation_loss": best,
        "energy_share": energy,
        "allocation": view.allocation,
        "rule": rule(view, settings),
        "line": line(view, settings),
        "parameters_at_rank_4": view.uniform_parameters(4),
        "parameters_at_k": view.uniform_parameters(view.rank),
        "rss_bytes": view.rss_bytes,
        "machine": view.machine,
        "machine_over_all": {
            "host_peak_bytes": view.looks.host_peak_bytes,
            "mean_load": view.looks.load(),
            "worker_mean_cores": view.looks.cores(),
            "gpu_peak_bytes": view.looks.gpu_peak_bytes,
            "gpu_mean_load_percent": view.looks.gpu_load(),
            "gpu_mean_power": view.looks.power(),
            "gpu_hottest": view.looks.hottest,
            "gpu_throttled_share": view.looks.throttled as f64 / view.looks.count.max(1) as f64,
            "last": view.looks.last,
        },
        "search_of": view.inherited,
        "log": log,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The same as lines.
pub fn write(view: &RunView, settings: Option<&Experiment>, is_active: bool, out: &mut impl Write) -> io::Result<()> {
    if view.phase.is_none_or(|phase| phase <= Phase::Search)
        && let Some(found) = settled(view, settings)
    {
        let word = if found.verdict.is_safe() { "safe to stop" } else { "not settled" };
        let since = |steps: usize| match settings {
            Some(settings) => format!("; {}", no_change(steps, settings.search.stable_steps)),
            None => format!("; no change for {steps} steps"),
        };
        let since = found.since_change.map_or(String::new(), since);
        let stops = settings.is_some_and(|settings| settings.search.stop_when_stable);
        let stops = if stops { "; the search ends once they are stable" } else { "" };
        let entropy = found.entropy.map_or(String::new(), |entropy| format!(", entropy {entropy:.3}"));
        let reason = printable(&found.verdict.reason(|module| path_of(view, module)));
        writeln!(out, "ranks    {word}: {reason}{since}, {} flips in 100{entropy}{stops}", found.flips)?;
    }
    if let Some(choice) = rule(view, settings).filter(|_| view.rank > 0) {
        writeln!(out, "rule     {}", words(&choice))?;
    }
    if let Some(reason) = &view.stable {
        writeln!(out, "search   ended early: {}", printable(reason))?;
    }
    let curves = view.curves(view.phase.unwrap_or(Phase::Search));
    let figure = |metric: Metric| Some(format!("{} {}", metric.key(), six_digits(curves.last(metric)?.1)));
    let figures: Vec<String> = Metric::ALL.into_iter().filter_map(figure).collect();
    if is_active && !figures.is_empty() {
        writeln!(out, "figures  {}", figures.join(", "))?;
    }
    if let Some(machine) = &view.machine {
        let words = if is_active { machine_words(machine) } else { machine_over_all(machine, &view.looks) };
        let worker = view.peak_memory().map_or(String::new(), |peak| format!("worker at most {}, ", bytes(peak)));
        writeln!(out, "machine  {worker}{}", printable(&words))?;
    }
    Ok(())
}

/// The end of the log, as the screen has it; times as the log has them, in UTC.
pub fn write_log(view: &RunView, out: &mut impl Write) -> io::Result<()> {
    let first = view.log.len().saturating_sub(LOG_LINES);
    for (time, level, message) in &view.log[first..] {
        let warning = if level == "warning" { "warning: " } else { "" };
        writeln!(out, "log      {} {warning}{}", printable(time), printable(message))?;
    }
    Ok(())
}

/// A figure with six significant digits: nobody reads the rest, and `--json` has it.
fn six_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if rounded == 0.0 || (1e-4..1e7).contains(&size) || !size.is_finite() {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}

/// What the machine did over all of a run.
fn machine_over_all(machine: &Machine, looks: &Looks) -> String {
    let (peak, total) = (bytes(looks.host_peak_bytes), bytes(machine.host_total_bytes));
    let mut words = vec![format!("host memory at most {peak} of {total}")];
    words.extend(looks.load().map(|load| format!("mean load {load:.1} on {} cores", machine.cores)));
    if let Some(gpu) = &machine.gpu {
        words.push(format!("{} at most {} of {}", gpu.name, bytes(looks.gpu_peak_bytes), bytes(gpu.total_bytes)));
        words.extend(looks.gpu_load().map(|percent| format!("mean load {percent:.0} %")));
        words.extend(looks.hottest.map(|degrees| format!("{degrees} C at most")));
    }
    words.join(", ")
}

fn machine_words(machine: &Machine) -> String {
    let mut words = vec![
        format!("host memory {} of {}", bytes(machine.host_used_bytes), bytes(machine.host_total_bytes)),
        format!("load {:.1} on {} cores", machine.load, machine.cores),
    ];
    if let Some(gpu) = &machine.gpu {
        words.push(format!("{} {} of {}", gpu.name, bytes(gpu.used_bytes), bytes(gpu.total_bytes)));
        words.extend(gpu.load_percent.map(|percent| format!("load {percent} %")));
        words.extend(gpu.temperature.map(|degrees| format!("{degrees} C")));
        words.extend(gpu.power.map(|watts| format!("{watts:.0} W")));
        if !gpu.throttled.is_empty() {
            words.push(format!("slowed down by {}", gpu.throttled.join(", ")));
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::ModuleShape;
    use crate::run::view::ModuleView;

    #[test]
    fn every_figure_of_the_screen_is_a_field() {
        let shape = ModuleShape { inputs: 4, outputs: 6 };
        let module = |path: &str, energy: f32| ModuleView {
            path: path.into(),
            shape: shape.clone(),
            alpha: vec![0.7, 0.3],
            energy: vec![energy, 0.0],
            rank: Some(1),
        };
        let mut view = RunView { rank: 2, threshold: Some(0.5), ..RunView::default() };
        view.modules = vec![module("a", 3.0), module("b", 1.0)];
        view.search.plan(10, None);
        view.search.push(1, 0.0, None, [Some(0.9), Some(0.8), Some(1.5), None, None, Some(1e-3), Some(1e-2)]);
        view.snapshots.push(1, None, &[&[0.7, 0.3], &[0.7, 0.3]], &[], &[Some(1), Some(1)]);
        let fields = fields(&view, None);
        assert_eq!(
            fields["figures"]["search"],
            json!({"train_loss": 0.9, "validation_loss": 0.8, "grad_norm": 1.5, "lr": 1e-3, "selection_lr": 1e-2})
        );
        assert_eq!(fields["energy_share"], json!({"a": 0.75, "b": 0.25}));
        assert_eq!(fields["stability"]["safe_to_stop"], json!(false));
        assert_eq!((&fields["parameters_at_rank_4"], &fields["parameters_at_k"]), (&json!(80), &json!(40)));
        assert_eq!(
            [0.123456789, 1e-3, 5.8123456e-11, 123456.789, 2e9, 0.0].map(six_digits),
            ["0.123457", "0.001", "5.81235e-11", "123457", "2e9", "0",]
        );
        let mut text = Vec::new();
        write(&view, None, true, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("not settled: 100 more steps") && text.contains("grad_norm 1.5"), "{text}");
        let mut settings = Experiment::default();
        (settings.search.stop_when_stable, settings.search.stable_steps) = (true, 70);
        let told = super::fields(&view, Some(&settings));
        assert_eq!((&told["rule"]["threshold"], &told["line"]), (&json!(0.5), &json!(0.5)), "1/k, which nobody said");
        assert_eq!(told["stability"]["steps_needed"], json!(70));
        assert_eq!(told["stability"]["stops_when_stable"], json!(true));
        let mut text = Vec::new();
        write(&view, Some(&settings), true, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("no change for 0 of 70 steps") && text.contains("ends once they are stable"), "{text}");
        assert!(text.contains("rule     threshold 0.5\n"), "{text}");
    }
}
