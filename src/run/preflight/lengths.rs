//! How long rows are before a run cuts them.

use crate::data::hub::{Hub, unwatched};
use crate::data::profile::UNCUT;
use crate::data::{Counted, DataError, Dataset, DialogueEncoder, Encode, TextEncoder, sources};
use crate::experiment::{Experiment, Task};
use crate::model::source::tokenizer;
use crate::run::base::chat_template_of;

/// Tokens of each of the first `most` training rows, special tokens included.
/// `None` where they cannot be read again: nothing depends on it, since they have been read once, cut.
pub fn uncut(experiment: &Experiment, most: usize) -> Option<Vec<u32>> {
    let hub = Hub::from_env();
    let sources = sources::locate(&experiment.data, &hub, &mut unwatched).ok()?;
    let dataset = Dataset::load(&experiment.data, sources, None).ok()?;
    let (id, revision) = (&experiment.model.id, experiment.model.revision.as_deref());
    let (file, _) = tokenizer(id, revision, &hub, &mut unwatched).ok()?;
    let encoder: Box<dyn Encode> = match experiment.data.task {
        Task::Generation => {
            let encoder = DialogueEncoder::new(&file.name, &file.bytes, (None, UNCUT, Counted::Reply)).ok()?;
            match chat_template_of(id, &hub).ok()? {
                Some(template) => Box::new(encoder.with_template(template, "")),
                None => Box::new(encoder),
            }
        }
        _ => Box::new(TextEncoder::new(&file.name, &file.bytes, UNCUT).ok()?),
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
        Err(_) => return None,
    }
    let (rows, _) = encoder.encode(&examples, 0).ok()?;
    Some(rows.iter().map(|row| row.ids.len() as u32).collect())
}
