//! Downloads that are cut, changed, damaged, doubled.

use super::server::{COMMIT, Server, State, etag};
use super::{MODEL, fetch, hub, serve, weights};
use autolora::data::hub::{Hub, HubError, unwatched};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "me/bert/model.safetensors";

fn blobs(cache: &Path) -> PathBuf {
    cache.join("models--me--bert/blobs")
}

/// The partial file of the weights, as a download that was killed left it.
fn leave_partial(server: &Server, cache: &Path, text: &str) -> PathBuf {
    let etag = etag(&server.state.lock().unwrap(), WEIGHTS);
    std::fs::create_dir_all(blobs(cache)).unwrap();
    let partial = blobs(cache).join(format!("{etag}.incomplete"));
    std::fs::write(&partial, text).unwrap();
    partial
}

fn incomplete(cache: &Path) -> usize {
    let names = std::fs::read_dir(blobs(cache)).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".incomplete")).count()
}

#[test]
fn a_download_that_is_cut_off_goes_on_where_it_was() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().cut = 2;
    server.state.lock().unwrap().files.insert(WEIGHTS.into(), b"0123456789abcdefghij".to_vec());
    let mut told = Vec::new();
    let hub = hub(&server, cache.path());
    let files = super::locate("me/bert", None, &hub, &mut |d| {
        told.push((d.file.to_owned(), d.done, d.total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(weights(&files), "0123456789abcdefghij");
    let seen = server.seen();
    let gets: Vec<&String> = seen.iter().filter(|line| line.starts_with("GET /blob/")).collect();
    assert_eq!(
        gets,
        [
            "GET /blob/me/bert/model.safetensors",
            "GET /blob/me/bert/model.safetensors bytes=10-",
            "GET /blob/me/bert/model.safetensors bytes=15-"
        ]
    );
    assert_eq!(told.last(), Some(&("model.safetensors".to_owned(), 20, 20)));
    assert_eq!(incomplete(cache.path()), 0);
}

#[test]
fn another_process_goes_on_with_what_a_killed_one_left() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    leave_partial(&server, cache.path(), "0123");
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "0123456789");
    assert!(server.seen().contains(&format!("GET /blob/{WEIGHTS} bytes=4-")));
    // A partial file that is whole needs no more than a check.
    let other = tempfile::tempdir().unwrap();
    leave_partial(&server, other.path(), "0123456789");
    assert_eq!(weights(&fetch("me/bert", &hub(&server, other.path())).unwrap()), "0123456789");
    assert!(!server.seen().iter().any(|line| line.starts_with("GET /blob/")));
}

#[test]
fn another_version_of_a_file_is_not_glued_to_the_first() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let old = leave_partial(&server, cache.path(), "0123");
    server.state.lock().unwrap().files.insert(WEIGHTS.into(), b"abcdefghij".to_vec());
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "abcdefghij");
    assert!(server.seen().contains(&format!("GET /blob/{WEIGHTS}")), "from the start");
    assert!(old.exists());
}

#[test]
fn a_server_that_ignores_the_range_does_not_double_the_beginning() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    leave_partial(&server, cache.path(), "0123");
    server.state.lock().unwrap().ignores_ranges = true;
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "0123456789");
}

#[test]
fn a_damaged_beginning_is_noticed_and_fetched_again() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    leave_partial(&server, cache.path(), "0x23");
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "0123456789");
    // Longer than the file: from the start as well.
    let other = tempfile::tempdir().unwrap();
    leave_partial(&server, other.path(), "0123456789 and more");
    assert_eq!(weights(&fetch("me/bert", &hub(&server, other.path())).unwrap()), "0123456789");
}

#[test]
fn content_that_is_not_what_was_announced_is_refused() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().etags.insert(WEIGHTS.into(), "ab".repeat(32));
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    assert!(error.contains("is not what it announced (its SHA-256 is another), also when asked again"), "{error}");
    assert_eq!(incomplete(cache.path()), 0);
    server.state.lock().unwrap().etags.insert(WEIGHTS.into(), "../../evil".into());
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    assert!(error.contains("the ETag ../../evil is no name"), "{error}");
}

#[test]
fn content_that_another_revision_brought_is_not_fetched_again() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    fetch("me/bert", &hub).unwrap();
    let snapshots = cache.path().join("models--me--bert/snapshots");
    std::fs::rename(snapshots.join(COMMIT), snapshots.join("an-older-commit")).unwrap();
    server.seen();
    assert_eq!(weights(&fetch("me/bert", &hub).unwrap()), "0123456789");
    assert!(server.seen().iter().all(|line| line.starts_with("HEAD ")));
    let link = std::fs::read_link(snapshots.join(COMMIT).join("config.json")).unwrap();
    assert!(link.starts_with("../../blobs"), "links are relative: {link:?}");
}

#[test]
fn an_empty_file_is_a_file() {
    let files = [MODEL[0], ("me/bert/tokenizer.json", ""), MODEL[2]];
    let (server, cache) = (serve(&files), tempfile::tempdir().unwrap());
    assert!(fetch("me/bert", &hub(&server, cache.path())).unwrap().tokenizer.bytes.is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_with_what_it_lacks() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().files.insert(WEIGHTS.into(), vec![b'x'; 3_500_000]);
    // Writing to this device fails as writing to a full disk does.
    let partial = leave_partial(&server, cache.path(), "");
    std::fs::remove_file(&partial).unwrap();
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    let start = format!(
        "no room on the disk of the cache {}: model.safetensors of me/bert lacks 4 MB there",
        cache.path().display()
    );
    assert!(error.starts_with(&start) && error.contains("set HF_HUB_CACHE"), "{error}");
}

#[test]
fn a_download_of_another_program_is_waited_for() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let etag = etag(&server.state.lock().unwrap(), WEIGHTS);
    let locks = cache.path().join(".locks/models--me--bert");
    std::fs::create_dir_all(&locks).unwrap();
    std::fs::create_dir_all(blobs(cache.path())).unwrap();
    let lock = std::fs::File::create(locks.join(format!("{etag}.lock"))).unwrap();
    lock.lock().unwrap();
    let blob = blobs(cache.path()).join(&etag);
    let hub = hub(&server, cache.path());
    let waiting = std::thread::spawn(move || fetch("me/bert", &hub).map(|files| weights(&files)));
    while !server.seen().iter().any(|line| line.starts_with("HEAD") && line.contains("safetensors")) {
        std::thread::yield_now();
    }
    std::fs::write(blob, "0123456789").unwrap();
    drop(lock);
    assert_eq!(waiting.join().unwrap().unwrap(), "0123456789");
    assert!(!server.seen().iter().any(|line| line.contains("/blob/")));
}

#[test]
fn a_server_that_always_breaks_off_is_given_up_with_the_part_kept() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let (snapshot, progress) = (hub.snapshot("me/bert", None, "config.json").unwrap(), &mut unwatched);
    snapshot.file("config.json", progress).unwrap();
    // The hub says where the file is, and nobody is there.
    server.state.lock().unwrap().refusals.extend(
        [("302 Found", "Location: http://127.0.0.1:1/x\r\nX-Linked-Etag: \"abc\"\r\nX-Linked-Size: 10\r\n")].repeat(6),
    );
    let error = snapshot.file("model.safetensors", progress).unwrap_err();
    assert!(matches!(error, HubError::BrokenOff { tries: 5, done: 0, .. }), "{error}");
    assert!(error.to_string().ends_with("start the run again: it goes on from there"), "{error}");
}

#[test]
fn the_environment_means_what_it_means_to_python() {
    let hub = |variables: &[(&str, &str)]| {
        Hub::from_vars(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
    };
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "from-file\n").unwrap();
    let at = home.path().to_str().unwrap();
    let plain = hub(&[("HF_HOME", at)]);
    assert_eq!((plain.cache, plain.token.as_deref()), (home.path().join("hub"), Some("from-file")));
    assert_eq!((plain.endpoint.as_str(), plain.offline), ("https://huggingface.co", false));
    let said = [
        ("HF_HOME", at),
        ("HF_HUB_CACHE", "/elsewhere"),
        ("HF_TOKEN", " mine "),
        ("HF_ENDPOINT", "https://mirror.org/"),
        ("HF_HUB_OFFLINE", "YES"),
    ];
    let all = hub(&said);
    assert_eq!((all.cache, all.token.as_deref()), ("/elsewhere".into(), Some("mine")));
    assert_eq!((all.endpoint.as_str(), all.offline), ("https://mirror.org", true));
    assert_eq!(hub(&[("HF_HOME", ""), ("XDG_CACHE_HOME", "/x")]).cache, Path::new("/x/huggingface/hub"));
    assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    let _ = State::default();
}

#[test]
fn a_download_that_is_broken_off_by_its_watcher_stays_and_goes_on() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let error = super::locate("me/bert", None, &hub, &mut |_| ControlFlow::Break(())).unwrap_err().to_string();
    assert!(error.contains("was interrupted; it goes on from there"), "{error}");
    assert_eq!(incomplete(cache.path()), 1);
    assert_eq!(weights(&fetch("me/bert", &hub).unwrap()), "0123456789");
    assert_eq!(incomplete(cache.path()), 0);
}

#[test]
fn a_server_that_never_gives_the_end_is_given_up() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().sizes.insert(WEIGHTS.into(), 1000);
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    assert!(error.contains("broke off"), "{error}");
    let asked = server.seen().iter().filter(|line| line.starts_with("GET /blob/")).count();
    assert!(asked < 20, "{asked} requests");
}
