//! Where a model's files come from: inside the program, a folder, or the hub.

use super::builtin;
use super::tokenizer::{self, Files};
use crate::data::error::{nearest_sibling, shown};
use crate::data::hub::{Hub, HubError, Snapshot, Watch, is_plain_file, is_repo_id};
use crate::data::input::hex;
use crate::experiment::regular;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file in memory and what to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedBytes {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Where the tensors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// One file, or all shards of an index: safetensors, or `.bin` files of PyTorch.
    Files(Vec<PathBuf>),
    /// One safetensors file inside the program.
    Embedded { name: String, bytes: &'static [u8] },
}

/// The files of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// As the user gave it; what an adapter names as its base model.
    pub id: String,
    pub config: NamedBytes,
    pub tokenizer: NamedBytes,
    /// How the tokenizer was built, where the model has no tokenizer.json.
    pub tokenizer_notice: Option<String>,
    pub weights: Weights,
    /// Commit of a hub model.
    pub commit: Option<String>,
}

impl ModelFiles {
    /// SHA-256 over configuration, tokenizer and weights of a model in a folder, which may change; `None` where a commit
    /// or the program itself says what they are.
    pub fn sha256(&self) -> Result<Option<String>, SourceError> {
        let (None, Weights::Files(paths)) = (&self.commit, &self.weights) else { return Ok(None) };
        let mut hash = Sha256::new().chain_update(&self.config.bytes).chain_update(&self.tokenizer.bytes);
        for path in paths {
            let copied = regular::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hash));
            copied.map_err(|source| SourceError::Read { file: path.display().to_string(), source })?;
        }
        Ok(Some(hex(&hash.finalize())))
    }
}

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// Forms of weights in the order of preference: a file, or an index of shards with this ending.
const FORMS: [(&str, Option<&str>); 4] = [
    (SINGLE, None),
    ("model.safetensors.index.json", Some(".safetensors")),
    ("pytorch_model.bin", None),
    ("pytorch_model.bin.index.json", Some(".bin")),
];
const SINGLE: &str = "model.safetensors";

/// Finds the files of `id`: `builtin:NAME`, an existing folder, else a model of the hub at `revision` (default: its
/// main branch), fetched if the cache has it not. `progress` is told of downloads.
pub fn locate(id: &str, revision: Option<&str>, hub: &Hub, progress: &mut Watch) -> Result<ModelFiles, SourceError> {
    if id.starts_with("builtin:") {
        return builtin::find(id)
            .ok_or_else(|| SourceError::UnknownBuiltin { id: shown(id), present: builtin::names() });
    }
    let path = expand(id);
    if path.is_dir() {
        return folder(id, &path);
    }
    if path.is_file() {
        return Err(SourceError::File { id: shown(id) });
    }
    if !is_repo_id(id) || is_slip_of_a_folder(&path) {
        return Err(SourceError::NoFolder { id: shown(id), nearest: nearest_sibling(&path) });
    }
    from_hub(id, hub.snapshot(id, revision, CONFIG)?, progress)
}

/// A tokenizer.json, and how it was built where the model has none.
type Tokenizer = (NamedBytes, Option<String>);

/// The tokenizer of a model alone, without its weights.
pub fn tokenizer(id: &str, revision: Option<&str>, hub: &Hub, progress: &mut Watch) -> Result<Tokenizer, SourceError> {
    let path = expand(id);
    if let Some(model) = builtin::find(id) {
        return Ok((model.tokenizer, None));
    }
    if path.is_dir() {
        return folder_tokenizer(&path, None);
    }
    if !is_repo_id(id) || is_slip_of_a_folder(&path) {
        return Err(SourceError::NoFolder { id: shown(id), nearest: nearest_sibling(&path) });
    }
    let snapshot = hub.snapshot(id, revision, TOKENIZER).or_else(|error| match error {
        absent if absent.is_absent() => hub.snapshot(id, revision, CONFIG),
        other => Err(other),
    })?;
    let found = hub_tokenizer(id, &snapshot, None, progress)?;
    snapshot.keep()?;
    Ok(found)
}

/// The tokenizer.json of a model, else one that is built from its other files. `config` is read only for that.
fn read_or_build(config: Option<&NamedBytes>, files: &mut Files) -> Result<Option<Tokenizer>, SourceError> {
    if let Some(file) = files(TOKENIZER)? {
        return Ok(Some((file, None)));
    }
    let read = if config.is_none() { files(CONFIG)? } else { None };
    let Some(config) = config.or(read.as_ref()) else { return Ok(None) };
    Ok(tokenizer::build(config, files)?.map(|built| (built.tokenizer, Some(built.notice))))
}

fn folder_tokenizer(path: &Path, config: Option<&NamedBytes>) -> Result<Tokenizer, SourceError> {
    let mut files = |name: &str| {
        let file = path.join(name);
        if file.is_file() { read_of_tokenizer(&file).map(Some) } else { Ok(None) }
    };
    read_or_build(config, &mut files)?.ok_or_else(|| missing(path, TOKENIZER))
}

fn hub_tokenizer(
    id: &str,
    snapshot: &Snapshot,
    config: Option<&NamedBytes>,
    progress: &mut Watch,
) -> Result<Tokenizer, SourceError> {
    let mut first_absent = None;
    let mut files = |name: &str| match snapshot.file(name, progress) {
        Ok(file) => read_of_tokenizer(&file).map(Some),
        Err(error) if error.is_absent() => {
            first_absent.get_or_insert(error);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    };
    match (read_or_build(config, &mut files)?, first_absent) {
        (Some(found), _) => Ok(found),
        (None, Some(source @ HubError::NotFound { .. })) => Err(SourceError::NoTokenizer { id: id.to_owned(), source }),
        (None, Some(other)) => Err(other.into()),
        // Without tokenizer.json some file was absent.
        (None, None) => Err(SourceError::NoFolder { id: shown(id), nearest: None }),
    }
}

/// `~/` is the home folder, as in a shell.
fn expand(id: &str) -> PathBuf {
    match (id.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(id),
    }
}

/// Whether `path` is beside folders, one of which has nearly its name: then it is a slip, not a model of the hub.
fn is_slip_of_a_folder(path: &Path) -> bool {
    path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && parent.is_dir())
        && nearest_sibling(path).is_some()
}

/// The files of a local folder.
fn folder(id: &str, path: &Path) -> Result<ModelFiles, SourceError> {
    let need = |name: &'static str| {
        let file = path.join(name);
        if file.is_file() { read(&file) } else { Err(missing(path, name)) }
    };
    let config = need(CONFIG)?;
    let (tokenizer, tokenizer_notice) = folder_tokenizer(path, Some(&config))?;
    let form = FORMS.into_iter().find(|(name, _)| path.join(name).is_file());
    let weights = match form.ok_or_else(|| missing(path, SINGLE))? {
        (name, None) => vec![path.join(name)],
        (index, Some(ending)) => folder_shards(path, index, ending)?,
    };
    let (id, weights) = (id.to_owned(), Weights::Files(weights));
    Ok(ModelFiles { id, config, tokenizer, tokenizer_notice, weights, commit: None })
}

/// The shards that the index of a local folder names.
fn folder_shards(path: &Path, index: &str, ending: &str) -> Result<Vec<PathBuf>, SourceError> {
    let index = read(&path.join(index))?;
    let shards: Vec<PathBuf> = shards(&index, ending)?.into_iter().map(|name| path.join(name)).collect();
    match shards.iter().find(|shard| !shard.is_file()) {
        None => Ok(shards),
        Some(shard) => {
            let shard = shard.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(SourceError::MissingShard { index: index.name, shard: shown(&shard) })
        }
    }
}

/// The files of a commit of the hub.
fn from_hub(id: &str, snapshot: Snapshot, progress: &mut Watch) -> Result<ModelFiles, SourceError> {
    let config = read(&snapshot.file(CONFIG, progress)?)?;
    let (tokenizer, tokenizer_notice) = hub_tokenizer(id, &snapshot, Some(&config), progress)?;
    let weights = hub_weights(&snapshot, progress)?;
    snapshot.keep()?;
    let commit = Some(snapshot.commit().to_owned());
    let (id, weights) = (id.to_owned(), Weights::Files(weights));
    Ok(ModelFiles { id, config, tokenizer, tokenizer_notice, weights, commit })
}

/// The weights of a commit of the hub, in the first form that it has; where it has none, the error names the first.
fn hub_weights(snapshot: &Snapshot, progress: &mut Watch) -> Result<Vec<PathBuf>, SourceError> {
    let mut absent = None;
    for (name, ending) in FORMS {
        let file = match snapshot.file(name, progress) {
            Ok(file) => file,
            Err(error) if error.is_absent() => {
                absent = absent.or(Some(error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(ending) = ending else { return Ok(vec![file]) };
        let shards = shards(&read(&file)?, ending)?;
        return Ok(shards.iter().map(|name| snapshot.file(name, progress)).collect::<Result<_, _>>()?);
    }
    absent.map_or_else(|| Ok(Vec::new()), |error| Err(error.into()))
}

fn read(file: &Path) -> Result<NamedBytes, SourceError> {
    let name = file.display().to_string();
    match regular::read(file) {
        Ok(bytes) => Ok(NamedBytes { name, bytes }),
        Err(source) => Err(SourceError::Read { file: name, source }),
    }
}

/// As [`read`], but not a file of a size that no vocabulary has.
fn read_of_tokenizer(file: &Path) -> Result<NamedBytes, SourceError> {
    let bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    if bytes > tokenizer::MOST_BYTES && !file.ends_with(TOKENIZER) {
        let problem = format!("{bytes} bytes; no vocabulary is so large, at most {} are read", tokenizer::MOST_BYTES);
        return Err(SourceError::Vocabulary { file: file.display().to_string(), problem });
    }
    read(file)
}

/// The shard names of an index, in order.
fn shards(index: &NamedBytes, ending: &str) -> Result<BTreeSet<String>, SourceError> {
    let broken = |problem: String| SourceError::Index { file: index.name.clone(), problem };
    let json: serde_json::Value = serde_json::from_slice(&index.bytes).map_err(|e| broken(e.to_string()))?;
    let map = json.get("weight_map").and_then(|map| map.as_object()).filter(|map| !map.is_empty());
    let map = map.ok_or_else(|| broken("no \"weight_map\" with tensor names and files".into()))?;
    map.values()
        .map(|value| match value.as_str() {
            Some(name) if is_plain_file(name) && name.ends_with(ending) => Ok(name.to_owned()),
            _ => Err(broken(format!("{} is not the name of a {ending} file beside it", shown(&value.to_string())))),
        })
        .collect()
}

/// Files of a tokenizer that has no tokenizer.json.
const VOCABULARIES: [&str; 5] = ["vocab.txt", "vocab.json", "tokenizer.model", "spm.model", "sentencepiece.bpe.model"];

/// What a folder lacks, with what it has and what that means.
fn missing(path: &Path, file: &'static str) -> SourceError {
    let mut present: Vec<String> = std::fs::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| shown(&entry.file_name().to_string_lossy())).collect())
        .unwrap_or_default();
    present.sort_unstable();
    let has = |name: &str| present.iter().any(|p| p == name);
    let advice = if has("adapter_config.json") {
        "; this is an adapter, not a model: give its base as model.id and the adapter as lora.init_from"
    } else if file == TOKENIZER && VOCABULARIES.iter().any(|name| has(name)) {
        "; make one with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
    } else if file == SINGLE && (has("tf_model.h5") || has("flax_model.msgpack")) {
        "; make one with transformers 4: AutoModel.from_pretrained(DIR, from_tf=True or from_flax=True).save_pretrained(DIR)"
    } else {
        ""
    };
    const MOST: usize = 12;
    if present.len() > MOST {
        let more = present.len() - MOST;
        present.truncate(MOST);
        present.push(format!("and {more} more"));
    }
    SourceError::Missing { folder: path.display().to_string(), file, present, advice }
}

/// Why a model's files are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("model.id = \"{id}\": nothing of that name is built in; there is {}", present.join(", "))]
    UnknownBuiltin { id: String, present: Vec<String> },
    #[error(
        "model.id = \"{id}\": no such folder, and not the form of a hub id (owner/name){}",
        nearest.as_ref().map_or(String::new(), |name| format!("; did you mean {name}?"))
    )]
    NoFolder { id: String, nearest: Option<String> },
    #[error(
        "model.id = \"{id}\" is a file; give the folder that holds config.json, tokenizer.json and model.safetensors"
    )]
    File { id: String },
    #[error(
        "{folder} has no {file}{advice}; {}",
        if present.is_empty() { "it is empty".into() } else { format!("it has {}", present.join(", ")) }
    )]
    Missing { folder: String, file: &'static str, present: Vec<String>, advice: &'static str },
    #[error(
        "{source}, nor a vocabulary from which one is built (of BERT vocab.txt, of RoBERTa vocab.json and merges.txt, of DeBERTa \
         v2 and v3 spm.model, of XLM-RoBERTa sentencepiece.bpe.model): make one with transformers: \
         AutoTokenizer.from_pretrained(\"{id}\").save_pretrained(DIR), and give DIR, with config.json and the weights in it"
    )]
    NoTokenizer { id: String, source: HubError },
    #[error(
        "{config} or the tokenizer_config.json beside it says tokenizer_class {class}, which is not built here: make a \
         tokenizer.json with transformers (AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)) where it has a fast form"
    )]
    TokenizerClass { class: String, config: String },
    #[error("{file}: {problem}")]
    Vocabulary { file: String, problem: String },
    #[error("{index} names {shard}, which is not there; the download may be incomplete")]
    MissingShard { index: String, shard: String },
    #[error("{file} is no index of shards: {problem}")]
    Index { file: String, problem: String },
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error(transparent)]
    Hub(#[from] HubError),
}
