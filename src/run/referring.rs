//! Which runs refer to another one: those made from it, which have what they took, and those that read its files still.

use super::directory::RunDir;
use super::store::{Store, StoreError};
use crate::experiment::Experiment;
use std::path::Path;

/// A run that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub id: String,
    pub name: String,
    /// The setting by which it reads files of the other one, and cannot go on without them.
    pub reads: Option<&'static str>,
}

/// The runs that refer to `run`, oldest first.
///
/// # Errors
/// [`StoreError`] where the runs cannot be listed. One that cannot be read refers to none.
pub fn referrers(run: &RunDir, store: &Store) -> Result<Vec<Referrer>, StoreError> {
    let of = |other: RunDir| {
        if other.id() == run.id() {
            return None;
        }
        let experiment = other.experiment().ok();
        let reads = experiment.as_ref().and_then(|experiment| reads(experiment, run.path()));
        let takes = experiment.and_then(|experiment| experiment.search.from).is_some_and(|from| from == run.path());
        let is_child = other.info().parent.as_deref() == Some(run.id());
        let referrer = || Referrer { id: other.id().into(), name: other.info().name.clone(), reads };
        (is_child || takes || reads.is_some()).then(referrer)
    };
    Ok(store.list()?.into_iter().filter_map(of).collect())
}

/// The setting that names a file or folder within `folder`. The search itself is copied.
fn reads(experiment: &Experiment, folder: &Path) -> Option<&'static str> {
    let Experiment { model, data, lora, .. } = experiment;
    let paths = [
        ("lora.init_from", lora.init_from.as_deref()),
        ("model.id", Some(Path::new(&model.id))),
        ("data.train", data.train.as_deref()),
        ("data.validation", data.validation.as_deref()),
        ("data.test", data.test.as_deref()),
    ];
    paths.into_iter().find(|(_, path)| path.is_some_and(|path| path.starts_with(folder))).map(|(key, _)| key)
}

/// What becomes of those runs when the one that they refer to goes, in a sentence or two; none where there are none.
pub fn words(referrers: &[Referrer]) -> Vec<String> {
    /// Names that a sentence lists; the others are counted.
    const MOST: usize = 4;
    let list = |all: &[&Referrer]| {
        let names: Vec<String> = all.iter().take(MOST).map(|one| format!("{} ({})", one.name, one.id)).collect();
        let more = all.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    };
    let (readers, copies): (Vec<&Referrer>, Vec<&Referrer>) = referrers.iter().partition(|one| one.reads.is_some());
    let mut words = Vec::new();
    if !copies.is_empty() {
        let (was, go) = if copies.len() == 1 { ("was", "goes") } else { ("were", "go") };
        words.push(format!("{} {was} made from it and {go} on without it", list(&copies)));
    }
    for one in readers {
        let key = one.reads.unwrap_or_default();
        words.push(format!("{} reads files of it ({key}) and cannot be resumed or rerun without them", list(&[one])));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::store::NewRun;
    use super::*;

    #[test]
    fn children_and_readers_are_told_apart() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let make = |name: &str, parent: Option<&RunDir>, reads: Option<&RunDir>| {
            let mut experiment = Experiment::default();
            experiment.lora.init_from = reads.map(|run| run.path().join("adapter"));
            store.create(NewRun { name, parent: parent.map(RunDir::id), experiment, preset: "" }).unwrap()
        };
        let parent = make("parent", None, None);
        let other = make("other", None, None);
        let child = make("child", Some(&parent), None);
        let reader = make("reader", Some(&parent), Some(&parent));
        make("of another", Some(&other), Some(&other));
        let found = referrers(&parent, &store).unwrap();
        let expected = [(child.id(), None), (reader.id(), Some("lora.init_from"))];
        assert_eq!(found.iter().map(|one| (one.id.as_str(), one.reads)).collect::<Vec<_>>(), expected);
        let words = words(&found);
        assert!(words[0].starts_with(&format!("child ({}) was made from it", child.id())), "{words:?}");
        assert!(words[1].contains("reader (") && words[1].contains("(lora.init_from)"), "{words:?}");
        assert!(referrers(&child, &store).unwrap().is_empty());
    }
}
