//! What there is to pick from: catalogues, the hub's cache, folders, devices. All of it may block.

use super::{Ask, Candidate, Found, Origin, What};
use crate::data::formats::format_of;
use crate::data::hub::{Hub, RepoKind};
use crate::experiment::catalogue::{CATALOGUE, DataPlace};
use crate::experiment::encoders::ENCODERS;
use crate::experiment::home::expand_tilde;
use crate::model::targets::ALL_LINEAR;
use crate::tui::text::bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// Candidates that are shown at most, and the entries of a folder that are looked at.
const MOST: usize = 400;
const LOOKED_AT: usize = 20_000;

/// Looks around from the working directory.
pub fn gather(ask: &Ask) -> Found {
    gather_from(ask, Path::new("."))
}

fn gather_from(ask: &Ask, working: &Path) -> Found {
    let mut candidates = match &ask.what {
        What::Models if ask.folder.is_empty() => models(&Hub::from_env()),
        What::Datasets => datasets(&Hub::from_env()),
        What::Targets => targets(),
        What::Devices => devices(Path::new("/proc/driver/nvidia/gpus")),
        _ => listed(ask, working),
    };
    let more = candidates.len().saturating_sub(MOST);
    candidates.truncate(MOST);
    Found { candidates, more }
}

fn models(hub: &Hub) -> Vec<Candidate> {
    let cached = hub.cached(RepoKind::Model);
    let mut all: Vec<Candidate> = ENCODERS
        .iter()
        .map(|known| {
            let builtin = known.id.starts_with("builtin:");
            let origin = if builtin { Origin::Builtin } else { Origin::Catalogue };
            let size = if known.parameters < 1000.0 {
                format!("{} M", known.parameters)
            } else {
                format!("{:.1} B", known.parameters / 1000.0)
            };
            let here = if builtin || cached.iter().any(|id| id == known.id) { "here" } else { "download" };
            Candidate::new(known.id, origin, format!("{size}, {}, {here}", known.family))
        })
        .collect();
    let others = cached.iter().filter(|id| !ENCODERS.iter().any(|known| known.id == **id));
    all.extend(others.map(|id| {
        let folder = newest_snapshot(&hub.cache.join(format!("models--{}", id.replace('/', "--"))));
        let family = folder.as_deref().and_then(family).unwrap_or_else(|| "no config.json".into());
        let size = folder.as_deref().map_or(0, weights);
        let size = if size > 0 { bytes(size) } else { "no weights".into() };
        Candidate::new(id, Origin::Cache, format!("{size}, {family}, here"))
    }));
    all
}

fn newest_snapshot(repository: &Path) -> Option<PathBuf> {
    let commits = fs::read_dir(repository.join("snapshots")).ok()?.flatten().map(|entry| entry.path());
    commits.filter(|path| path.is_dir()).max_by_key(|path| path.metadata().and_then(|seen| seen.modified()).ok())
}

/// `model_type` of a config.json.
fn family(folder: &Path) -> Option<String> {
    /// More than any configuration has.
    const LARGEST: u64 = 1 << 20;
    let path = folder.join("config.json");
    if path.metadata().ok()?.len() > LARGEST {
        return None;
    }
    let config: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(config.get("model_type")?.as_str()?.chars().take(24).collect())
}

/// Bytes of the weights in a folder.
fn weights(folder: &Path) -> u64 {
    let of = |ending: &str| -> u64 {
        let named = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let named = named.filter(|path| path.extension().is_some_and(|found| found == ending));
        named.filter_map(|path| Some(path.metadata().ok()?.len())).sum()
    };
    Some(of("safetensors")).filter(|bytes| *bytes > 0).unwrap_or_else(|| of("bin"))
}

fn datasets(hub: &Hub) -> Vec<Candidate> {
    let cached = hub.cached(RepoKind::Dataset);
    let mut all: Vec<Candidate> = CATALOGUE
        .iter()
        .map(|entry| {
            let (origin, here) = match entry.place {
                DataPlace::Embedded => (Origin::Builtin, true),
                DataPlace::Hub { repo, .. } => (Origin::Catalogue, cached.iter().any(|id| id == repo)),
            };
            let here = if here { "here" } else { "download" };
            Candidate::new(entry.id, origin, format!("{}, {here}; {}", entry.task, entry.about))
        })
        .collect();
    let of_catalogue = |id: &str| {
        CATALOGUE.iter().any(|entry| matches!(entry.place, DataPlace::Hub { repo, .. } if repo == id) || entry.id == id)
    };
    all.extend(
        cached.iter().filter(|id| !of_catalogue(id)).map(|id| Candidate::new(id, Origin::Cache, "here".to_owned())),
    );
    all
}

/// The names that linear layers have in the families that are read.
fn targets() -> Vec<Candidate> {
    let names = [
        (ALL_LINEAR, "every linear layer but the head"),
        ("query", "BERT, RoBERTa"),
        ("key", "BERT, RoBERTa"),
        ("value", "BERT, RoBERTa"),
        ("attention.output.dense", "BERT, RoBERTa: after attention"),
        ("intermediate.dense", "BERT, RoBERTa, DeBERTa: the wide layer"),
        ("output.dense", "BERT, RoBERTa, DeBERTa"),
        ("query_proj", "DeBERTa"),
        ("key_proj", "DeBERTa"),
        ("value_proj", "DeBERTa"),
        ("q_lin", "DistilBERT"),
        ("k_lin", "DistilBERT"),
        ("v_lin", "DistilBERT"),
        ("out_lin", "DistilBERT"),
        ("lin1", "DistilBERT"),
        ("lin2", "DistilBERT"),
        ("Wqkv", "ModernBERT: query, key and value in one"),
        ("Wo", "ModernBERT"),
        ("Wi", "ModernBERT"),
        ("c_attn", "GPT-2: query, key and value in one"),
        ("c_attn.query", "GPT-2"),
        ("c_attn.key", "GPT-2"),
        ("c_attn.value", "GPT-2"),
        ("c_proj", "GPT-2"),
        ("c_fc", "GPT-2"),
        ("q_proj", "Llama, Qwen, Gemma, SmolLM"),
        ("k_proj", "Llama, Qwen, Gemma, SmolLM"),
        ("v_proj", "Llama, Qwen, Gemma, SmolLM"),
        ("o_proj", "Llama, Qwen, Gemma, SmolLM, Phi-3"),
        ("gate_proj", "Llama, Qwen, Gemma, SmolLM"),
        ("up_proj", "Llama, Qwen, Gemma, SmolLM"),
        ("down_proj", "Llama, Qwen, Gemma, SmolLM, Phi-3"),
        ("qkv_proj", "Phi-3: query, key and value in one"),
        ("gate_up_proj", "Phi-3"),
    ];
    names.map(|(name, about)| Candidate::new(name, Origin::Known, about.to_owned())).to_vec()
}

/// The devices that the kernel's driver lists: a viewer opens none.
fn devices(driver: &Path) -> Vec<Candidate> {
    let known = |name, about: &str| Candidate::new(name, Origin::Known, about.to_owned());
    let mut all = vec![known("auto", "the first GPU where there is one, else the CPU"), known("cpu", "the CPU")];
    let mut gpus: Vec<PathBuf> = fs::read_dir(driver).into_iter().flatten().flatten().map(|e| e.path()).collect();
    gpus.sort_unstable();
    for (number, gpu) in gpus.iter().enumerate() {
        let text = fs::read_to_string(gpu.join("information")).unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("Model:")).unwrap_or("GPU").trim();
        all.push(Candidate::new(format!("cuda:{number}"), Origin::Known, model.to_owned()));
    }
    all
}

/// The entries of a folder that may be meant: folders to go into, and what the setting takes.
fn listed(ask: &Ask, working: &Path) -> Vec<Candidate> {
    let folder = working.join(expand_tilde(&ask.folder));
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().take(LOOKED_AT) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        }
        let text = format!("{}{name}", ask.folder);
        if path.is_dir() {
            all.extend(Some(of_folder(&ask.what, text, &path)));
        } else if takes(&ask.what, &name) {
            let size = path.metadata().map_or(0, |seen| seen.len());
            all.push(Candidate::new(text, Origin::File, bytes(size)));
        }
    }
    // What can be taken before what can only be gone into.
    all.sort_by(|a, b| (a.enters, &a.text).cmp(&(b.enters, &b.text)));
    all
}

fn takes(what: &What, name: &str) -> bool {
    match what {
        What::Files => format_of(name).is_ok(),
        What::Presets => name.ends_with(".toml"),
        _ => false,
    }
}

fn of_folder(what: &What, text: String, path: &Path) -> Candidate {
    let marked = match what {
        What::Models => path.join("config.json").is_file().then(|| {
            let (size, family) = (weights(path), family(path).unwrap_or_else(|| "unknown".into()));
            if size > 0 { format!("{}, {family}", bytes(size)) } else { format!("no weights, {family}") }
        }),
        What::Adapters => path.join("adapter_config.json").is_file().then(|| "an adapter of PEFT".to_owned()),
        _ => None,
    };
    match marked {
        Some(fact) => Candidate::new(text, Origin::Folder, fact),
        None => Candidate { enters: true, ..Candidate::new(format!("{text}/"), Origin::Folder, String::new()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(what: What, folder: &str, working: &Path) -> Found {
        gather_from(&Ask { what, folder: folder.into() }, working)
    }

    fn texts(found: &Found) -> Vec<&str> {
        found.candidates.iter().map(|candidate| candidate.text.as_str()).collect()
    }

    #[test]
    fn files_of_a_folder_are_those_that_can_be_read_and_its_folders() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("more")).unwrap();
        for name in ["train.tsv", "notes.txt", ".hidden.tsv", "test.jsonl", "my.toml"] {
            fs::write(place.path().join(name), "x\n").unwrap();
        }
        let found = gathered(What::Files, "", place.path());
        assert_eq!(texts(&found), ["test.jsonl", "train.tsv", "more/"]);
        assert!(found.candidates[2].enters && !found.candidates[0].enters);
        assert_eq!(texts(&gathered(What::Presets, "./", place.path())), ["./my.toml", "./more/"]);
        assert_eq!(gathered(What::Files, "no/such/", place.path()), Found::default());
    }

    #[test]
    fn a_folder_with_a_configuration_is_a_model() {
        let place = tempfile::tempdir().unwrap();
        for name in ["model", "folder"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        fs::write(place.path().join("model/config.json"), "{\"model_type\": \"bert\"}").unwrap();
        fs::write(place.path().join("model/model.safetensors"), [0; 2000]).unwrap();
        let found = gathered(What::Models, "./", place.path());
        assert_eq!(texts(&found), ["./model", "./folder/"]);
        assert_eq!(found.candidates[0].fact, "2.0 kB, bert");
    }

    #[test]
    fn the_cache_of_the_hub_is_among_the_models() {
        let place = tempfile::tempdir().unwrap();
        let snapshot = place.path().join("models--me--mine/snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(snapshot.join("config.json"), "{\"model_type\": \"llama\"}").unwrap();
        let hub = Hub { cache: place.path().to_owned(), ..Hub::from_vars(|_| None) };
        let found = models(&hub);
        let mine = found.iter().find(|candidate| candidate.text == "me/mine").unwrap();
        assert_eq!((mine.origin, mine.fact.as_str()), (Origin::Cache, "no weights, llama, here"));
        assert!(found.iter().any(|candidate| candidate.fact == "125 M, roberta, download"));
    }

    #[test]
    fn too_many_are_counted() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..MOST + 7 {
            fs::write(place.path().join(format!("{number:04}.csv")), "").unwrap();
        }
        let found = gathered(What::Files, "", place.path());
        assert_eq!((found.candidates.len(), found.more), (MOST, 7));
    }

    #[test]
    fn gpus_are_those_of_the_driver() {
        let driver = tempfile::tempdir().unwrap();
        fs::create_dir(driver.path().join("0000:01:00.0")).unwrap();
        fs::write(driver.path().join("0000:01:00.0/information"), "Model: \t\t NVIDIA X1\nIRQ: 1\n").unwrap();
        let last = devices(driver.path()).pop().unwrap();
        assert_eq!((last.text.as_str(), last.fact.as_str()), ("cuda:0", "NVIDIA X1"));
    }
}
