//! From a line of `events.jsonl` to a record. Nearly all of a long log are steps and selections; those are read without the detour
//! that any type of event needs, which makes them several times as fast.

use super::event::{Event, Record};
use serde::Deserialize;
use std::borrow::Cow;

/// What every line has.
#[derive(Deserialize)]
struct Envelope<'a> {
    seq: u64,
    time: String,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The record of a line, without its newline.
///
/// # Errors
/// A line that is no record.
pub fn parse(line: &[u8]) -> serde_json::Result<Record> {
    let Envelope { seq, time, kind } = serde_json::from_slice(line)?;
    let event = match kind.as_ref() {
        "step" => Event::Step(serde_json::from_slice(line)?),
        "selection" => Event::Selection(serde_json::from_slice(line)?),
        _ => serde_json::from_slice(line)?,
    };
    Ok(Record { seq, time, event })
}

#[cfg(test)]
mod tests {
    use super::super::event::{Energy, Phase, Ranks, Selected, Selection, Step};
    use super::*;
    use proptest::prelude::*;

    fn same(record: &Record) {
        let line = serde_json::to_vec(record).unwrap();
        assert_eq!(parse(&line).unwrap(), serde_json::from_slice(&line).unwrap());
        assert_eq!(&parse(&line).unwrap(), record);
    }

    proptest! {
        #[test]
        fn steps_and_selections_are_read_as_they_were_written(
            step in 0usize..1_000_000,
            loss in -1e9f64..1e9,
            other in prop::option::of(0.0f64..1e9),
            tokens in prop::option::of(any::<u64>()),
            values in prop::collection::vec(-1e6f32..1e6, 0..9),
        ) {
            let record = |event| Record { seq: 7, time: "2026-01-01T00:00:00.000Z".into(), event };
            same(&record(Event::Step(Step {
                validation_loss: other,
                selection_lr: other,
                tokens,
                grad_norm: other,
                mixed_norm: other,
                ..Step::new(Phase::Search, step, loss, 1e-3)
            })));
            let modules = Selection::from([("a.0.q".into(), values.clone()), ("größe".into(), Vec::new())]);
            let ranks = Ranks::from([("a.0.q".into(), step)]);
            let energy = if step % 2 == 0 { modules.clone() } else { Energy::new() };
            same(&record(Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy })));
        }
    }

    #[test]
    fn other_types_and_broken_lines_are_as_before() {
        let checkpoint = Event::Checkpoint { phase: Phase::Search, step: 3 };
        same(&Record { seq: 1, time: "t".into(), event: checkpoint });
        let unknown = br#"{"seq":1,"time":"t","type":"from_the_future","x":1}"#;
        assert_eq!(parse(unknown).unwrap().event, Event::Unknown);
        let escaped = br#"{"seq":1,"time":"t","type":"from\u0041","x":1}"#;
        assert_eq!(parse(escaped).unwrap().event, Event::Unknown);
        for broken in [&b"not json"[..], b"{\"seq\":1}", b"{\"seq\":1,\"time\":\"t\",\"type\":\"step\"}", b"\0\0"] {
            assert!(parse(broken).is_err());
        }
    }
}
