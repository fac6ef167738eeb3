//! How long rows are before a run cuts them.

use crate::data::hub::{Hub, unwatched};
use crate::data::profile::UNCUT;
use crate::data::{Counted, DataError, Dataset, DialogueEncoder, Encode, TextEncoder, sources};
use crate::experiment::{Experiment, Task};
use crate::model::source::tokenizer;
use crate::run::base::{BaseError, chat_template_of};

/// The training rows cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum LengthsError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Base(#[from] BaseError),
}

/// Tokens of each of the first `most` training rows, special tokens included.
///
/// # Errors
/// What reading and tokenising meet.
pub fn uncut(experiment: &Experiment, most: usize) -> Result<Vec<u32>, LengthsError> {
    let hub = Hub::from_env();
    let sources = sources::locate(&experiment.data, &hub, &mut unwatched)?;
    let dataset = Dataset::load(&experiment.data, sources, None)?;
    let (id, revision) = (&experiment.model.id, experiment.model.revision.as_deref());
    let (file, _) = tokenizer(id, revision, &hub, &mut unwatched).map_err(BaseError::from)?;
    let encoder: Box<dyn Encode> = match experiment.data.task {
        Task::Generation => {
            let encoder = DialogueEncoder::new(&file.name, &file.bytes, (None, UNCUT, Counted::Reply))?;
            match chat_template_of(id, &hub)? {
                Some(template) => Box::new(encoder.with_template(template, "")),
                None => Box::new(encoder),
            }
        }
        _ => Box::new(TextEncoder::new(&file.name, &file.bytes, UNCUT)?),
    };
    let mut examples = Vec::new();
    let read = dataset.train.each(|example| {
        if examples.len() == most {
            // Enough is no failure.
            return Err(DataError::Interrupted { file: String::new() });
        }
        examples.push(example);
        Ok(())
    });
    match read {
        Err(DataError::Interrupted { .. }) | Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let (rows, _) = encoder.encode(&examples, 0)?;
    Ok(rows.iter().map(|row| row.ids.len() as u32).collect())
}
