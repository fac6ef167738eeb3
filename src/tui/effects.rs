//! What the model asks for, done: the one place where screens meet the disk. Everything here may block.

use super::form::ProblemList;
use super::kept;
use super::msg::{Effect, Msg, Weight};
use super::picker::gather;
use super::presets::{DifferenceView, PresetRow};
use super::runs::{self, Annotation};
use super::seen;
use super::text::bytes;
use crate::experiment::home::expand_tilde;
use crate::experiment::problem::quoted;
use crate::experiment::{AllocationSettings, Origin, PresetDoc, PresetError, Presets, SETTINGS, read};
use crate::run::directory::RunDir;
use crate::run::follow;
use crate::run::lifecycle::{self, START_LIMIT, When};
use crate::run::notes;
use crate::run::queue::{Crowd, Queue};
use crate::run::referring::referrers;
use crate::run::rerun;
use crate::run::retrain::{as_changes, retrain};
use crate::run::store::{NewRun, Store};
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::Path;

/// Does what is asked and tells how it went.
pub fn perform(effect: Effect) -> Vec<Msg> {
    match effect {
        start @ (Effect::Start { .. } | Effect::Retrain { .. } | Effect::Resume(_)) => match crowd(&start) {
            Some(crowd) => vec![Msg::Crowded { text: format!("{crowd}."), start }],
            None => begin(start, When::Now),
        },
        Effect::Begin { start, when } => begin(*start, when),
        Effect::Pause(run) => {
            one(with_run(&run, |dir| Ok(format!("{} is {}", dir.info().name, lifecycle::pause(dir, |_| ())?.name()))))
        }
        Effect::Stop(run) => {
            let stop = |dir: &RunDir| lifecycle::stop(dir, "asked by the user", |_| ());
            one(with_run(&run, |dir| Ok(format!("{} is {}", dir.info().name, stop(dir)?.name()))))
        }
        Effect::LookAtAdapter(run) => look_at_adapter(&run).into_iter().collect(),
        Effect::Fetch { run, index, place } => one(fetch(&run, index, place)),
        Effect::ChooseAllocation { run, choice } => one(with_run(&run, |dir| {
            lifecycle::choose_allocation(dir, &choice)?;
            Ok(format!("{} allocates by {}", dir.info().name, choice.rule))
        })),
        Effect::Remove(runs) => one(remove(&runs)),
        Effect::Weigh(runs) => one(weigh(&runs)),
        Effect::Annotate { run, change } => one(annotate(&run, change)),
        Effect::Keep(kept) => match kept::keep(&kept) {
            Ok(()) => Vec::new(),
            Err(error) => vec![Msg::Failed(format!("columns and order cannot be remembered: {error}"))],
        },
        Effect::OpenRerun(run) => one(open_rerun(&run)),
        Effect::ExportRun { run, name, format, folder } => {
            one(runs::export::export(&run, &name, format, &folder).map(Msg::Done))
        }
        Effect::QueueFirst(run) => one(with_run(&run, |dir| {
            let name = &dir.info().name;
            match Queue::of_user()?.put_first(dir.id())? {
                true => Ok(format!("{name} is first in the queue")),
                false => Err(format!("{name} does not wait on this host").into()),
            }
        })),
        Effect::ListPresets => vec![Msg::Presets(list_presets())],
        Effect::OpenPreset(name) => match Presets::open().load(&name) {
            Ok(doc) => vec![Msg::PresetOpened(Box::new(doc))],
            Err(error) => vec![refused(&format!("{name} cannot be opened"), error)],
        },
        Effect::RenamePreset { from, to } => {
            one(Presets::open().rename(&from, &to).map(|_| Msg::PresetRenamed { from: from.clone(), to }))
        }
        Effect::ImportPreset { file, name, replace } => import(file, name, replace),
        Effect::ExportPreset { name, file, replace } => export(name, file, replace),
        Effect::Compare(name) => match Presets::open().difference(&name, None) {
            Ok(rows) => vec![Msg::Differs(DifferenceView { name, rows, scroll: 0 })],
            Err(error) => vec![refused(&format!("{name} cannot be read"), error)],
        },
        Effect::Gather(ask) => vec![Msg::Gathered { found: gather(&ask), ask }],
        Effect::SavePreset { name, doc } => {
            one(Presets::open().save(&name, &doc).map(|_| Msg::PresetSaved(name.clone())))
        }
        Effect::CopyPreset { from, to } => then_list(copy_preset(&from, &to), format!("saved as preset {to}")),
        Effect::DeletePreset(name) => {
            then_list(Presets::open().delete(&name), format!("the saved preset {name} is deleted"))
        }
        Effect::Check { edit, doc } => vec![Msg::Checked { edit, problems: doc.check().1 }],
        // The loop takes these.
        Effect::Preflight { .. } | Effect::EndPreflight | Effect::Quit(_) | Effect::PutAside | Effect::Ring(_) => {
            Vec::new()
        }
    }
}

/// Who asked for a turn gets it, whatever is answered about a device in use.
fn agreed(asked: When, answered: When) -> When {
    if asked == When::InTurn { asked } else { answered }
}

/// Starts what is to be started, now or in its turn.
fn begin(effect: Effect, when: When) -> Vec<Msg> {
    match effect {
        Effect::Start { doc, name, parent, when: asked } => {
            one(start(&doc, name.as_deref(), parent.as_deref(), agreed(asked, when)))
        }
        Effect::Retrain { run, choice } => one(start_retraining(&run, &choice, when)),
        Effect::Resume(run) => one(with_run(&run, |dir| {
            lifecycle::resume_when(dir, when)?;
            let does = if when == When::InTurn { "waits for its turn" } else { "goes on" };
            Ok(format!("{} {does}", dir.info().name))
        })),
        _ => Vec::new(),
    }
}

/// Who uses the device of what is to be started, where it would not wait for them.
fn crowd(start: &Effect) -> Option<Crowd> {
    let of_run = |run: &str| Some(Store::of_user().ok()?.find(run).ok()?.run.experiment().ok()?.runtime.device);
    let device = match start {
        Effect::Start { when: When::InTurn, .. } => return None,
        Effect::Start { doc, .. } => read(&doc.source(), &[], &[]).experiment.runtime.device,
        Effect::Retrain { run, .. } | Effect::Resume(run) => of_run(run)?,
        _ => return None,
    };
    Crowd::at(&device)
}

fn one<E: Display>(result: Result<Msg, E>) -> Vec<Msg> {
    vec![result.unwrap_or_else(|error| Msg::Failed(error.to_string()))]
}

/// An error, with all its problems where it has such.
fn refused(title: &str, error: PresetError) -> Msg {
    match error {
        PresetError::Problems(problems) => {
            let problems = problems.list().to_vec();
            Msg::Wrong(ProblemList { title: title.into(), problems, cursor: 0, of_form: false })
        }
        error => Msg::Failed(error.to_string()),
    }
}

fn import(file: String, name: String, replace: bool) -> Vec<Msg> {
    match Presets::open().import(&expand_tilde(&file), Some(&name), replace) {
        Ok(imported) => {
            let lacks = match imported.lacks.len() {
                0 => String::new(),
                1 => "; 1 thing is missing to run it here".into(),
                count => format!("; {count} things are missing to run it here"),
            };
            vec![Msg::Presets(list_presets()), Msg::Done(format!("saved as preset {name}{lacks}"))]
        }
        Err(PresetError::Exists { .. }) => {
            let text = format!("There is a saved preset {name} already. Replace it by {file}?");
            vec![Msg::InTheWay { title: "Replace", text, then: Effect::ImportPreset { file, name, replace: true } }]
        }
        Err(PresetError::NotFound { name, help }) => {
            vec![Msg::Failed(format!("{} is not imported: {help}", quoted(&name)))]
        }
        Err(error) => vec![refused(&format!("{file} is not imported"), error)],
    }
}

fn export(name: String, file: String, replace: bool) -> Vec<Msg> {
    let path = expand_tilde(&file);
    match Presets::open().export(&name, &path, replace) {
        Ok(()) => {
            let path = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            vec![Msg::Done(format!("{name} is written to {}", path.display()))]
        }
        Err(PresetError::FileExists { .. }) => {
            let text = format!("There is a file {file} already. Write over it?");
            vec![Msg::InTheWay { title: "Write over", text, then: Effect::ExportPreset { name, file, replace: true } }]
        }
        Err(error) => vec![Msg::Failed(error.to_string())],
    }
}

fn then_list(result: Result<(), PresetError>, done: String) -> Vec<Msg> {
    match result {
        Ok(()) => vec![Msg::Presets(list_presets()), Msg::Done(done)],
        Err(error) => vec![Msg::Failed(error.to_string())],
    }
}

/// Anything that can go wrong with a run: shown, never told apart.
type RunError = Box<dyn Error>;

fn with_run(run: &str, ask: impl FnOnce(&RunDir) -> Result<String, RunError>) -> Result<Msg, RunError> {
    let found = Store::of_user()?.find(run)?;
    ask(&found.run).map(Msg::Done)
}

fn start(doc: &PresetDoc, name: Option<&str>, parent: Option<&str>, when: When) -> Result<Msg, RunError> {
    let experiment = match doc.check() {
        (Some(experiment), problems) if problems.is_empty() => experiment,
        (_, problems) => return Ok(Msg::Refused(problems)),
    };
    // In the folder of the run, relative paths would mean something else.
    let mut said = doc.clone();
    said.anchor();
    let text = said.text();
    let name = name.unwrap_or(&doc.name);
    let dir = Store::of_user()?.create(NewRun { name, parent, experiment, preset: &text })?;
    lifecycle::start(&dir, when, START_LIMIT)?;
    Ok(Msg::Started { run: dir.id().to_owned() })
}

fn start_retraining(run: &str, choice: &AllocationSettings, when: When) -> Result<Msg, RunError> {
    let parent = Store::of_user()?.find(run)?.run;
    let dir = retrain(&parent, &as_changes(choice), None)?;
    lifecycle::start(&dir, when, START_LIMIT)?;
    Ok(Msg::Started { run: dir.id().to_owned() })
}

fn fetch(run: &str, index: usize, place: u64) -> Result<Msg, RunError> {
    let dir = Store::of_user()?.find(run)?.run;
    let record = follow::record_at(&dir.events_path(), place)?;
    Ok(Msg::Fetched { run: run.to_owned(), index, record: Box::new(record) })
}

/// The files of an adapter, the largest first. Where there are none, the screen says where they should be.
fn look_at_adapter(run: &str) -> Option<Msg> {
    let dir = Store::of_user().ok()?.find(run).ok()?.run;
    let entries = fs::read_dir(dir.adapter_path()).ok()?.flatten();
    let file = |entry: fs::DirEntry| {
        let size = entry.metadata().ok().filter(|file| file.is_file())?.len();
        Some((entry.file_name().to_string_lossy().into_owned(), size))
    };
    let mut files: Vec<(String, u64)> = entries.filter_map(file).collect();
    files.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Some(Msg::Adapter { run: run.to_owned(), files })
}

fn weigh(runs: &[String]) -> Result<Msg, RunError> {
    let store = Store::of_user()?;
    let weight = |run: &String| {
        let dir = store.find(run)?.run;
        let (files, bytes) = (count_files(dir.path()), dir.size());
        let referrers = referrers(&dir, &store)?;
        Ok(Weight { run: run.clone(), dir: dir.path().display().to_string(), files, bytes, referrers })
    };
    Ok(Msg::Weighed(runs.iter().map(weight).collect::<Result<_, RunError>>()?))
}

/// Deletes runs that nobody works on. One that cannot be deleted keeps none of the others.
fn remove(runs: &[String]) -> Result<Msg, RunError> {
    let store = Store::of_user()?;
    let (mut gone, mut freed, mut first_error) = (Vec::new(), 0, None);
    for run in runs {
        let removed = store.find(run).map_err(RunError::from).and_then(|found| {
            let freed = lifecycle::remove(&found.run, false, |_| ())?;
            seen::forget(found.run.id());
            Ok((found.run, freed))
        });
        match removed {
            Ok((dir, bytes)) => {
                gone.push(dir);
                freed += bytes;
            }
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    let mut text = match gone.as_slice() {
        [dir] => format!("{} is deleted, {} are free", dir.info().name, bytes(freed)),
        gone => format!("{} runs are deleted, {} are free", gone.len(), bytes(freed)),
    };
    let is_all = first_error.is_none();
    match first_error {
        Some(error) if gone.is_empty() => return Err(error),
        Some(error) => text += &format!("; but {error}"),
        None => {}
    }
    Ok(Msg::Removed { runs: gone.iter().map(|dir| dir.id().to_owned()).collect(), text, is_all })
}

fn annotate(run: &str, change: Annotation) -> Result<Msg, RunError> {
    let dir = Store::of_user()?.find(run)?.run;
    let notes = notes::change(&dir, |notes| match change {
        Annotation::Star(star) => {
            notes.star = star;
            Ok(())
        }
        Annotation::Tags(tags) => {
            notes.tags.clear();
            notes.add_tags(&tags)
        }
        Annotation::Note(text) => notes.set_note(&text),
    })?;
    Ok(Msg::Annotated { run: run.to_owned(), notes: Box::new(notes) })
}

fn open_rerun(run: &str) -> Result<Msg, RunError> {
    let store = Store::of_user()?;
    let dir = store.find(run)?.run;
    let doc = PresetDoc::open(&rerun::preset(&dir)?)?;
    let name = rerun::name(&dir.info().name, &store)?;
    Ok(Msg::RerunOpened { doc: Box::new(doc), name, parent: dir.id().to_owned() })
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => count_files(&entry.path()),
            _ => 1,
        })
        .sum()
}

fn copy_preset(from: &str, to: &str) -> Result<(), PresetError> {
    let presets = Presets::open();
    presets.save(to, &presets.load(from)?).map(|_| ())
}

fn list_presets() -> Vec<PresetRow> {
    let presets = Presets::open();
    let rows = presets.list().into_iter().map(|listed| {
        let path = match &listed.origin {
            Origin::Saved(path) | Origin::File(path) => path.display().to_string(),
            Origin::Shipped => String::new(),
        };
        let source = presets.find(&listed.name).map(|found| found.source).unwrap_or_default();
        // A preset that is no TOML is listed all the same: it can be deleted, and opening it says what is wrong.
        let doc = PresetDoc::open(&source).ok();
        let said = |doc: &PresetDoc| {
            SETTINGS.iter().filter_map(|setting| Some((setting.key, doc.get_typed(setting.key)?))).collect()
        };
        PresetRow {
            saved: matches!(listed.origin, Origin::Saved(_)),
            description: description(&source.text).unwrap_or(listed.summary),
            name: listed.name,
            path,
            said: doc.as_ref().map(said).unwrap_or_default(),
        }
    });
    rows.collect()
}

/// The comment that a preset begins with.
fn description(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_for_a_turn_gets_it() {
        use When::{InTurn, Now};
        assert_eq!([(Now, Now), (Now, InTurn)].map(|(asked, answered)| agreed(asked, answered)), [Now, InTurn]);
        assert_eq!([(InTurn, Now), (InTurn, InTurn)].map(|(asked, answered)| agreed(asked, answered)), [InTurn; 2]);
    }

    #[test]
    fn the_first_comment_describes_a_preset() {
        assert_eq!(description("# One.\n#  Two.\n\n# not this\n[model]"), Some("One.\nTwo.".into()));
        assert_eq!(description("[model]\n# later"), None);
    }

    #[test]
    fn files_are_counted_in_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("checkpoints")).unwrap();
        fs::write(folder.path().join("checkpoints/1"), "x").unwrap();
        fs::write(folder.path().join("events.jsonl"), "x").unwrap();
        assert_eq!(count_files(folder.path()), 2);
    }
}
