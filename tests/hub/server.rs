//! A hub on the loopback: the part of its protocol that fetching files uses, with its ways to refuse.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// What `refs/convert/parquet` of every dataset is at.
pub const CONVERTED: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// What the server has and how it behaves.
#[derive(Default)]
pub struct State {
    /// Repository files by `id/name` (a dataset's by `datasets/id/name`), all at [`COMMIT`], which `main` points to; those
    /// by `convert/datasets/id/name` at [`CONVERTED`].
    pub files: BTreeMap<String, Vec<u8>>,
    /// The ETag of a file, where it is not the one that it should have.
    pub etags: BTreeMap<String, String>,
    /// The size that is announced of a file, where it is not the one that it has.
    pub sizes: BTreeMap<String, usize>,
    /// Repositories that need this token.
    pub private: BTreeMap<String, String>,
    /// Repositories whose terms nobody has accepted.
    pub gated: Vec<String>,
    /// Repositories that were renamed: old id to new.
    pub renamed: BTreeMap<String, String>,
    /// How many downloads of more than 8 bytes to cut off in the middle.
    pub cut: usize,
    /// Whether to answer a range with the whole file.
    pub ignores_ranges: bool,
    /// Status and headers of the next answers, instead of what they would be.
    pub refusals: VecDeque<(&'static str, &'static str)>,
    /// Questions in order: method, path, range.
    pub seen: Vec<String>,
    /// Paths that a token came with, with the host that was asked.
    pub tokens: Vec<String>,
}

/// A running server; it ends with the test process.
pub struct Server {
    pub endpoint: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is the client's business.
                let _ = answer(stream, &mut shared.lock().unwrap(), port);
            }
        });
        Self { endpoint: format!("http://127.0.0.1:{port}"), state }
    }

    /// Questions so far; forgets them.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

struct Question {
    head: bool,
    path: String,
    headers: BTreeMap<String, String>,
}

fn question(stream: &TcpStream) -> std::io::Result<Question> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut words = line.split(' ');
    Ok(Question { head: words.next() == Some("HEAD"), path: words.next().unwrap_or("").to_owned(), headers })
}

fn answer(mut stream: TcpStream, state: &mut State, port: u16) -> std::io::Result<()> {
    let asked = question(&stream)?;
    let said = |name: &str| asked.headers.get(name).cloned().unwrap_or_default();
    let method = if asked.head { "HEAD" } else { "GET" };
    state.seen.push(format!("{method} {} {}", asked.path, said("range")).trim().to_owned());
    if asked.headers.contains_key("authorization") {
        state.tokens.push(format!("{}{}", said("host"), asked.path));
    }
    let reply = |stream: &mut TcpStream, status: &str, headers: &str| {
        write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
    };
    if let Some((status, headers)) = state.refusals.pop_front() {
        return reply(&mut stream, status, headers);
    }
    // Large files are on another host: `/blob/<id>/<file>`.
    if let Some(key) = asked.path.strip_prefix("/blob/") {
        assert!(state.files.contains_key(key), "a redirect to a file that is not there");
        assert!(!asked.headers.contains_key("authorization"), "the token went to another host");
        return content(&mut stream, state, key, &asked);
    }
    let path = asked.path.replace("%2F", "/").replace("%20", " ");
    // As the API does: sizes are told where they are asked for.
    let (path, with_sizes) = match path.strip_suffix("?blobs=true") {
        Some(path) => (path.trim_start_matches('/'), true),
        None => (path.trim_start_matches('/'), false),
    };
    let (id, revision, file) = match path.strip_prefix("api/") {
        Some(rest) => match rest.split_once("/revision/") {
            Some((id, revision)) => (id.trim_start_matches("models/").to_owned(), revision.to_owned(), None),
            None => return reply(&mut stream, "404 Not Found", ""),
        },
        None => {
            let Some((id, rest)) = path.split_once("/resolve/") else { return reply(&mut stream, "404 Not Found", "") };
            let converted = rest.strip_prefix("refs/convert/parquet/");
            let (revision, file) = converted
                .map_or_else(|| rest.split_once('/').unwrap_or_default(), |file| ("refs/convert/parquet", file));
            (id.to_owned(), revision.to_owned(), Some(file.to_owned()))
        }
    };
    if let Some(new) = state.renamed.get(&id) {
        let location = asked.path.replace(&id, new);
        return reply(&mut stream, "307 Temporary Redirect", &format!("Location: {location}\r\n"));
    }
    if let Some(token) = state.private.get(&id)
        && said("authorization") != format!("Bearer {token}")
    {
        return reply(&mut stream, "401 Unauthorized", "X-Error-Code: RepoNotFound\r\n");
    }
    if state.gated.contains(&id) {
        return reply(
            &mut stream,
            "403 Forbidden",
            "X-Error-Code: GatedRepo\r\nX-Error-Message: Access is restricted\r\n",
        );
    }
    let (prefix, commit) = match revision.as_str() {
        "main" | COMMIT => (format!("{id}/"), COMMIT),
        "refs/convert/parquet" | CONVERTED => (format!("convert/{id}/"), CONVERTED),
        _ => (String::new(), ""),
    };
    let repo = |prefix: &str| state.files.keys().any(|key| key.starts_with(prefix));
    if !repo(&format!("{id}/")) {
        return reply(&mut stream, "404 Not Found", "X-Error-Code: RepoNotFound\r\n");
    }
    if prefix.is_empty() || !repo(&prefix) {
        return reply(&mut stream, "404 Not Found", "X-Error-Code: RevisionNotFound\r\n");
    }
    let Some(file) = file else {
        let names = state.files.iter().filter_map(|(key, bytes)| Some((key.strip_prefix(&prefix)?, bytes.len())));
        let names: Vec<String> = names
            .map(|(name, size)| {
                let size = if with_sizes { format!(", \"size\": {size}") } else { String::new() };
                format!("{{\"rfilename\": \"{name}\"{size}}}")
            })
            .collect();
        let body = format!("{{\"id\": \"{id}\", \"sha\": \"{commit}\", \"siblings\": [{}]}}", names.join(","));
        return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    };
    let key = format!("{prefix}{file}");
    let Some(bytes) = state.files.get(&key) else {
        return reply(&mut stream, "404 Not Found", "X-Error-Code: EntryNotFound\r\n");
    };
    if is_large(&key) {
        let (size, etag) = (state.sizes.get(&key).copied().unwrap_or(bytes.len()), etag(state, &key));
        // The same server under another name is another host.
        let headers = format!(
            "Location: http://localhost:{port}/blob/{key}\r\nX-Repo-Commit: {commit}\r\nETag: \"weak\"\r\n\
             X-Linked-Etag: \"{etag}\"\r\nX-Linked-Size: {size}\r\n"
        );
        return reply(&mut stream, "302 Found", &headers);
    }
    content(&mut stream, state, &key, &asked)
}

fn is_large(key: &str) -> bool {
    key.ends_with(".safetensors") || key.ends_with(".parquet")
}

/// The ETag of a file: of a large one the SHA-256 of its content.
pub fn etag(state: &State, key: &str) -> String {
    use sha2::{Digest, Sha256};
    let bytes = &state.files[key];
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let usual = if is_large(key) { hex } else { hex[..40].to_owned() };
    state.etags.get(key).cloned().unwrap_or(usual)
}

/// The bytes of a file from where the range starts.
fn content(stream: &mut TcpStream, state: &mut State, key: &str, asked: &Question) -> std::io::Result<()> {
    let etag = etag(state, key);
    let bytes = &state.files[key];
    let range = asked.headers.get("range").filter(|_| !state.ignores_ranges);
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse::<usize>().ok());
    let commit = if key.starts_with("convert/") { CONVERTED } else { COMMIT };
    let headers = format!("X-Repo-Commit: {commit}\r\nETag: W/\"{etag}\"\r\nConnection: close\r\n");
    if start.is_some_and(|start| start >= bytes.len()) {
        return write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n{headers}\r\n");
    }
    let whole = &bytes[start.unwrap_or(0)..];
    let (status, place) = match start {
        Some(start) => {
            let place = format!("Content-Range: bytes {start}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            ("206 Partial Content", place)
        }
        None => ("200 OK", String::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{place}{headers}\r\n", whole.len())?;
    if asked.head {
        return Ok(());
    }
    if state.cut > 0 && whole.len() > 8 {
        state.cut -= 1;
        return stream.write_all(&whole[..whole.len() / 2]);
    }
    stream.write_all(whole)
}
