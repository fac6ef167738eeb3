//! A card in words: the same on the screen and from the verb.

use crate::experiment::catalogue;
use crate::experiment::encoders::ENCODERS;
use crate::run::preflight::{Card, Verdict, Weight};
use crate::tui::text::{bytes, duration, grouped};

/// A step's or a phase's time: `0.4 ms`, `51 ms`, `2.3 s`, `4 min 05 s`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s => duration(s),
    }
}

/// The first line: how the run would fare, and what it takes in all.
pub fn verdict(card: &Card) -> String {
    let time = card.total_s().map_or(String::new(), |total| format!(": about {} in all", seconds(total)));
    match card.verdict() {
        Verdict::Refused if card.remarks.iter().any(|remark| remark.weight == Weight::Start) => {
            "the run would not start".into()
        }
        Verdict::Refused => "the run would not fit".into(),
        _ if !card.downloads.is_empty() => "ready to start, with a download".into(),
        Verdict::Ready => format!("ready to start{time}"),
        Verdict::Warning => format!("ready to start, with {}{time}", warnings(card.remarks.len())),
    }
}

fn warnings(count: usize) -> String {
    if count == 1 { "a warning".into() } else { format!("{count} warnings") }
}

/// What is known, as (label, text); the times and the histogram are by themselves.
pub fn facts(card: &Card) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if card.parameters.is_none() {
        facts.extend(of_catalogues(card));
    }
    for download in &card.downloads {
        let size = download.bytes.map_or("of unknown size".into(), |size| format!("about {}", bytes(size)));
        facts.push(("download", format!("{}, {size}", download.id)));
    }
    if let Some(unknown) = &card.unknown {
        facts.push(("not known", unknown.clone()));
    } else if !card.downloads.is_empty() && card.parameters.is_none() {
        facts.push(("not known", "parameters, memory, time, disk and lengths, before the download".into()));
    }
    if let Some(p) = &card.parameters {
        let modules = if p.modules == 1 { "1 module".into() } else { format!("{} modules", grouped(p.modules)) };
        let head = if p.head == 0 { String::new() } else { format!(", head {}", grouped(p.head)) };
        let (trained, rank, a, b) = (grouped(p.trainable), p.rank, grouped(p.a), grouped(p.b));
        facts.push(("trained", format!("{trained} at rank {rank} of {modules}: A {a}, B {b}{head}")));
        let (uniform, frozen) = (grouped(p.uniform4), grouped(p.frozen));
        facts.push(("", format!("A and B of uniform rank 4: {uniform}; frozen: {frozen}")));
    }
    if let Some(m) = &card.memory {
        let free = m.free.map_or("what is free is not known".into(), |free| format!("{} free", bytes(free)));
        let [search, retrain, evaluate] = [m.search, m.retrain, m.evaluate].map(bytes);
        facts.push(("memory", format!("search {search}, retrain {retrain}, evaluate {evaluate}; {free}")));
    }
    if let Some(d) = &card.disk {
        let free = d.free.map_or(String::new(), |free| format!("; {} free", bytes(free)));
        let [one, log, adapter] = [d.checkpoint, d.log, d.adapter].map(bytes);
        facts.push(("disk", format!("{} x {one} checkpoints, log {log}, adapter {adapter}{free}", d.checkpoints)));
    }
    if let Some(r) = &card.rows {
        let held = if r.test > 0 { format!("{} held out", grouped(r.test)) } else { "none held out".into() };
        facts.push(("rows", format!("{} to train, {} to validate, {held}", grouped(r.train), grouped(r.validation))));
    }
    if let Some(l) = &card.lengths {
        let cut = match l.longer {
            0 => format!("none over {}", l.max_length),
            _ => format!("{:.1} % over {}", 100.0 * l.share_cut(), l.max_length),
        };
        facts.push(("tokens", format!("50 % up to {}, 90 % {}, 99 % {}, all {}; {cut}", l.p50, l.p90, l.p99, l.max)));
        if l.counted < l.rows {
            facts.push(("", format!("of the first {} of {} rows", grouped(l.counted), grouped(l.rows))));
        }
    }
    facts
}

/// What is known of model and data without a look into them.
fn of_catalogues(card: &Card) -> impl Iterator<Item = (&'static str, String)> {
    let model = ENCODERS.iter().find(|known| known.id == card.model).map(|known| {
        ("model", format!("{}, {} M parameters, {}; {}", known.id, known.parameters, known.family, known.about))
    });
    let data = catalogue::dataset(&card.data).map(|entry| {
        let about = format!("{}, {}, scored by {}; {}", entry.id, entry.task, entry.metric, entry.about);
        ("data", about)
    });
    model.into_iter().chain(data)
}

/// The phases as (name, steps, a step, in all), each in its column.
pub fn times(card: &Card) -> Vec<[String; 4]> {
    let rows = card.phases.iter().map(|phase| {
        let name = match phase.name.as_str() {
            "warmup" => "warm-up",
            "baseline" => "baselines",
            name => name,
        };
        let whole = phase.name == "prepare";
        let (steps, one) =
            if whole { (String::new(), String::new()) } else { (grouped(phase.steps), seconds(phase.step_s)) };
        [name.to_owned(), steps, one, seconds(phase.seconds())]
    });
    rows.collect()
}

/// The histogram as (upper end, rows, share of the fullest bin).
pub fn bars(card: &Card) -> Vec<(u32, usize, f64)> {
    let Some(lengths) = &card.lengths else { return Vec::new() };
    let most = lengths.histogram.iter().map(|(_, rows)| *rows).max().unwrap_or(0).max(1);
    lengths.histogram.iter().map(|(end, rows)| (*end, *rows, *rows as f64 / most as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0.0004, 0.051, 0.9999, 2.34, 65.0, 7500.0].map(seconds);
        assert_eq!(said, ["0.4 ms", "51 ms", "1.0 s", "2.3 s", "1 min 05 s", "2 h 05 min"]);
    }
}
