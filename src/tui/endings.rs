//! Which runs ended while the screens were open: what rings.

use super::monitor::Monitor;
use super::runs::RunRow;
use crate::run::view::State;
use std::collections::HashMap;

/// The state in which each run was last seen, by its id.
#[derive(Clone, Debug, Default)]
pub struct Endings {
    seen: HashMap<String, State>,
}

impl Endings {
    /// Takes in a state of a run: a line about its end where it has just ended. What had ended when it was first seen
    /// is no news.
    pub fn see(&mut self, id: &str, name: &str, state: State) -> Option<String> {
        let before = self.seen.insert(id.to_owned(), state)?;
        let was_going = before.is_active() || before == State::Queued;
        (was_going && has_ended(state)).then(|| format!("autolora: {name} {}", words(state)))
    }

    /// Takes in the runs table.
    pub fn see_all(&mut self, rows: &[RunRow]) -> Vec<String> {
        rows.iter().filter_map(|row| self.see(&row.id, &row.name, row.state)).collect()
    }

    /// Takes in the run on the monitor.
    pub fn see_monitor(&mut self, monitor: &Monitor) -> Option<String> {
        let head = monitor.head.as_ref()?;
        self.see(&head.id, &head.name, monitor.state?)
    }
}

/// Ended or died. A pause is neither: whoever asked for it waits for it.
fn has_ended(state: State) -> bool {
    matches!(state, State::Finished | State::Failed | State::Crashed | State::Stopped)
}

fn words(state: State) -> &'static str {
    match state {
        State::Crashed => "died: its worker is gone",
        state => state.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_once_and_only_where_it_was_seen_coming() {
        let mut endings = Endings::default();
        assert_eq!(endings.see("1", "old", State::Finished), None, "at attach");
        assert_eq!(endings.see("2", "new", State::Running), None);
        assert_eq!(endings.see("2", "new", State::Stalled), None);
        assert_eq!(endings.see("2", "new", State::Crashed).unwrap(), "autolora: new died: its worker is gone");
        assert_eq!(endings.see("2", "new", State::Crashed), None);
        assert_eq!(endings.see("2", "new", State::Running), None, "resumed");
        assert_eq!(endings.see("2", "new", State::Finished).unwrap(), "autolora: new finished");
    }

    #[test]
    fn a_pause_and_what_comes_after_it_without_work_do_not_ring() {
        let mut endings = Endings::default();
        for state in [State::Running, State::Paused, State::Stopped] {
            assert_eq!(endings.see("1", "a", state), None, "{state:?}");
        }
        for (state, rings) in [(State::Queued, false), (State::Failed, true), (State::Running, false)] {
            assert_eq!(endings.see("2", "b", state).is_some(), rings, "{state:?}");
        }
    }
}
