//! One message, one step: the model changes and says what to do outside. No input or output here.

use super::form::Form;
use super::keys::{Action, action};
use super::model::{Asked, Model, Popup, Screen, Then, moved};
use super::monitor::Monitor;
use super::msg::{Effect, Msg};
use super::runs::RunRow;
use super::{compare, form, monitor, mouse, picker, preflight, presets, runs};
use crate::run::event::{Event, Selected};
use crate::run::lifecycle::When;
use crate::run::view::State;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Exit code of a program that Ctrl-C or a signal ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Takes a message in.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => return press(model, key),
        Msg::Paste(text) => return paste(model, &text),
        Msg::Mouse(event) => return mouse::act(model, event),
        Msg::Runs(rows) => {
            let ended = model.endings.see_all(&rows);
            model.runs.show(rows);
            return ended.into_iter().map(Effect::Ring).collect();
        }
        Msg::Presets(rows) => model.presets.show(rows),
        Msg::PresetOpened(doc) => return open_form(model, Form::new(*doc)),
        Msg::RerunOpened { doc, name, parent } => {
            let mut form = Form::new(*doc);
            (form.name, form.parent) = (name, Some(parent));
            return open_form(model, form);
        }
        Msg::PresetSaved(name) => {
            if let Some(form) = model.form() {
                form.saved(&name);
            }
            model.say(format!("saved as preset {name}"));
            return vec![Effect::ListPresets];
        }
        Msg::Checked { edit, problems } => {
            if let Some(form) = model.form().filter(|form| form.edit == edit) {
                form.problems = form::problems::in_order(problems);
            }
            form::problems::look_again(model);
        }
        Msg::Refused(problems) => {
            if let Some(form) = model.form() {
                form.starting = false;
                form.refuse(problems);
            }
            model.complain("the run did not start: see the marked settings");
        }
        Msg::Started { run } => {
            model.popups.clear();
            // The form stays below: a run that fails leads back to it.
            model.screens.retain(|screen| matches!(screen, Screen::Runs | Screen::Form(_)));
            if let Some(form) = model.form() {
                form.started();
            }
            let monitor = model.monitor_of(&run);
            model.screens.push(Screen::Monitor(Box::new(monitor)));
        }
        Msg::Opened(head) => {
            if let Some(monitor) = model.monitor() {
                monitor.opened(*head);
            } else if let Some(compare) = model.comparison() {
                compare.opened(*head);
            }
        }
        Msg::Glimpse { run, view, state } => {
            if let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) {
                monitor.glimpse(*view, state);
            }
        }
        Msg::Fetched { run, index, record } => {
            let is_shown = |monitor: &&mut Monitor| monitor.head.as_ref().is_some_and(|head| head.id == run);
            if let (Some(monitor), Event::Selection(Selected { modules, energy, .. })) =
                (model.monitor().filter(is_shown), &record.event)
            {
                monitor.fetched(index, modules, energy);
            }
        }
        Msg::Adapter { run, files } => {
            let is_shown = |monitor: &&mut Monitor| monitor.head.as_ref().is_some_and(|head| head.id == run);
            if let Some(monitor) = model.monitor().filter(is_shown) {
                monitor.adapter = Some(files);
            }
        }
        Msg::Tick => return model.monitor().map(Monitor::tick).unwrap_or_default(),
        Msg::Reading { run, read } => {
            if let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) {
                monitor.read = Some(read);
            }
        }
        Msg::Filled { run, view, state, then } => {
            if let Some(compare) = model.comparison() {
                compare.filled(&run, *view, state);
            } else if let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) {
                let card = monitor.fill(*view, state, then);
                model.popups.extend(card.map(Popup::Card));
                return rung(model).into_iter().chain(look_at_adapter(model)).collect();
            }
        }
        Msg::Followed { run, records, places, state } => {
            if let Some(compare) = model.comparison() {
                compare.follow(&run, &records, state);
            }
            let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) else { return Vec::new() };
            let ends = monitor.state.is_some_and(|before| before.is_active()) && !state.is_active();
            monitor.follow(&records, &places, state);
            // "goes on" would be no longer true, and it covers a line.
            if ends && state != State::Paused && state != State::Stopped {
                model.notice = None;
            }
            return rung(model).into_iter().chain(look_at_adapter(model)).collect();
        }
        Msg::Lost { run, error } => {
            // Who went from a run to the one it was made from, and finds nothing there, stays.
            if let Some(child) = model.monitor().filter(|monitor| monitor.run == run).and_then(Monitor::way_back) {
                model.put_in_place(&child);
                model.complain(format!("the run that it was made from cannot be shown: {error}"));
            } else if let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) {
                monitor.lost = Some(error);
            } else if let Some(compare) = model.comparison() {
                compare.lost(&run, error);
            }
        }
        Msg::Regained { run } => {
            let name = if let Some(monitor) = model.monitor().filter(|monitor| monitor.run == run) {
                monitor.lost = None;
                Some(monitor.head.as_ref().map_or(&monitor.run, |head| &head.name).clone())
            } else {
                model.comparison().and_then(|compare| compare.regained(&run))
            };
            if let Some(name) = name {
                model.say(format!("{name} can be read again"));
            }
        }
        // Who has gone elsewhere meanwhile is not asked there.
        Msg::Weighed(weights) if matches!(model.screen(), Screen::Runs) => runs::ask_removal(model, &weights),
        Msg::Weighed(_) => {}
        Msg::Annotated { run, notes } => runs::annotated(model, &run, *notes),
        Msg::Wrong(list) => model.popups.push(Popup::Problems(Box::new(list))),
        Msg::PresetRenamed { from, to } => {
            presets::renamed(model, &from, &to);
            return vec![Effect::ListPresets];
        }
        Msg::Differs(view) => {
            // Asked for twice before it was there, it is still one.
            model.popups.retain(|popup| !matches!(popup, Popup::Difference(_)));
            model.popups.push(Popup::Difference(Box::new(view)));
        }
        Msg::InTheWay { title, text, then } => {
            model.popups.push(Popup::Confirm { title, text, then: Then::Effect(then) });
        }
        Msg::Gathered { ask, found } => {
            if let Some(Popup::Picker(picker)) = model.popups.last_mut() {
                picker.take(&ask, found);
            }
        }
        Msg::Preflight { number, stage } => {
            if let Some(preflight) = preflight::of_number(model, number) {
                preflight.stage = stage;
            }
        }
        Msg::PreflightCrowded { number, text } => {
            if let Some(preflight) = preflight::of_number(model, number) {
                preflight.crowd = Some(text);
            }
        }
        Msg::Crowded { text, start } => {
            if let (Effect::Start { .. }, Some(form)) = (&start, model.form()) {
                form.starting = false;
            }
            model.popups.push(Popup::Crowded { text, start: Box::new(start) });
        }
        Msg::Done(text) => model.say(text),
        Msg::Removed { runs, text, is_all } => {
            let staying = |row: &&RunRow| !runs.contains(&row.id);
            let rows = model.runs.rows.iter().filter(staying).cloned().collect();
            model.runs.show(rows);
            if is_all { model.say(text) } else { model.complain(text) }
        }
        Msg::Failed(text) => {
            if let Some(form) = model.form() {
                form.starting = false;
            }
            model.complain(text);
        }
    }
    Vec::new()
}

/// Looks at the adapter of the run on the monitor, once there is one.
fn look_at_adapter(model: &mut Model) -> Option<Effect> {
    let monitor = model.monitor()?;
    let wants = monitor.wants_adapter();
    monitor.head.as_ref().filter(|_| wants).map(|head| Effect::LookAtAdapter(head.id.clone()))
}

/// What the end of the run on the monitor rings for.
fn rung(model: &mut Model) -> Vec<Effect> {
    let Some(Screen::Monitor(monitor)) = model.screens.last() else { return Vec::new() };
    model.endings.see_monitor(monitor).map(Effect::Ring).into_iter().collect()
}

/// Replaces all screens over the runs by a form, and what was asked on them meanwhile.
fn open_form(model: &mut Model, form: Form) -> Vec<Effect> {
    let check = form.check();
    model.screens.truncate(1);
    model.screens.push(Screen::Form(Box::new(form)));
    let tries = model.popups.iter().any(|popup| matches!(popup, Popup::Preflight(_)));
    model.popups.clear();
    let end = tries.then_some(Effect::EndPreflight);
    end.into_iter().chain([check, Effect::ListPresets]).collect()
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let in_presets = matches!(model.screen(), Screen::Presets);
    match model.popups.last_mut() {
        Some(Popup::Prompt { input, .. }) => input.insert(text),
        Some(Popup::Picker(picker)) => return picker.paste(text),
        Some(_) => {}
        None if in_presets => model.presets.paste(text),
        None => {
            if let Some(form) = model.form() {
                form.paste(text);
            } else if let Some(monitor) = model.monitor().filter(|monitor| monitor.log.typing) {
                monitor.log.filter.insert(text.trim());
            } else if matches!(model.screen(), Screen::Runs) {
                model.runs.paste(text);
            }
        }
    }
    Vec::new()
}

fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    // What a terminal does by itself where it is not ours.
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        match key.code {
            KeyCode::Char('c') => return vec![Effect::Quit(INTERRUPTED)],
            KeyCode::Char('z') => return vec![Effect::PutAside],
            _ => {}
        }
    }
    model.notice = None;
    let context = model.context();
    let is_alt = key.modifiers == KeyModifiers::ALT && matches!(key.code, KeyCode::Char(_));
    if is_alt && !model.popups.is_empty() && !context.is_typing() {
        // Esc and a key right behind it look like Alt with the key. Esc closes what is on top, so that is what was meant.
        let mut effects = press(model, KeyEvent::from(KeyCode::Esc));
        effects.extend(press(model, KeyEvent::from(key.code)));
        return effects;
    }
    match action(context, key) {
        Some(action) if model.can(action) => act(model, action),
        Some(action) => {
            if let Some(advice) = model.why_not(action) {
                model.complain(advice);
            }
            Vec::new()
        }
        None if context.is_typing() => type_key(model, key),
        None => Vec::new(),
    }
}

/// A key that no binding takes while a line is typed.
fn type_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let in_presets = matches!(model.screen(), Screen::Presets);
    match model.popups.last_mut() {
        Some(Popup::Prompt { input, .. }) => drop(input.key(key)),
        Some(Popup::Picker(picker)) => return picker.key(key),
        Some(_) => {}
        None if in_presets => model.presets.type_key(key),
        None => {
            if let Some(form) = model.form() {
                form.type_key(key);
            } else if let Some(monitor) = model.monitor() {
                monitor.log.filter.key(key);
            } else if matches!(model.screen(), Screen::Runs) {
                model.runs.type_key(key);
            }
        }
    }
    Vec::new()
}

fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if let Some(popup) = model.popups.pop() {
        return in_popup(model, popup, action);
    }
    match action {
        Action::Quit if model.has_unsaved_form() => {
            model.popups.push(unsaved("Quit", Then::Effect(Effect::Quit(0))));
            Vec::new()
        }
        Action::Quit => vec![Effect::Quit(0)],
        Action::Help => {
            model.popups.push(Popup::Help { about: model.screen_context(), scroll: 0 });
            Vec::new()
        }
        Action::Back if matches!(model.screen(), Screen::Presets) && model.presets.is_filtered() => {
            model.presets.show_all();
            Vec::new()
        }
        Action::Back => {
            if let Some(form) = model.form().filter(|form| form.is_filtered()) {
                form.leave_filter();
            } else if model.form().is_some_and(|form| form.is_changed()) {
                model.popups.push(unsaved("Leave the form", Then::Back));
            } else if matches!(model.screen(), Screen::Runs) {
                model.runs.clear();
            } else if let Some(effects) = model.monitor().and_then(Monitor::step_back) {
                return effects;
            } else if let Some(child) = model.monitor_shown().and_then(|monitor| monitor.child.clone()) {
                model.keep_ways();
                model.put_in_place(&child);
            } else {
                leave_screen(model);
            }
            Vec::new()
        }
        Action::Samples => {
            model.popups.push(Popup::Samples { shown: None, scroll: 0 });
            Vec::new()
        }
        Action::Parent => {
            let shown = model.monitor_shown();
            let asked = shown.and_then(|monitor| Some((monitor.view.inherited.clone()?, monitor.run.clone())));
            if let Some((parent, child)) = asked {
                model.keep_ways();
                model.put_in_place(&parent);
                if let Some(monitor) = model.monitor() {
                    monitor.child = Some(child);
                }
            }
            Vec::new()
        }
        Action::Pause | Action::Resume | Action::Stop => control(model, action),
        Action::ExportRun => runs::ask_export(model),
        Action::Presets => {
            model.presets.show_all();
            model.screens.push(Screen::Presets);
            vec![Effect::ListPresets]
        }
        _ => match model.screen() {
            Screen::Runs => runs::act(model, action),
            Screen::Compare(_) => compare::act(model, action),
            Screen::Presets => presets::act(model, action),
            Screen::Form(_) => form::act(model, action),
            Screen::Monitor(shown) if shown.what_if.is_some() => monitor::act_what_if(model, action),
            Screen::Monitor(_) => monitor::act(model, action),
        },
    }
}

/// Goes back to the screen before, and from a monitor to the runs.
fn leave_screen(model: &mut Model) {
    model.keep_ways();
    if let Some(Screen::Monitor(monitor)) = model.screens.pop() {
        // The cursor follows to the run that was looked at; else a key meant for it would hit another.
        model.runs.point_to(monitor.head.as_ref().map_or(&monitor.run, |head| &head.id));
        if monitor.state != Some(State::Failed) {
            model.screens.truncate(1);
        }
    }
}

fn unsaved(title: &'static str, then: Then) -> Popup {
    Popup::Confirm { title, text: "The changes in the form are not saved. Leave them?".into(), then }
}

fn control(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some((run, _)) = model.run_in_focus() else { return Vec::new() };
    let effect = match action {
        Action::Pause => Effect::Pause(run),
        Action::Resume => Effect::Resume(run),
        _ => Effect::Stop(run),
    };
    vec![effect]
}

/// An action on the popup that was on top and has been taken off.
fn in_popup(model: &mut Model, popup: Popup, action: Action) -> Vec<Effect> {
    match (popup, action) {
        (Popup::Picker(picker), action) => picker::act(model, picker, action),
        (Popup::Preflight(preflight), action) => {
            let last = super::popup::last_scroll(&Popup::Preflight(preflight.clone()), model);
            preflight::act(model, preflight, action, last)
        }
        (Popup::Problems(list), action) => form::problems::act(model, *list, action),
        (_, Action::Cancel) => Vec::new(),
        (Popup::Help { .. } | Popup::Samples { .. } | Popup::Changes { .. } | Popup::Card(_), Action::Quit) => {
            act(model, Action::Quit)
        }
        (
            popup @ (Popup::Help { .. }
            | Popup::Samples { .. }
            | Popup::Changes { .. }
            | Popup::Details { .. }
            | Popup::Difference(_)),
            action,
        ) => {
            let popup = scrolled(model, popup, action);
            model.popups.push(popup);
            Vec::new()
        }
        (Popup::Columns { cursor }, action) => runs::in_columns(model, cursor, action),
        (Popup::Confirm { then, .. }, Action::Accept) => match then {
            Then::Effect(effect) => vec![effect],
            Then::Back => {
                model.screens.pop();
                Vec::new()
            }
        },
        (Popup::Crowded { start, .. }, Action::Accept | Action::Queue) => {
            if let (Effect::Start { .. }, Some(form)) = (&*start, model.form()) {
                form.starting = true;
            }
            let when = if action == Action::Queue { When::InTurn } else { When::Now };
            vec![Effect::Begin { start, when }]
        }
        (Popup::Prompt { input, then, .. }, Action::Accept) => answered(model, &input.text(), then),
        (popup, _) => {
            model.popups.push(popup);
            Vec::new()
        }
    }
}

/// A popup of many lines after a moving action.
fn scrolled(model: &Model, popup: Popup, action: Action) -> Popup {
    let last = super::popup::last_scroll(&popup, model);
    match popup {
        Popup::Help { about, scroll } => Popup::Help { about, scroll: moved(scroll, last + 1, action) },
        Popup::Samples { shown, scroll } => {
            let scroll = moved(scroll, last + 1, action);
            let shown = (scroll > 0).then(|| shown.unwrap_or(model.samples().len()));
            Popup::Samples { shown, scroll }
        }
        Popup::Difference(mut view) => {
            view.scroll = moved(view.scroll, last + 1, action);
            Popup::Difference(view)
        }
        Popup::Details { run, scroll } => Popup::Details { run, scroll: moved(scroll, last + 1, action) },
        Popup::Changes { scroll } => Popup::Changes { scroll: moved(scroll, last + 1, action) },
        other => other,
    }
}

/// A line was typed: something about a run, a step, a threshold, else a name.
fn answered(model: &mut Model, name: &str, then: Asked) -> Vec<Effect> {
    let then = match runs::answered(model, name, then) {
        Ok(effects) => return effects,
        Err(then) => then,
    };
    if let Asked::Step | Asked::Threshold = then {
        let said = match (model.monitor(), then) {
            (Some(monitor), Asked::Step) => monitor.say_step(name),
            (Some(monitor), _) => monitor.what_if.as_mut().map_or(Ok(()), |tried| tried.say(name)).map(|()| Vec::new()),
            (None, _) => Ok(Vec::new()),
        };
        return said.unwrap_or_else(|error| {
            model.complain(error);
            Vec::new()
        });
    }
    let name = name.trim().to_owned();
    if name.is_empty() {
        model.complain("nothing done: it needs a name");
        return Vec::new();
    }
    if let Some(effect) = presets::answered(&name, &then) {
        let is_name = !matches!(then, Asked::ExportPreset(_));
        return if is_name { presets::unless_it_hides(model, &name, effect) } else { vec![effect] };
    }
    let taken = model.presets.has_saved(&name);
    let (effect, own) = match then {
        Asked::SaveForm => {
            let Some(form) = model.form() else { return Vec::new() };
            let own = form.saved_as.as_deref() == Some(name.as_str());
            (Effect::SavePreset { name: name.clone(), doc: Box::new(form.doc.clone()) }, own)
        }
        Asked::CopyPreset(from) => (Effect::CopyPreset { from, to: name.clone() }, false),
        _ => return Vec::new(),
    };
    if taken && !own {
        let text = format!("There is a saved preset {name} already. Replace it?");
        model.popups.push(Popup::Confirm { title: "Replace", text, then: Then::Effect(effect) });
        return Vec::new();
    }
    if own { vec![effect] } else { presets::unless_it_hides(model, &name, effect) }
}
