//! What a repository holds and how large it is, without fetching any of it.

use super::{Asked, Client, Hub, HubError, Question, RepoKind, is_inside, revision_path};

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sized {
    pub name: String,
    /// Bytes, where the hub tells them.
    pub bytes: Option<u64>,
}

impl Hub {
    /// The files of a revision (default `main`) with their sizes, from the hub's API.
    ///
    /// # Errors
    /// [`HubError`]: offline, no answer, no such repository.
    pub fn sizes(&self, kind: RepoKind, id: &str, revision: Option<&str>) -> Result<Vec<Sized>, HubError> {
        #[derive(serde::Deserialize)]
        struct Info {
            siblings: Vec<Sibling>,
        }
        #[derive(serde::Deserialize)]
        struct Sibling {
            rfilename: String,
            size: Option<u64>,
        }
        let snapshot = self.unresolved(kind, id, revision);
        let asked = snapshot.asked("");
        let client: &Client = snapshot.client(&asked)?;
        let folder = if kind == RepoKind::Model { "models" } else { "datasets" };
        let revision = revision_path(&snapshot.revision);
        let url = format!("{}/api/{folder}/{id}/revision/{revision}?blobs=true", self.endpoint);
        let response = client.ask(&url, Question::Get { from: 0 }, &asked)?;
        const MOST: u64 = 1 << 26;
        let text = response.into_body().into_with_config().limit(MOST).read_to_string();
        let text = text.map_err(|error| super::client::network(&error, &asked))?;
        let protocol = |cause: String| HubError::Protocol { asked: Box::new(Asked::clone(&asked)), cause };
        let info: Info = serde_json::from_str(&text).map_err(|error| protocol(error.to_string()))?;
        let files = info.siblings.into_iter().filter(|file| is_inside(&file.rfilename));
        Ok(files.map(|file| Sized { name: file.rfilename, bytes: file.size }).collect())
    }
}
