//! A base model for a verb, with the download on stderr.

use super::CliError;
use super::out::{bytes, say};
use crate::data::hub::{Download, Hub};
use crate::experiment::Choice;
use crate::model::SourceError;
use crate::run::base::{Base, BaseError};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Time between two lines about a download.
const PAUSE: Duration = Duration::from_secs(2);

/// The model called `id`: built in, a folder, or of the hub.
pub fn open_base(id: &str, revision: Option<&str>) -> Result<Base, CliError> {
    let mut said = Instant::now();
    let mut progress = |Download { file, done, total }: Download| {
        if said.elapsed() >= PAUSE {
            said = Instant::now();
            say(format!("downloading {file}: {} of {}", bytes(done), bytes(total)));
        }
        ControlFlow::Continue(())
    };
    Ok(Base::open(id, revision, &Hub::from_env(), &mut progress)?)
}

/// Takes the words of a setting as an option's values.
pub fn word_of<C: Choice + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = C> {
    PossibleValuesParser::new(C::NAMES).try_map(|word| serde_json::from_value::<C>(word.into()))
}

impl From<BaseError> for CliError {
    fn from(error: BaseError) -> Self {
        let code = match &error {
            BaseError::Source(SourceError::NoFolder { .. } | SourceError::UnknownBuiltin { .. }) => 3,
            BaseError::Source(SourceError::Hub(error)) if error.is_absent() => 3,
            _ => 1,
        };
        CliError::new(code, error, None)
    }
}
