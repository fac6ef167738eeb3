//! Keys on the monitor.

use super::scene::Scene;
use super::{Curve, Go, Monitor, Pane, WhatIf};
use crate::experiment::{Choice, Task};
use crate::run::retrain::words;
use crate::run::view::State;
use crate::tui::input::LineInput;
use crate::tui::keys::Action;
use crate::tui::model::{Asked, Model, Popup, Then, moved};
use crate::tui::msg::Effect;

/// Why there is nothing to look at of the search.
const NOTHING_YET: &str = "no selection values yet: the search begins with its warm-up";

/// An action on the monitor.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let columns = model.size.0;
    let Some(monitor) = model.monitor() else { return Vec::new() };
    match action {
        Action::EarlierStep => return monitor.go(Go::Back),
        Action::LaterStep => return monitor.go(Go::Forward),
        Action::Earlier => return monitor.go(Go::LongBack),
        Action::Later => return monitor.go(Go::LongForward),
        Action::Now => return monitor.go(Go::Now),
        Action::Replay => return monitor.play(),
        Action::Mark => monitor.mark(),
        Action::Jump => {
            let step = monitor.shown().and_then(|index| monitor.view.snapshots.step(index));
            let input = LineInput::offering(&step.map_or(String::new(), |step| step.to_string()));
            let text = "Step of the search to show:".into();
            model.popups.push(Popup::Prompt { title: "Jump", text, input, then: Asked::Step });
        }
        Action::Changes => model.popups.push(Popup::Changes { scroll: 0 }),
        Action::WhatIf => {
            let choice = monitor.allocation();
            let selection = monitor.selection_kind();
            monitor.what_if = Some(WhatIf::new(&choice, selection, monitor.view.rank.max(1)));
            (monitor.focus, monitor.full) = (Pane::Map, false);
        }
        Action::NextPane | Action::PreviousPane => monitor.turn_focus(action == Action::NextPane, columns),
        Action::Full => monitor.full = !monitor.full,
        Action::Curve => {
            monitor.curve = match (monitor.curve, monitor.view.baseline.is_empty()) {
                (Curve::Present, _) => Curve::Search,
                (Curve::Search, _) => Curve::Retrain,
                (Curve::Retrain, false) => Curve::Baseline,
                _ => Curve::Present,
            };
            monitor.figures.reset();
        }
        Action::Figures
        | Action::Axis
        | Action::LogScale
        | Action::Smoothing
        | Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomAll => on_figures(monitor, action, columns),
        Action::Filter => {
            (monitor.focus, monitor.log.typing, monitor.log.scroll) = (Pane::Log, true, 0);
        }
        Action::Accept => monitor.log.typing = false,
        Action::Cancel => {
            monitor.log.filter = LineInput::default();
            monitor.log.typing = false;
        }
        moving => move_in_pane(monitor, moving, columns),
    }
    Vec::new()
}

fn on_figures(monitor: &mut Monitor, action: Action, columns: u16) {
    // Where another pane has their place, they take it: what a key does is seen.
    let is_narrow = columns < super::view::WIDE;
    if monitor.full || is_narrow && !matches!(monitor.focus, Pane::Map | Pane::Log) {
        monitor.focus = Pane::Figures;
    }
    let curves = monitor.view.curves(super::figures::phase_of(monitor.shown_curve()));
    match action {
        Action::Figures => monitor.figures.next_group(curves),
        Action::Axis => monitor.figures.next_axis(curves),
        Action::LogScale => monitor.figures.lens.log = !monitor.figures.lens.log,
        Action::Smoothing => monitor.figures.lens.smoothe(),
        Action::ZoomIn => monitor.figures.zoom(true, curves),
        Action::ZoomOut => monitor.figures.zoom(false, curves),
        _ => monitor.figures.reset(),
    }
}

/// Arrows and their like, in the pane that has the focus.
fn move_in_pane(monitor: &mut Monitor, action: Action, columns: u16) {
    match monitor.focus {
        Pane::Figures => {
            let curves = monitor.view.curves(super::figures::phase_of(monitor.shown_curve()));
            match action {
                Action::Left | Action::Right => {
                    monitor.figures.move_cursor(action == Action::Right, curves, columns);
                }
                Action::Up => monitor.figures.zoom(true, curves),
                Action::Down => monitor.figures.zoom(false, curves),
                _ => {}
            }
        }
        Pane::Log => {
            let last = monitor.messages().len().saturating_sub(1);
            // Up is into the past, away from the end.
            let turned = match action {
                Action::Up => Action::Down,
                Action::Down => Action::Up,
                Action::PageUp => Action::PageDown,
                Action::PageDown => Action::PageUp,
                Action::First => Action::Last,
                Action::Last => Action::First,
                other => other,
            };
            monitor.log.scroll = moved(monitor.log.scroll, last + 1, turned);
        }
        _ => {
            let (row, column) = monitor.cursor;
            match action {
                Action::Left => monitor.cursor.1 = column.saturating_sub(1),
                Action::Right => monitor.cursor.1 = (column + 1).min(monitor.grid.kinds.len().saturating_sub(1)),
                moving => monitor.cursor.0 = moved(row, monitor.grid.layers.len(), moving),
            }
        }
    }
}

/// An action while a choice is tried.
pub fn act_what_if(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(monitor) = model.monitor() else { return Vec::new() };
    let (k, cost) = (monitor.view.rank, monitor.cheapest());
    let Some(what_if) = &mut monitor.what_if else { return Vec::new() };
    match action {
        Action::Left => what_if.shift(-1.0, k, cost),
        Action::Right => what_if.shift(1.0, k, cost),
        Action::PageDown => what_if.shift(-10.0, k, cost),
        Action::PageUp => what_if.shift(10.0, k, cost),
        Action::Up => what_if.turn(false),
        Action::Down => what_if.turn(true),
        Action::Edit => {
            let input = LineInput::offering(&what_if.typed());
            let text = "Threshold, or budget (a whole number is parameters, a decimal the mean rank):".into();
            model.popups.push(Popup::Prompt { title: "Value", text, input, then: Asked::Threshold });
        }
        Action::Cancel => monitor.what_if = None,
        Action::Accept => return keep(model),
        other => return act(model, other),
    }
    Vec::new()
}

/// Keeps the choice that is tried: for the allocation to come, or for a new run that takes this search.
fn keep(model: &mut Model) -> Vec<Effect> {
    let Some(monitor) = model.monitor() else { return Vec::new() };
    let Some(choice) = monitor.what_if.as_ref().map(WhatIf::choice) else { return Vec::new() };
    if let Some(step) = monitor.past_step() {
        model.complain(format!(
            "these are the ranks of step {step}, a run takes those of the end: . shows them, then Enter keeps"
        ));
        return Vec::new();
    }
    let run = monitor.head.as_ref().map_or(&monitor.run, |head| &head.id).clone();
    let name = monitor.head.as_ref().map_or(&monitor.run, |head| &head.name).clone();
    if !monitor.view.allocated {
        monitor.what_if = None;
        if let Some(settings) = monitor.head.as_mut().and_then(|head| head.settings.as_mut()) {
            settings.allocation = choice.clone();
        }
        return vec![Effect::ChooseAllocation { run, choice }];
    }
    if !monitor.view.snapshots.is_empty() && monitor.state != Some(State::Running) {
        let (modules, words) = (monitor.view.modules.len(), words(&choice));
        let text = if Scene::of(monitor).changes() == 0 {
            format!(
                "By {words} no rank is another than those of {name}: 0 of {modules} modules differ, and a new run would retrain with the same ranks. Start one all the same?"
            )
        } else {
            format!(
                "The ranks of {name} are allocated. Start a new run that takes its search as it is, allocates by {words}, and retrains?"
            )
        };
        let then = Then::Effect(Effect::Retrain { run, choice });
        model.popups.push(Popup::Confirm { title: "Retrain", text, then });
        return Vec::new();
    }
    model.complain("the ranks are allocated and the run is at work: try again once it has ended");
    Vec::new()
}

/// Why a run in some state is not controlled in a way.
pub fn why_no_control(action: Action, state: Option<State>) -> Option<&'static str> {
    Some(match action {
        Action::Pause => "only a run that is at work can be paused",
        Action::Stop => "no worker is at it",
        Action::Resume if state == Some(State::Finished) => "the run is finished",
        Action::Resume => "a worker is at it already",
        _ => return None,
    })
}

impl Monitor {
    /// Why an action does nothing now, where that is not plain to see.
    pub fn why_not(&self, action: Action) -> Option<&'static str> {
        Some(match action {
            Action::Samples if self.view.task == Task::Generation.name() => {
                "no texts yet: samples are written while the run is evaluated"
            }
            Action::Samples => "there are no samples: only runs that generate text write some",
            Action::Parent => "this run made its own search",
            Action::Changes => "no moment is marked: m marks the one that is shown",
            Action::WhatIf | Action::EarlierStep | Action::LaterStep | Action::Earlier | Action::Later => NOTHING_YET,
            Action::Replay | Action::Mark | Action::Jump => NOTHING_YET,
            Action::Resume if self.state == Some(State::Finished) => {
                "the run is finished: w tries another rule, and retrains with it"
            }
            action => return why_no_control(action, self.state),
        })
    }

    /// Takes a step or a value that was typed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn say_step(&mut self, text: &str) -> Result<Vec<Effect>, String> {
        match text.trim().parse::<usize>() {
            Ok(step) if !self.view.snapshots.is_empty() => {
                let of = |index: usize| self.view.snapshots.step(index).unwrap_or(0);
                let (first, last) = (of(0), of(self.view.snapshots.len() - 1));
                if (first..=last).contains(&step) {
                    Ok(self.go(Go::To(step)))
                } else {
                    Err(format!("the search has steps {first} to {last} so far, not {step}"))
                }
            }
            Ok(_) => Err("there are no selection values yet to jump to".into()),
            Err(_) => Err(format!("a step is a whole number, not {:?}", text.trim())),
        }
    }
}
