//! `autolora queue`

use super::CliError;
use super::frame::zone;
use super::out::{Json, called, find, say, table};
use crate::experiment::problem::printable;
use crate::run::queue::{AtDevice, Entry, Queue};
use crate::run::state::status;
use crate::run::view::State;
use crate::tui::text::moment;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

/// Show who has which device and who waits, in order; or change the order
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// Put this waiting run before all others: id, unique beginning of one, name, or `last`
    #[arg(long, value_name = "RUN")]
    first: Option<String>,
    /// How many runs a device of this host takes at once before others wait, e.g. cuda-0=2; 1 without this
    #[arg(long, value_name = "DEVICE=N")]
    slots: Option<String>,
    /// One JSON object: hosts, each with devices and waiting
    #[arg(long)]
    json: bool,
}

pub fn run(args: &QueueArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let home = crate::experiment::home().map_err(|error| CliError::new(1, error, None))?;
    let queues = Queue::all(&home);
    if let (Some(said), Some(here)) = (&args.slots, queues.first()) {
        let (device, slots) = parse_slots(said)?;
        here.set_slots(device, slots)?;
        say(format!("{device} of {} has {slots} {}", here.host(), if slots == 1 { "slot" } else { "slots" }));
    }
    if let Some(wanted) = &args.first {
        put_first(wanted, &queues)?;
    }
    if args.json {
        let hosts = queues.iter().map(of_host).collect::<Result<Vec<Value>, CliError>>()?;
        let hosts: Vec<Value> = hosts.into_iter().filter(|host| !host.is_null()).collect();
        writeln!(out, "{}", Json(json!({ "hosts": hosts })))?;
        return Ok(0);
    }
    if args.first.is_none() && args.slots.is_none() {
        write_text(&queues, out)?;
    }
    Ok(0)
}

fn parse_slots(said: &str) -> Result<(&str, usize), CliError> {
    const MOST: usize = 1000;
    let parsed = said.split_once('=').and_then(|(device, slots)| Some((device.trim(), slots.trim().parse().ok()?)));
    let known = |device: &str| device == "cpu" || device.strip_prefix("cuda-").is_some_and(|rest| !rest.is_empty());
    match parsed {
        Some((device, slots)) if known(device) && (1..=MOST).contains(&slots) => Ok((device, slots)),
        _ => {
            let message = format!("--slots must be DEVICE=N with cpu or cuda-N and 1 to {MOST}, not {:?}", said);
            Err(CliError::new(2, message, Some("autolora queue lists the devices by name".into())))
        }
    }
}

fn put_first(wanted: &str, queues: &[Queue]) -> Result<(), CliError> {
    let run = find(wanted)?;
    let Some((here, others)) = queues.split_first() else { return Ok(()) };
    if here.put_first(run.id())? {
        say(format!("run {} is first in the queue", called(&run)));
        return Ok(());
    }
    let elsewhere = others.iter().find(|queue| queue.look().is_ok_and(|listing| listing.place(run.id()).is_some()));
    let state = status(&run)?.state;
    let (message, advice) = match (elsewhere, state) {
        (Some(queue), _) => {
            (format!("run {} waits on {}", called(&run), queue.host()), "change the order on that host".into())
        }
        (None, State::Running) => (format!("run {} does not wait: it is at work", called(&run)), String::new()),
        (None, state) => {
            let advice = match state {
                State::Finished => String::new(),
                _ => format!("autolora resume {} --queue puts it into the queue", run.id()),
            };
            (format!("run {} does not wait: it is {}", called(&run), state.name()), advice)
        }
    };
    Err(CliError::new(1, message, Some(advice).filter(|advice| !advice.is_empty())))
}

/// A host as JSON; null where it has neither devices nor waiting runs.
fn of_host(queue: &Queue) -> Result<Value, CliError> {
    let listing = queue.look()?;
    if listing.devices.is_empty() && listing.waiting.is_empty() {
        return Ok(Value::Null);
    }
    let entry = |entry: &Entry| json!({"run": entry.run, "name": entry.name, "pid": entry.pid, "since": entry.since});
    let device = |device: &AtDevice| {
        json!({
            "device": device.device,
            "slots": device.slots,
            "at_work": device.at_work.iter().map(entry).collect::<Vec<_>>(),
        })
    };
    let waiting = |one: &Entry| {
        let mut json = entry(one);
        json["devices"] = json!(one.devices);
        json["place"] = json!(listing.place(&one.run));
        json
    };
    Ok(json!({
        "host": queue.host(),
        "devices": listing.devices.iter().map(device).collect::<Vec<_>>(),
        "waiting": listing.waiting.iter().map(waiting).collect::<Vec<_>>(),
    }))
}

fn write_text(queues: &[Queue], out: &mut impl Write) -> Result<(), CliError> {
    let mut rows = vec![["device", "place", "id", "name", "since"].map(String::from).to_vec()];
    let zone = zone();
    let several = queues.iter().filter(|queue| queue.look().is_ok_and(|l| !l.devices.is_empty())).count() > 1;
    let row = |device: String, place: String, entry: Option<&Entry>| {
        let text = |of: fn(&Entry) -> &str| entry.map_or(String::new(), |entry| printable(of(entry)));
        let since = entry.map_or(String::new(), |entry| moment(&entry.since, &zone));
        vec![device, place, text(|entry| &entry.run), text(|entry| &entry.name), since]
    };
    for queue in queues {
        let listing = queue.look()?;
        let named = |device: &str| if several { format!("{} {device}", queue.host()) } else { device.to_owned() };
        for AtDevice { device, slots, at_work } in &listing.devices {
            rows.extend(at_work.iter().map(|entry| row(named(device), "at work".into(), Some(entry))));
            let free = slots.saturating_sub(at_work.len());
            match free {
                0 => {}
                1 => rows.push(row(named(device), "free".into(), None)),
                free => rows.push(row(named(device), format!("{free} free"), None)),
            }
        }
        for entry in &listing.waiting {
            let place = listing.place(&entry.run).map_or(String::new(), |place| place.to_string());
            rows.push(row(named(&entry.devices.join(" or ")), place, Some(entry)));
        }
    }
    if rows.len() > 1 {
        table(out, &rows)?;
    } else {
        say("no run is at work, and none waits");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_said_by_device_and_number() {
        assert_eq!(parse_slots("cuda-0=2").ok(), Some(("cuda-0", 2)));
        assert_eq!(parse_slots("cpu = 3").ok(), Some(("cpu", 3)));
        for wrong in ["cpu", "cpu=0", "cpu=x", "=2", "gpu=2", "cuda-=2", "cpu=100000", "../x=2"] {
            assert!(matches!(parse_slots(wrong), Err(CliError::Told { code: 2, .. })), "{wrong}");
        }
    }

    #[test]
    fn free_slots_take_one_line() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::new(home.path(), "here");
        queue.set_slots("cpu", 1000).unwrap();
        let mut out = Vec::new();
        write_text(&[queue], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() <= 2 && text.contains("1000 free"), "{text}");
    }
}
