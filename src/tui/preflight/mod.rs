//! The card before the start: what the run would take, and whether to start it.

mod child;
mod view;
pub mod words;

pub use child::Flight;
pub use view::lines;

use super::form;
use super::keys::Action;
use super::model::{Model, Popup, moved};
use super::msg::Effect;
use crate::run::lifecycle::When;
use crate::run::preflight::Card;

/// The popup.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// Which preflight it is: what an earlier one says is not for it.
    pub number: u64,
    pub stage: Stage,
    /// Who uses the device, where it has no free slot.
    pub crowd: Option<String>,
    /// The first line that is shown.
    pub scroll: usize,
}

/// How far it is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// At work; what it does now.
    Working(String),
    Done(Box<Card>),
    /// It could not be held, and why.
    Broken(String),
}

impl Preflight {
    /// One that has been asked for.
    pub fn new(number: u64) -> Preflight {
        Preflight { number, stage: Stage::Working("reading the settings".into()), crowd: None, scroll: 0 }
    }

    /// Whether an action does something.
    pub fn can(&self, action: Action) -> bool {
        match action {
            Action::Accept => self.refusal().is_none(),
            Action::Queue => self.refusal().is_none() && self.crowd.is_some(),
            Action::Edit => self.key().is_some(),
            _ => true,
        }
    }

    /// Why an action does nothing.
    pub fn why_not(&self, action: Action) -> Option<String> {
        let to_setting = if self.key().is_some() { "e goes to the setting; " } else { "" };
        let refusal = self.refusal().filter(|_| matches!(action, Action::Accept | Action::Queue))?;
        Some(format!("not started: {refusal} ({to_setting}S in the form starts all the same)"))
    }

    /// Why the run would not start.
    fn refusal(&self) -> Option<&str> {
        let Stage::Done(card) = &self.stage else { return None };
        card.remarks.iter().find(|remark| remark.refuses()).map(|remark| remark.message.as_str())
    }

    /// The setting to change first, of a card with remarks.
    pub fn key(&self) -> Option<&str> {
        let Stage::Done(card) = &self.stage else { return None };
        card.remarks.iter().find_map(|remark| remark.key.as_deref())
    }
}

/// The card of this number, where it is still there.
pub fn of_number(model: &mut Model, number: u64) -> Option<&mut Preflight> {
    model.popups.iter_mut().find_map(|popup| match popup {
        Popup::Preflight(preflight) if preflight.number == number => Some(preflight.as_mut()),
        _ => None,
    })
}

/// An action on the card, which has been taken off.
pub fn act(model: &mut Model, mut preflight: Box<Preflight>, action: Action, last: usize) -> Vec<Effect> {
    match action {
        Action::Cancel => vec![Effect::EndPreflight],
        Action::Accept | Action::Queue => {
            let when = if action == Action::Queue { When::InTurn } else { When::Now };
            // Who was told of others on the device is not asked once more.
            let told = |start| match preflight.crowd {
                Some(_) => Effect::Begin { start: Box::new(start), when },
                None => start,
            };
            let started = form::start(model, when).into_iter().map(told);
            std::iter::once(Effect::EndPreflight).chain(started).collect()
        }
        Action::Edit => {
            go_to_setting(model, &preflight);
            vec![Effect::EndPreflight]
        }
        moving => {
            preflight.scroll = moved(preflight.scroll, last + 1, moving);
            model.popups.push(Popup::Preflight(preflight));
            Vec::new()
        }
    }
}

fn go_to_setting(model: &mut Model, preflight: &Preflight) {
    if let (Some(key), Some(form)) = (preflight.key(), model.form()) {
        form.go_to(key);
    }
}
