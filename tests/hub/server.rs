//! A hub on the loopback: the part of its protocol that fetching files uses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server has and how it behaves.
#[derive(Default)]
pub struct State {
    /// Repository files by `id/name`, all at [`COMMIT`], which `main` points to.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Repositories that need this token.
    pub private: BTreeMap<String, String>,
    /// Repositories whose terms nobody has accepted.
    pub gated: Vec<String>,
    /// How many downloads of more than 8 bytes to cut off in the middle.
    pub cut: usize,
    /// Request lines with ranges, in order.
    pub seen: Vec<String>,
}

/// A running server; it ends with the test process.
pub struct Server {
    pub endpoint: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let base = endpoint.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is the client's business.
                let _ = answer(stream, &mut shared.lock().unwrap(), &base);
            }
        });
        Self { endpoint, state }
    }

    /// Requests so far; forgets them.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

fn answer(mut stream: TcpStream, state: &mut State, endpoint: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let range = headers.get("range").cloned().unwrap_or_default();
    state.seen.push(format!("{path} {range}"));
    let refuse = |stream: &mut TcpStream, status: &str| {
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    // Large files are elsewhere: `/blob/<id>/<file>`.
    if let Some(key) = path.strip_prefix("/blob/") {
        assert!(state.files.contains_key(key), "a redirect to a file that is not there");
        return content(&mut stream, state, key, &range);
    }
    let Some((id, rest)) = path.trim_start_matches('/').split_once("/resolve/") else {
        return refuse(&mut stream, "404 Not Found");
    };
    let Some((revision, file)) = rest.split_once('/') else { return refuse(&mut stream, "404 Not Found") };
    if let Some(token) = state.private.get(id)
        && headers.get("authorization") != Some(&format!("Bearer {token}"))
    {
        return refuse(&mut stream, "401 Unauthorized");
    }
    if state.gated.iter().any(|gated| gated == id) {
        return refuse(&mut stream, "403 Forbidden");
    }
    let key = format!("{id}/{file}");
    if !["main", COMMIT].contains(&revision) || !state.files.contains_key(&key) {
        return refuse(&mut stream, "404 Not Found");
    }
    if file.ends_with(".safetensors") {
        let size = state.files[&key].len();
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {endpoint}/blob/{key}\r\nX-Repo-Commit: {COMMIT}\r\nETag: \"weak\"\r\n\
             X-Linked-Etag: \"lfs-{}\"\r\nX-Linked-Size: {size}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            key.replace('/', "-"),
        );
    }
    content(&mut stream, state, &key, &range)
}

/// The bytes of a file from where `range` starts (`bytes=N-` or `bytes=0-0`).
fn content(stream: &mut TcpStream, state: &mut State, key: &str, range: &str) -> std::io::Result<()> {
    let bytes = &state.files[key];
    let (start, end) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')).unwrap_or(("0", ""));
    let start: usize = start.parse().unwrap();
    let end = end.parse().map_or(bytes.len(), |last: usize| last + 1).min(bytes.len());
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\n\
         X-Repo-Commit: {COMMIT}\r\nETag: \"{}\"\r\nConnection: close\r\n\r\n",
        end - start,
        end.max(1) - 1,
        bytes.len(),
        key.replace('/', "-"),
    )?;
    let whole = &bytes[start..end];
    if state.cut > 0 && whole.len() > 8 {
        state.cut -= 1;
        return stream.write_all(&whole[..whole.len() / 2]);
    }
    stream.write_all(whole)
}
