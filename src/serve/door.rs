//! Who may come in: the names under which a page may ask, the pages that may, and the keys.

use super::problem::Problem;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Url;

/// Keys, of which a client has to have one. Their digests are compared: how long that takes tells nothing of them.
#[derive(Default)]
pub(crate) struct Keys(Vec<[u8; 32]>);

impl Keys {
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Keys(keys.into_iter().map(digest).collect())
    }

    pub(crate) fn are_needed(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.are_needed() {
            return Ok(());
        }
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
        let is_one = given.is_some_and(|given| {
            let given = digest(given);
            // Of all keys and all bytes, whatever the first ones are.
            self.0.iter().fold(false, |known, key| {
                let differs = key.iter().zip(&given).fold(0, |differs, (a, b)| differs | (a ^ b));
                known | (std::hint::black_box(differs) == 0)
            })
        });
        if is_one { Ok(()) } else { Err(Problem::unauthorized(given.is_some())) }
    }
}

fn digest(key: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(key.as_ref()).into()
}

/// The key in `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, key) = value.split_at_checked(6)?;
    let bare = key.trim_ascii_start();
    (scheme.eq_ignore_ascii_case(b"bearer") && bare.len() < key.len()).then_some(bare)
}

/// Pages of other origins that may use the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    pub(crate) any: bool,
    pub(crate) named: Vec<String>,
}

impl Origins {
    pub(crate) fn are_some(&self) -> bool {
        self.any || !self.named.is_empty()
    }

    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        self.any || self.named.iter().any(|named| named.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }
}

/// An origin as browsers write it: `http://localhost:5173`, `chrome-extension://…`, `null`, or `*` for all.
///
/// # Errors
/// What it should be.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    const FORM: &str = "it is the origin of a page, as http://localhost:5173, or * for all pages";
    if matches!(text, "*" | "null") {
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).map_err(|_| FORM.to_owned())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare || url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(FORM.to_owned());
    }
    let origin = url.origin();
    // Those of extensions and of programs are nobody's to the standard, and sent as they are.
    Ok(if origin.is_tuple() { origin.ascii_serialization() } else { text.trim_end_matches('/').to_ascii_lowercase() })
}

/// Names that are allowed beside those of this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<String>);

/// A name as the header Host has it, without a port.
///
/// # Errors
/// What it should be.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let authority: Option<Authority> = text.parse().ok();
    match authority.filter(|authority| authority.port().is_none() && !text.contains('@') && !text.is_empty()) {
        Some(authority) => Ok(plain(authority.host())),
        None => Err("it is a name without a port, as chat.example".to_owned()),
    }
}

/// Small letters, and without the point of the root.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl Names {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Names(names)
    }

    /// On loopback a page could ask under any name that its owner lets point at this machine: the browser takes it for the page's own
    /// server then. An address can't be pointed elsewhere, nor can localhost.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap, version: Version, at: IpAddr) -> Result<(), Problem> {
        let hosts: Vec<&HeaderValue> = headers.get_all(HOST).iter().collect();
        let given = match hosts.as_slice() {
            [] if version >= Version::HTTP_11 && uri.authority().is_none() => {
                return Err(Problem::invalid("the request has no header Host"));
            }
            [] => None,
            [host] => Some(authority(host).ok_or_else(|| Problem::invalid("the header Host is no host"))?),
            _ => return Err(Problem::invalid("the request has more than one header Host")),
        };
        // Others know this machine by names of their own.
        if !at.to_canonical().is_loopback() && self.0.is_empty() {
            return Ok(());
        }
        for named in given.iter().chain(uri.authority()) {
            let name = plain(named.host());
            let is_ours = name == "localhost" || name.ends_with(".localhost") || is_address(&name);
            if !is_ours && !self.0.contains(&name) {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    format!(
                        "`{}` is none of this server's names (a page may not ask under its own): use localhost, or start the \
                         server with --allow-host {}",
                        shortened(&name),
                        shortened(&name)
                    ),
                )
                .code("host_not_allowed"));
            }
        }
        Ok(())
    }
}

fn authority(host: &HeaderValue) -> Option<Authority> {
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    // The parser takes [::1] for the host of `[::1].attacker.example`.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (is_whole && !authority.host().is_empty()).then_some(authority)
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A page of another origin must not even make the server work, where it may not read what comes of it: some requests need
/// no leave of the browser.
pub(crate) fn check_origin(origins: &Origins, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN).filter(|_| method != Method::GET && method != Method::HEAD) else {
        return Ok(());
    };
    if origins.allow(origin) || is_same(origin, headers.get(HOST)) {
        return Ok(());
    }
    let origin = shortened(origin.to_str().unwrap_or("?"));
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        format!("pages of {origin} may not use this server: start it with --cors {origin} to let them"),
    )
    .code("origin_not_allowed"))
}

/// Whether a page comes from the host that it asks. Behind a proxy that has the certificate its scheme is another one.
fn is_same(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let (Ok(origin), Some(host)) = (origin.to_str(), host.and_then(|host| host.to_str().ok())) else { return false };
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    bare(rest) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn keys() {
        let keys = Keys::new(["one", "two"]);
        for right in ["Bearer one", "bearer two", "BEARER   one", " Bearer two "] {
            assert!(keys.check(&header(AUTHORIZATION, right)).is_ok(), "{right:?}");
        }
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer on", "Bearer onee", "Bearerone", "Basic one", "one", "Bearer one two"]
        {
            let problem = keys.check(&header(AUTHORIZATION, wrong)).unwrap_err();
            assert_eq!(problem.refusal.status, 401, "{wrong:?}");
            assert!(!problem.refusal.message.contains("one"), "{wrong:?}");
        }
        assert!(keys.check(&HeaderMap::new()).is_err());
        assert!(Keys::default().check(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn names() {
        let names = Names::new(vec![name("Chat.Example").unwrap()]);
        let check = |host: &str, at: &str| {
            let (uri, at) = (Uri::from_static("/health"), at.parse().unwrap());
            names.check(&uri, &header(HOST, host), Version::HTTP_11, at).map_err(|problem| problem.refusal.status)
        };
        for ours in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "0.0.0.0:8080",
            "chat.example",
            "chat.example:443",
            "CHAT.EXAMPLE.",
        ] {
            assert_eq!(check(ours, "127.0.0.1"), Ok(()), "{ours}");
        }
        for foreign in [
            "attacker.example",
            "attacker.example:8080",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "xlocalhost",
            "chat.example.attacker.example",
            "[::1].attacker.example",
            "127.1.attacker.example",
        ] {
            assert!(matches!(check(foreign, "127.0.0.1"), Err(400 | 403)), "{foreign}");
            assert!(matches!(check(foreign, "::1"), Err(400 | 403)), "{foreign}");
            assert!(matches!(check(foreign, "::ffff:127.0.0.1"), Err(400 | 403)), "{foreign}");
        }
        for none in ["", "a@localhost", "localhost@attacker.example", "local host", "localhost/", "http://localhost"] {
            assert!(matches!(check(none, "127.0.0.1"), Err(400 | 403)), "{none}");
        }
        assert_eq!(check("anything.example", "192.168.1.5"), Err(403));
        let uri = Uri::from_static("/health");
        let anything = header(HOST, "anything.example");
        assert!(Names::default().check(&uri, &anything, Version::HTTP_11, "192.168.1.5".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_name_in_the_address_counts_too() {
        let names = Names::default();
        let at = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let check = |uri: &'static str, headers: &HeaderMap, version| {
            names.check(&Uri::from_static(uri), headers, version, at).map_err(|problem| problem.refusal.status)
        };
        let ours = header(HOST, "localhost");
        assert_eq!(check("http://attacker.example/health", &ours, Version::HTTP_11), Err(403));
        assert_eq!(check("http://localhost/health", &ours, Version::HTTP_11), Ok(()));
        assert_eq!(check("/health", &HeaderMap::new(), Version::HTTP_11), Err(400));
        // Old programs that watch whether a server lives send none.
        assert_eq!(check("/health", &HeaderMap::new(), Version::HTTP_10), Ok(()));
        let mut two = ours.clone();
        two.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(check("/health", &two, Version::HTTP_11), Err(400));
    }

    #[test]
    fn origins_of_options() {
        for (text, read) in [
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://localhost:5173/", "http://localhost:5173"),
            ("HTTPS://Chat.Example:443", "https://chat.example"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("app://obsidian.md", "app://obsidian.md"),
            ("null", "null"),
            ("*", "*"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(read), "{text}");
        }
        for wrong in
            ["", "localhost:5173", "localhost", "http://", "http://a/b", "http://a?b", "http://u@a", "file:///x"]
        {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_asks_its_own_server() {
        let check = |origins: &Origins, method: Method, origin: &str, host: &str| {
            let mut headers = header(ORIGIN, origin);
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            check_origin(origins, &method, &headers).is_ok()
        };
        let none = Origins::default();
        assert!(check(&none, Method::POST, "http://localhost:8080", "localhost:8080"));
        assert!(check(&none, Method::POST, "https://chat.example", "chat.example"));
        assert!(check(&none, Method::POST, "http://localhost", "localhost:80"));
        for (origin, host) in [
            ("http://attacker.example", "localhost:8080"),
            ("http://localhost:3000", "localhost:8080"),
            ("null", "localhost:8080"),
            ("http://localhost:8080.attacker.example", "localhost:8080"),
            ("file://", "localhost:8080"),
        ] {
            assert!(!check(&none, Method::POST, origin, host), "{origin}");
            assert!(check(&none, Method::GET, origin, host), "{origin}");
        }
        let some = Origins { any: false, named: vec!["http://localhost:3000".to_owned()] };
        assert!(check(&some, Method::POST, "http://localhost:3000", "localhost:8080"));
        assert!(!check(&some, Method::POST, "http://localhost:3001", "localhost:8080"));
        assert!(check(&Origins { any: true, named: Vec::new() }, Method::POST, "null", "localhost:8080"));
    }
}
