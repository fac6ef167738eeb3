//! What the hub refuses, and the next step that is said; where the token goes.

use super::server::{Server, State};
use super::{MODEL, fetch, hub, serve};
use autolora::data::hub::Hub;

#[test]
fn refusals_say_the_next_step() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let endpoint = &server.endpoint;
    let said = |id: &str, hub: &Hub| fetch(id, hub).unwrap_err().to_string();
    assert_eq!(
        said("me/bart", &hub),
        format!("{endpoint} has no model me/bart; check model.id (owner/name, as on its page)")
    );
    let revision =
        super::locate("me/bert", Some("v2"), &hub, &mut autolora::data::hub::unwatched).unwrap_err().to_string();
    assert_eq!(revision, format!("the model me/bert has no revision v2; look at {endpoint}/me/bert/tree/main"));
    server.state.lock().unwrap().files.remove("me/bert/model.safetensors");
    let file = format!(
        "{endpoint} has no model.safetensors at revision main of me/bert; look at {endpoint}/me/bert/tree/main"
    );
    assert_eq!(said("me/bert", &hub), file);
    server.state.lock().unwrap().private.insert("me/bert".into(), "secret".into());
    assert!(said("me/bert", &hub).contains("for a private or gated one set HF_TOKEN"));
    let wrong = Hub { token: Some("wrong".into()), ..hub.clone() };
    assert!(said("me/bert", &wrong).contains("check the name, and whether your token may read it"));
    assert!(!format!("{wrong:?}").contains("wrong"), "a token must not be printed");
    let right = Hub { token: Some("secret".into()), ..hub.clone() };
    assert!(said("me/bert", &right).contains("has no model.safetensors"), "the token is sent");
    server.state.lock().unwrap().gated.push("me/bert".into());
    assert!(
        said("me/bert", &right)
            .contains(&format!("accept its terms at {endpoint}/me/bert, with the account of your token"))
    );
    server.state.lock().unwrap().private.clear();
    assert!(said("me/bert", &hub).contains("me/bert, then set HF_TOKEN to a token of that account"));
    let offline = Hub { offline: true, cache: cache.path().join("empty"), ..hub.clone() };
    let expected =
        "has no config.json of me/bert at revision main; unset it once with a network, or download the model";
    assert!(said("me/bert", &offline).contains(expected), "{}", said("me/bert", &offline));
    let gone = Hub { endpoint: "http://127.0.0.1:1".into(), cache: cache.path().join("empty"), ..hub.clone() };
    assert!(said("me/bert", &gone).contains("no answer from http://127.0.0.1:1: "));
    let nameless = Hub { endpoint: "http://no-such-host.invalid".into(), ..gone };
    assert!(said("me/bert", &nameless).contains("no answer from http://no-such-host.invalid: "));
}

#[test]
fn a_hub_that_is_busy_is_waited_for_or_given_up_with_the_time() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let refuse = |status, headers| server.state.lock().unwrap().refusals.push_back((status, headers));
    refuse("429 Too Many Requests", "Retry-After: 1\r\n");
    refuse("503 Service Unavailable", "");
    fetch("me/bert", &hub).unwrap();
    refuse("429 Too Many Requests", "Retry-After: 3600\r\n");
    let error = fetch("me/bert", &hub).unwrap_err().to_string();
    let expected = "takes no more requests for now (429), but again in 3600 s; start the run again then, or set HF_TOKEN: \
                    with a token it takes more";
    assert!(error.ends_with(expected), "{error}");
    refuse("429 Too Many Requests", "RateLimit: \"resolvers\";r=0;t=217\r\n");
    assert!(fetch("me/bert", &hub).unwrap_err().to_string().contains("but again in 217 s"));
    (0..3).for_each(|_| refuse("500 Internal Server Error", "X-Error-Message: on fire\r\n"));
    let empty = Hub { cache: cache.path().join("empty"), ..hub.clone() };
    let error = fetch("me/bert", &empty).unwrap_err().to_string();
    assert!(error.contains("answered 500 for config.json of me/bert (on fire); try again later"), "{error}");
    refuse("403 Forbidden", "X-Error-Message: token lacks the permission\r\n");
    let error = fetch("me/bert", &hub).unwrap_err().to_string();
    assert!(error.contains("forbids to read config.json of me/bert (token lacks the permission)"), "{error}");
    refuse("200 OK", "");
    let error = fetch("me/bert", &hub).unwrap_err().to_string();
    assert!(
        error.contains("does not answer as a Hugging Face hub: the answer has no ETag; check HF_ENDPOINT"),
        "{error}"
    );
}

#[test]
fn a_redirect_that_never_ends_is_given_up() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().refusals.extend([("307 Temporary Redirect", "Location: /again\r\n")].repeat(8));
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    assert!(error.contains("more than 8 redirects"), "{error}");
}

#[test]
fn a_renamed_repository_is_followed() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    server.state.lock().unwrap().renamed.insert("old/bert".into(), "me/bert".into());
    assert_eq!(super::weights(&fetch("old/bert", &hub(&server, cache.path())).unwrap()), "0123456789");
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let files = MODEL.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect();
    let private = [("me/bert".to_owned(), "hf_secret".to_owned())].into();
    let server = Server::start(State { files, private, ..State::default() });
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub { token: Some("hf_secret".into()), ..hub(&server, cache.path()) };
    fetch("me/bert", &hub).unwrap();
    // The server itself refuses a token that comes with a question for the content of a large file, on another host.
    assert!(server.seen().iter().any(|line| line.starts_with("GET /blob/")));
    let tokens = std::mem::take(&mut server.state.lock().unwrap().tokens);
    assert!(!tokens.is_empty() && tokens.iter().all(|place| place.starts_with("127.0.0.1")), "{tokens:?}");
    let bad = Hub { token: Some("hf_\u{1}secret".into()), ..hub };
    let error =
        format!("{0} {0:?}", super::locate("me/new", None, &bad, &mut autolora::data::hub::unwatched).unwrap_err());
    assert!(error.contains("the token has characters") && !error.contains("secret"), "{error}");
}

#[test]
fn a_hub_that_says_to_wait_for_nothing_is_not_asked_without_end() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        server.state.lock().unwrap().refusals.push_back(("429 Too Many Requests", "Retry-After: 0\r\n"));
    }
    let started = std::time::Instant::now();
    fetch("me/bert", &hub(&server, cache.path())).unwrap();
    assert!(started.elapsed().as_secs() >= 2, "a second between questions, at least");
}

#[test]
fn a_hub_out_of_order_is_no_hindrance_where_the_cache_has_all() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let files = fetch("me/bert", &hub).unwrap();
    for _ in 0..3 {
        server.state.lock().unwrap().refusals.push_back(("500 Internal Server Error", ""));
    }
    assert_eq!(fetch("me/bert", &hub).unwrap(), files);
    assert!(server.state.lock().unwrap().refusals.is_empty(), "it was asked three times");
}
