//! A base model in memory: what the pipeline trains on, what an export merges into, what predicts.

use crate::data::chat::{ChatError, ChatTemplate};
use crate::data::error::DataError;
use crate::data::hub::{Hub, Watch};
use crate::data::input::hex;
use crate::data::{Counted, DialogueEncoder, TextEncoder};
use crate::experiment::Task;
use crate::experiment::home::expand_tilde;
use crate::experiment::regular;
use crate::model::checkpoint::Checkpoint;
use crate::model::source::{self, Weights as Stored};
use crate::model::{DecoderConfig, EncoderConfig, HeadKind, ModelConfig, ModelError, ModelFiles, SourceError};
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// A model's files, its configuration and its tensors.
pub struct Base {
    pub files: ModelFiles,
    pub config: ModelConfig,
    pub checkpoint: Checkpoint,
}

/// Why a base model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Tokenizer(#[from] DataError),
    #[error("{file}: {tokens} tokens, more than the model's vocab_size {vocabulary}: it is not this model's tokenizer")]
    OtherTokenizer { file: String, tokens: usize, vocabulary: usize },
}

/// The day that chat templates are told: one that told the day would make every day's run another one.
const TODAY: DateTime = jiff::civil::datetime(2026, 1, 1, 12, 0, 0, 0);

/// The model among the hashes of what a run read.
pub const MODEL: &str = "model.id";

impl Base {
    /// Whether these are the files that a run recorded (its `inputs`); true where it recorded none.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn is_recorded_in(&self, sha256: &BTreeMap<String, String>) -> Result<bool, SourceError> {
        match sha256.get(MODEL) {
            Some(before) => Ok(self.files.sha256()?.as_ref() == Some(before)),
            None => Ok(true),
        }
    }

    /// Finds and reads the model that `model.id` names; `progress` is told of downloads.
    ///
    /// # Errors
    /// [`BaseError`], naming the file.
    pub fn open(id: &str, revision: Option<&str>, hub: &Hub, progress: &mut Watch) -> Result<Base, BaseError> {
        Base::of(source::locate(id, revision, hub, progress)?)
    }

    /// Reads the files of a model.
    ///
    /// # Errors
    /// [`BaseError`], naming the file.
    pub fn of(files: ModelFiles) -> Result<Base, BaseError> {
        let config = ModelConfig::parse(&files.config.bytes, &files.config.name)?;
        let checkpoint = match &files.weights {
            Stored::Files(paths) => Checkpoint::from_files(paths)?,
            Stored::Embedded { name, bytes } => Checkpoint::from_bytes(bytes, name)?,
        };
        Ok(Base { files, config, checkpoint })
    }

    /// The model's tokenizer, which cuts to `max_length` tokens, and to what the model has positions for.
    ///
    /// # Errors
    /// [`BaseError`]: one that cannot be read, or that is of another model.
    pub fn tokenizer(&self, max_length: usize) -> Result<TextEncoder, BaseError> {
        let file = &self.files.tokenizer;
        let encoder = TextEncoder::new(&file.name, &file.bytes, self.max_length(max_length))?;
        self.check_vocabulary(encoder.vocabulary())?;
        Ok(encoder)
    }

    /// The configuration of the encoder that the model is.
    ///
    /// # Errors
    /// A decoder.
    pub fn encoder(&self) -> Result<&EncoderConfig, ModelError> {
        self.config.encoder(&self.files.config.name)
    }

    /// The configuration of the decoder that the model is.
    ///
    /// # Errors
    /// An encoder.
    pub fn decoder(&self) -> Result<&DecoderConfig, ModelError> {
        self.config.decoder(&self.files.config.name)
    }

    /// The same for a decoder, whose end of text closes a plain one.
    ///
    /// # Errors
    /// As [`Base::tokenizer`]; an encoder.
    pub fn dialogues(&self, max_length: usize, counted: Counted) -> Result<DialogueEncoder, BaseError> {
        let (file, config) = (&self.files.tokenizer, self.decoder()?);
        let eos = config.eos_token_ids.first().copied();
        if let Some(id) = eos.filter(|id| *id as usize >= config.vocab_size) {
            let problem = format!("eos_token_id {id} is none of vocab_size {}", config.vocab_size);
            return Err(ModelError::Config { file: self.files.config.name.clone(), problem }.into());
        }
        let how = (eos, self.max_length(max_length), counted);
        let encoder = DialogueEncoder::new(&file.name, &file.bytes, how)?;
        self.check_vocabulary(encoder.vocabulary())?;
        let hub = Hub::from_env();
        let found = chat_template(&self.files.id, |name| Ok::<_, BaseError>(self.companion(name, &hub)?))?;
        Ok(match found {
            Some((template, sha256)) => encoder.with_template(template, &sha256),
            None => encoder,
        })
    }

    fn check_vocabulary(&self, tokens: usize) -> Result<(), BaseError> {
        let vocabulary = self.config.vocab_size();
        if tokens > vocabulary {
            return Err(BaseError::OtherTokenizer { file: self.files.tokenizer.name.clone(), tokens, vocabulary });
        }
        Ok(())
    }

    /// `wanted`, or the number of the model's positions where that is less.
    pub fn max_length(&self, wanted: usize) -> usize {
        wanted.min(self.config.max_length())
    }

    /// The ids that end a text: those of generation_config.json, else of config.json.
    ///
    /// # Errors
    /// A file that is there and cannot be had; an encoder.
    pub fn ends(&self, hub: &Hub) -> Result<Vec<u32>, BaseError> {
        let from_config = self.decoder()?.eos_token_ids.clone();
        let Some(bytes) = self.companion("generation_config.json", hub)? else { return Ok(from_config) };
        let config: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let ids = crate::model::config::decoder::ids(config.get("eos_token_id"));
        Ok(if ids.is_empty() { from_config } else { ids })
    }

    /// Another file of the model, such as `tokenizer_config.json`; `None` where it has none. A file of the hub is fetched.
    ///
    /// # Errors
    /// A file that is there and cannot be had.
    pub fn companion(&self, name: &str, hub: &Hub) -> Result<Option<Vec<u8>>, SourceError> {
        match (&self.files.commit, &self.files.weights) {
            (_, Stored::Embedded { .. }) => Ok(None),
            (Some(commit), _) => of_hub(&self.files.id, Some(commit), name, hub),
            (None, _) => of_folder(&Path::new(&self.files.config.name).with_file_name(name)),
        }
    }
}

/// The chat template of the model `id`, and the hash of the files that it is from; `read` gives a file beside the tokenizer.
///
/// # Errors
/// Those of `read`, and a template that cannot be used.
pub fn chat_template<E: From<ModelError>>(
    id: &str,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<(ChatTemplate, String)>, E> {
    let files = ["tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"];
    let [config, jinja, map] = files.map(read);
    let (config, jinja, map) = (config?, jinja?, map?);
    let text = jinja.as_deref().map(String::from_utf8_lossy);
    let failed = |error: ChatError| ModelError::File { file: id.to_owned(), problem: error.to_string() };
    let template = ChatTemplate::from_files(config.as_deref(), text.as_deref(), map.as_deref()).map_err(failed)?;
    let Some(template) = template else { return Ok(None) };
    let mut hash = Sha256::new();
    [config, jinja, map].iter().flatten().for_each(|bytes| hash.update(bytes));
    Ok(Some((template.at(TODAY), hex(&hash.finalize()))))
}

/// The chat template of a model of which nothing else is needed: `model.id` as [`source::locate`] takes it.
///
/// # Errors
/// As [`chat_template`].
pub fn chat_template_of(id: &str, hub: &Hub) -> Result<Option<ChatTemplate>, BaseError> {
    let folder = expand_tilde(id);
    let found = chat_template(id, |name| {
        Ok::<_, BaseError>(match id {
            builtin if builtin.starts_with("builtin:") => None,
            _ if folder.is_dir() => of_folder(&folder.join(name))?,
            id => of_hub(id, None, name, hub)?,
        })
    })?;
    Ok(found.map(|(template, _)| template))
}

fn of_hub(id: &str, revision: Option<&str>, name: &str, hub: &Hub) -> Result<Option<Vec<u8>>, SourceError> {
    let snapshot = hub.snapshot(id, revision, "config.json")?;
    match snapshot.file(name, &mut crate::data::hub::unwatched) {
        Ok(path) => of_folder(&path),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn of_folder(path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    match regular::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Read { file: path.display().to_string(), source }),
    }
}

/// The head that a task needs.
pub fn head_kind(task: Task) -> HeadKind {
    if task == Task::Tagging { HeadKind::Tokens } else { HeadKind::Sequence }
}
