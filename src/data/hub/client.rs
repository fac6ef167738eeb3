//! Questions to the hub over HTTP: redirects, the token, refusals, and patience.

use super::error::{Asked, HubError, Missing};
use crate::data::error::shown;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// The longest that a 429 is waited for, in all.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pauses before a question is asked again after a fault of the server.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];
const REDIRECTS: usize = 8;

/// A client of one hub. It has no connection open between questions that fail.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<Token>,
}

/// A token must not be printed, not even by a debugging line.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// For the headers alone. A redirect to another place is the answer: its headers say what the file is.
    Head,
    /// For the content from this byte on, wherever it is.
    Get { from: u64 },
}

impl Client {
    pub fn new(endpoint: &str, token: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("autolora/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(Duration::from_secs(15)))
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)));
        let token = token.map(|token| Token(token.to_owned()));
        Self { agent: config.build().into(), endpoint: endpoint.to_owned(), token }
    }

    /// Whether questions carry a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks, and asks again where the server is busy or at fault. `asked` is for errors.
    pub fn ask(&self, url: &str, question: Question, asked: &Asked) -> Result<Response<Body>, HubError> {
        let mut pauses = PAUSES.into_iter();
        let mut waited = Duration::ZERO;
        let mut cut = question != Question::Head;
        loop {
            let response = match self.follow(url, question, asked) {
                Err(HubError::Network { .. }) if !cut => {
                    // A connection that was reset is forgiven once; a download counts its own.
                    cut = true;
                    std::thread::sleep(PAUSES[0]);
                    continue;
                }
                answer => answer?,
            };
            let status = response.status();
            let retry = match status.as_u16() {
                429 => {
                    let wait = retry_after(&response);
                    // A wait of nothing would ask without end.
                    let pause = Duration::from_secs(wait.unwrap_or(5).max(1));
                    if waited + pause > PATIENCE {
                        let asked = Box::new(asked.clone());
                        return Err(HubError::RateLimited { asked, wait, token: self.has_token() });
                    }
                    waited += pause;
                    Some(pause)
                }
                500..=599 => pauses.next(),
                _ => None,
            };
            match retry {
                Some(pause) => std::thread::sleep(pause),
                None if status.is_success() || status.is_redirection() => return Ok(response),
                None => return Err(self.refusal(&response, asked)),
            }
        }
    }

    /// Asks once, going where redirects point to. The token goes to the hub itself and to nobody else.
    fn follow(&self, url: &str, question: Question, asked: &Asked) -> Result<Response<Body>, HubError> {
        let mut url = url.to_owned();
        let protocol = |cause: String| HubError::Protocol { asked: Box::new(asked.clone()), cause };
        for _ in 0..REDIRECTS {
            let response = self.once(&url, question).map_err(|error| network(&error, asked))?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let location = header(&response, "location").ok_or_else(|| protocol("a redirect to nowhere".into()))?;
            let next = join(&url, location).ok_or_else(|| protocol(format!("a redirect to {}", shown(location))))?;
            let relative = !location.contains("://");
            // A renamed repository is a relative redirect; anything else says where the content of a large file is.
            if question == Question::Head && !relative {
                return Ok(response);
            }
            url = next;
        }
        Err(protocol(format!("more than {REDIRECTS} redirects")))
    }

    fn once(&self, url: &str, question: Question) -> Result<Response<Body>, ureq::Error> {
        let mut request = match question {
            Question::Head => self.agent.head(url),
            Question::Get { .. } => self.agent.get(url),
        };
        if let Question::Get { from: from @ 1.. } = question {
            request = request.header("Range", format!("bytes={from}-"));
        }
        if let Some(Token(token)) = &self.token
            && origin(url) == origin(&self.endpoint)
        {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()
    }

    /// What a refusal means.
    fn refusal(&self, response: &Response<Body>, asked: &Asked) -> HubError {
        let token = self.has_token();
        let message = header(response, "x-error-message").unwrap_or_default().to_owned();
        let asked = Box::new(asked.clone());
        match (response.status().as_u16(), header(response, "x-error-code").unwrap_or_default()) {
            (401 | 403, "GatedRepo") => HubError::Gated { asked, token },
            (404, "RepoNotFound") => HubError::NotFound { asked, missing: Missing::Repo },
            (404, "RevisionNotFound") => HubError::NotFound { asked, missing: Missing::Revision },
            (404, "EntryNotFound") => HubError::NotFound { asked, missing: Missing::File },
            (404, _) => HubError::NotFound { asked, missing: Missing::Unsaid },
            (401, _) => HubError::Unauthorised { asked, token },
            (403, _) => HubError::Forbidden { asked, message },
            (code, _) => HubError::Status { asked, code, message },
        }
    }
}

/// A fault of the network, without an answer.
pub(super) fn network(error: &ureq::Error, asked: &Asked) -> HubError {
    let cause = match error {
        ureq::Error::HostNotFound => "its name is not known to the name server".into(),
        ureq::Error::Timeout(timeout) => format!("it took too long ({timeout})"),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            let cause = "the address or the token has characters that HTTP does not allow".into();
            return HubError::Protocol { asked: Box::new(asked.clone()), cause };
        }
        other => shown(&other.to_string()),
    };
    HubError::Network { asked: Box::new(asked.clone()), cause }
}

pub(super) fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Seconds after which a 429 may be asked again: `Retry-After`, or the hub's `RateLimit: ...;t=55`.
fn retry_after(response: &Response<Body>) -> Option<u64> {
    let hub = || header(response, "ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t="));
    header(response, "retry-after").or_else(hub)?.trim().parse().ok()
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some((scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()))
}

/// Where a redirect from `url` points to.
fn join(url: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        // From an encrypted connection there is no way back to an open one.
        return (!url.starts_with("https://") || location.starts_with("https://")).then(|| location.to_owned());
    }
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match location.strip_prefix("//") {
        Some(elsewhere) => Some(format!("{scheme}://{elsewhere}")),
        None => location.starts_with('/').then(|| format!("{scheme}://{authority}{location}")),
    }
}

/// A path in an address: everything but letters, digits and `-_.~/` as `%XX`.
pub(super) fn encoded(path: &str) -> String {
    let byte = |b: u8| match b {
        b'-' | b'_' | b'.' | b'~' | b'/' => char::from(b).to_string(),
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    path.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_or_goes_where_it_says() {
        let from = "https://hub.co/a/resolve/main/x";
        assert_eq!(join(from, "/b/y").as_deref(), Some("https://hub.co/b/y"));
        assert_eq!(join(from, "https://cdn.co/z?a=b").as_deref(), Some("https://cdn.co/z?a=b"));
        assert_eq!(join(from, "//cdn.co/z").as_deref(), Some("https://cdn.co/z"));
        assert_eq!(
            (join(from, "http://hub.co/b"), join(from, "file:///etc/passwd"), join(from, "y")),
            (None, None, None)
        );
    }

    #[test]
    fn another_port_or_scheme_is_another_place() {
        let hub = origin("https://Hub.co");
        assert_eq!(hub, origin("https://hub.co/a?b"));
        for other in ["https://hub.co:444/a", "http://hub.co/a", "https://hub.co.evil.org/a", "https://evil@hub.co/a"] {
            assert_ne!(hub, origin(other), "{other}");
        }
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(encoded("a b/ö#?%.json"), "a%20b/%C3%B6%23%3F%25.json");
    }
}
