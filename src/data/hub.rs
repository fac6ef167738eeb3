//! Files of the Hugging Face hub, through its cache, which is shared with the Python libraries.
//!
//! A [`Snapshot`] is one commit of a repository, so that all files of a model fit together even while the branch moves.

use super::error::shown;
use hf_hub::api::Progress;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use std::path::{Path, PathBuf};

/// Where to fetch from and where to keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    /// `HF_ENDPOINT`, without a slash at the end.
    pub endpoint: String,
    /// `HF_HUB_CACHE`, else `HF_HOME`/hub, else `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// `HF_TOKEN`, else the file that `hf auth login` writes.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: only what the cache has.
    pub offline: bool,
}

impl Hub {
    /// As the environment says; variables mean what they mean to Hugging Face's own libraries. An empty one is unset.
    pub fn from_env() -> Self {
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let home = said("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
            let cache = said("XDG_CACHE_HOME").map(PathBuf::from);
            cache.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".cache")).join("huggingface")
        });
        let token_file = said("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let token = said("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        let yes = ["1", "on", "yes", "true"];
        Self {
            endpoint: said("HF_ENDPOINT").unwrap_or("https://huggingface.co".into()).trim_end_matches('/').to_owned(),
            cache: said("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: said("HF_HUB_OFFLINE").is_some_and(|value| yes.contains(&value.to_ascii_lowercase().as_str())),
        }
    }

    /// The commit that `revision` (default `main`) of the model `id` is at. `probe` is a file that it must have.
    ///
    /// A revision that is a commit, and offline, need no network. Where the hub cannot be reached, the commit that the cache
    /// knows is taken.
    pub fn snapshot(&self, id: &str, revision: Option<&str>, probe: &str) -> Result<Snapshot, HubError> {
        let revision = revision.unwrap_or("main").to_owned();
        let build = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false)
            .with_retries(3)
            .build();
        let mut snapshot =
            Snapshot { hub: self.clone(), id: id.to_owned(), commit: revision.clone(), revision, api: None };
        let api = build.map_err(|e| snapshot.error(probe, e))?;
        if !self.offline {
            snapshot.api = Some(api);
        }
        if !is_commit(&snapshot.revision) {
            snapshot.commit = snapshot.resolve(probe)?;
        }
        Ok(snapshot)
    }
}

/// A token must not be printed, not even by a debugging line.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "(hidden)");
        let Self { endpoint, cache, offline, .. } = self;
        write!(f, "Hub {{ endpoint: {endpoint:?}, cache: {cache:?}, token: {token:?}, offline: {offline} }}")
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download<'a> {
    pub file: &'a str,
    /// Bytes on disk, and of the whole file.
    pub done: u64,
    pub total: u64,
}

/// One commit of a repository.
#[derive(Debug)]
pub struct Snapshot {
    hub: Hub,
    id: String,
    revision: String,
    commit: String,
    /// `None` offline.
    api: Option<Api>,
}

impl Snapshot {
    /// The commit, 40 hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// A file of the snapshot: from the cache, else fetched. [`HubError::is_absent`] says that there is none.
    pub fn file(&self, name: &str, progress: &mut dyn FnMut(Download)) -> Result<PathBuf, HubError> {
        let cached = self.cache().pointer_path(&self.commit).join(name);
        if cached.exists() {
            return Ok(cached);
        }
        let Some(api) = &self.api else {
            return Err(HubError::Offline {
                id: self.id.clone(),
                file: name.to_owned(),
                revision: self.revision.clone(),
                cache: self.hub.cache.clone(),
            });
        };
        let repo = Repo::with_revision(self.id.clone(), RepoType::Model, self.commit.clone());
        let meter = Meter { file: name, done: 0, told: 0, total: 0, progress };
        api.repo(repo).download_with_progress(name, meter).map_err(|e| self.error(name, e))
    }

    /// Notes that the cache holds this commit as the revision's, for use offline. Call it when all files are there.
    pub fn keep(&self) -> Result<(), HubError> {
        self.cache().create_ref(&self.commit).map_err(|e| self.error("", ApiError::IoError(e)))
    }

    fn cache(&self) -> hf_hub::CacheRepo {
        let repo = Repo::with_revision(self.id.clone(), RepoType::Model, self.revision.clone());
        Cache::new(self.hub.cache.clone()).repo(repo)
    }

    /// The commit of a branch or tag.
    fn resolve(&self, probe: &str) -> Result<String, HubError> {
        let known = || {
            let folder = Repo::new(self.id.clone(), RepoType::Model).folder_name();
            let reference = self.hub.cache.join(folder).join("refs").join(&self.revision);
            std::fs::read_to_string(reference).ok().map(|commit| commit.trim().to_owned()).filter(|c| is_commit(c))
        };
        let Some(api) = &self.api else {
            return known().ok_or_else(|| HubError::Offline {
                id: self.id.clone(),
                file: probe.to_owned(),
                revision: self.revision.clone(),
                cache: self.hub.cache.clone(),
            });
        };
        let repo = Repo::with_revision(self.id.clone(), RepoType::Model, self.revision.clone());
        let metadata = api.metadata(&api.repo(repo).url(probe)).map_err(|e| self.error(probe, e));
        match metadata {
            Ok(metadata) => Ok(metadata.commit_hash().to_owned()),
            Err(error @ HubError::Network { .. }) => known().ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// An error of the library, said for people.
    fn error(&self, file: &str, error: ApiError) -> HubError {
        let (id, endpoint, file) = (self.id.clone(), self.hub.endpoint.clone(), file.to_owned());
        let revision = self.revision.clone();
        match error {
            ApiError::TooManyRetries(inner) => self.error(&file, *inner),
            ApiError::RequestError(request) => match *request {
                ureq::Error::StatusCode(401) => {
                    HubError::Unauthorised { id, endpoint, token: self.hub.token.is_some() }
                }
                ureq::Error::StatusCode(403) => HubError::Gated { id, endpoint },
                ureq::Error::StatusCode(404) => HubError::NotFound { id, endpoint, revision, file },
                ureq::Error::StatusCode(416) => HubError::Leftover { cache: self.hub.cache.clone(), id, file },
                ureq::Error::StatusCode(code) => HubError::Status { endpoint, code, id, file },
                other => HubError::Network { endpoint, cause: shown(&other.to_string()) },
            },
            ApiError::IoError(source) => HubError::Disk { cache: self.hub.cache.clone(), source },
            ApiError::InvalidResume => HubError::Leftover { cache: self.hub.cache.clone(), id, file },
            ApiError::LockAcquisition(lock) => HubError::Locked { id, file, lock },
            other => HubError::Protocol { endpoint, cause: shown(&other.to_string()) },
        }
    }
}

/// Whether a revision is a full commit hash, which never moves.
fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Tells a progress function, at most about 200 times a file.
struct Meter<'a> {
    file: &'a str,
    done: u64,
    told: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Download),
}

impl Meter<'_> {
    fn tell(&mut self) {
        self.told = self.done;
        (self.progress)(Download { file: self.file, done: self.done, total: self.total });
    }
}

impl Progress for Meter<'_> {
    fn init(&mut self, size: usize, _filename: &str) {
        (self.done, self.told, self.total) = (0, 0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        if self.done - self.told > self.total / 200 {
            self.tell();
        }
    }

    fn finish(&mut self) {
        self.tell();
    }
}

/// Why a file of the hub is not to be had, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(
        "{endpoint} has no {file} at revision {revision} of {id}: no such model, revision or file; \
         look at {endpoint}/{id}/tree/{revision}"
    )]
    NotFound { id: String, endpoint: String, revision: String, file: String },
    #[error(
        "{endpoint} does not show {id}: there is no such model, or it is private or gated; check the name{}",
        if *.token { ", and whether your token may read it" } else { "; for a private or gated model set HF_TOKEN" }
    )]
    Unauthorised { id: String, endpoint: String, token: bool },
    #[error("{id} is gated: accept its terms at {endpoint}/{id}, then set HF_TOKEN to a token that may read it")]
    Gated { id: String, endpoint: String },
    #[error("{endpoint} answered {code} for {file} of {id}; try again later")]
    Status { endpoint: String, code: u16, id: String, file: String },
    #[error(
        "no answer from {endpoint}: {cause}; check the network and HF_ENDPOINT, or download the model elsewhere and give its \
         folder as model.id"
    )]
    Network { endpoint: String, cause: String },
    #[error(
        "HF_HUB_OFFLINE is set and the cache {} has no {file} of {id} at revision {revision}; unset it once with a network, \
         or give a folder as model.id",
        cache.display()
    )]
    Offline { id: String, file: String, revision: String, cache: PathBuf },
    #[error("cannot write to the cache {}: {source}; make room, or set HF_HUB_CACHE to another folder", cache.display())]
    Disk { cache: PathBuf, source: std::io::Error },
    #[error("an unfinished download of {file} of {id} does not fit; remove the .part files under {}", cache.display())]
    Leftover { cache: PathBuf, id: String, file: String },
    #[error("{file} of {id} is being downloaded by another program ({} is locked); try again when it is done", lock.display())]
    Locked { id: String, file: String, lock: PathBuf },
    #[error("{endpoint} does not answer as a Hugging Face hub: {cause}; check HF_ENDPOINT")]
    Protocol { endpoint: String, cause: String },
}

impl HubError {
    /// Whether the file is not there, as far as can be told, while others may be.
    pub fn is_absent(&self) -> bool {
        matches!(self, HubError::NotFound { .. } | HubError::Offline { .. })
    }
}

/// Whether `id` can be a model of the hub: `name` or `owner/name` of letters, digits, `-`, `_` and `.`.
pub fn is_model_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    id.len() <= 200 && id.split('/').count() <= 2 && id.split('/').all(part) && !id.contains("..")
}

/// Whether a name in a repository is a plain file name, which cannot lead out of a folder.
pub fn is_plain_file(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|plain| plain == name)
}
