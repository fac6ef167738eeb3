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
use crate::run::preflight::{Card, Verdict};

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
            if let Stage::Done(card) = &preflight.stage
                && card.verdict() == Verdict::Refused
            {
                let refused = card.remarks.iter().find(|remark| remark.refuses());
                let message = refused.map_or(String::new(), |remark| remark.message.clone());
                go_to_setting(model, &preflight);
                model.complain(format!("not started: {message} (S starts all the same)"));
                return vec![Effect::EndPreflight];
            }
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
