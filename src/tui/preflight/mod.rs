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
        Preflight { number, stage: Stage::Working("reading the settings".into()), scroll: 0 }
    }

    /// Whether an action does something.
    pub fn can(&self, action: Action) -> bool {
        match action {
            Action::Accept => self.refusal().is_none(),
            Action::Edit => self.key().is_some(),
            _ => true,
        }
    }

    /// Why an action does nothing.
    pub fn why_not(&self, action: Action) -> Option<String> {
        let to_setting = if self.key().is_some() { "e goes to the setting; " } else { "" };
        let refusal = self.refusal().filter(|_| action == Action::Accept)?;
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

/// Takes in what a preflight says.
pub fn hear(model: &mut Model, number: u64, stage: Stage) {
    for popup in &mut model.popups {
        if let Popup::Preflight(preflight) = popup
            && preflight.number == number
        {
            preflight.stage = stage;
            return;
        }
    }
}

/// An action on the card, which has been taken off.
pub fn act(model: &mut Model, mut preflight: Box<Preflight>, action: Action, last: usize) -> Vec<Effect> {
    match action {
        Action::Cancel => vec![Effect::EndPreflight],
        Action::Accept => {
            let mut effects = vec![Effect::EndPreflight];
            effects.extend(form::start(model, When::Now));
            effects
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
