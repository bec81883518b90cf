//! Where a model comes from: a file, a folder, standard input, or an address on the network.

use super::{Outcome, terminal};
use b158::download::{CacheMode, Request, address};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use url::Url;

/// The hub of `hf:` addresses, unless `HF_ENDPOINT` names a mirror of it.
const HUB: &str = "https://huggingface.co";
/// Requests at a time, for each file.
const CONNECTIONS: usize = 4;

/// What stands behind `-m`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// A file of this machine, or the folder of a checkpoint; `-` is standard input.
    File(PathBuf),
    /// `hf:owner/repository/file.gguf` or `https://…`.
    Address(String),
    /// `hf:owner/repository`, a checkpoint.
    Repository(String),
}

impl From<OsString> for Source {
    fn from(text: OsString) -> Self {
        const SCHEMES: [&str; 3] = ["hf:", "https://", "http://"];
        match text.to_str() {
            Some(address) if is_repository(address) => Source::Repository(address.to_owned()),
            Some(address) if SCHEMES.iter().any(|scheme| begins(address, scheme)) => {
                Source::Address(address.to_owned())
            }
            _ => Source::File(text.into()),
        }
    }
}

/// Whether it is `hf:owner/repository`, and no file in it.
fn is_repository(address: &str) -> bool {
    let path = address.get("hf:".len()..).filter(|_| begins(address, "hf:")).unwrap_or_default();
    path.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
}

fn begins(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl Source {
    /// For clap.
    pub(crate) fn parser() -> impl clap::builder::TypedValueParser<Value = Source> {
        use clap::builder::TypedValueParser;
        clap::builder::OsStringValueParser::new().map(Source::from)
    }

    /// The last part of its path.
    pub(crate) fn file_name(&self) -> Option<String> {
        match self {
            Source::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Source::Address(address) | Source::Repository(address) => Some(address::file_name(address)),
        }
    }

    /// As messages name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::File(path) => terminal::path(path),
            Source::Address(address) | Source::Repository(address) => shown(address),
        }
    }
}

/// An address without what may be a secret.
pub(crate) fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// How what has an address is fetched.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Fetch {
    /// Take what has an address from the cache alone, and ask no server.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Keep nothing of what is downloaded.
    #[arg(long, conflicts_with = "offline")]
    pub(crate) no_cache: bool,
    /// SHA-256 that the file must have; of a split model that of each part, parted by commas.
    #[arg(long, value_name = "HEX", value_delimiter = ',', value_parser = digest)]
    pub(crate) sha256: Vec<String>,
}

/// A SHA-256 as people write it.
pub(crate) fn digest(text: &str) -> Result<String, &'static str> {
    let fits = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if fits { Ok(text.to_ascii_lowercase()) } else { Err("it is 64 hexadecimal digits") }
}

impl Fetch {
    /// What is to be asked for: one file, or the parts of a split model.
    pub(crate) fn requests(&self, address: &str) -> Outcome<Vec<Request>> {
        let hub = Hub::from_environment()?;
        let urls = hub.parts(address)?;
        if !matches!(self.sha256.len(), 0) && self.sha256.len() != urls.len() {
            let (given, parts) = (self.sha256.len(), urls.len());
            return Err(format!("--sha256 has {given} digests for {parts} parts: give one for each").into());
        }
        Ok(urls.into_iter().enumerate().map(|(part, url)| self.request(&hub, url, part)).collect())
    }

    /// A file that must come to lie in the cache.
    pub(crate) fn kept(&self, hub: &Hub, url: Url) -> Request {
        Request { cache: CacheMode::Required, sha256: None, ..self.request(hub, url, 0) }
    }

    fn request(&self, hub: &Hub, url: Url, part: usize) -> Request {
        let is_hub = hub.has(&url);
        Request {
            headers: hub.headers(&url),
            url: url.into(),
            origin: None,
            credentials: None,
            redirect: None,
            referrer_policy: None,
            cache: if self.no_cache { CacheMode::Off } else { CacheMode::Auto },
            offline: self.offline,
            connections: CONNECTIONS,
            size: None,
            sha256: self.sha256.get(part).cloned(),
            hub: is_hub,
            cross_origin_storage: false,
        }
    }
}

/// Hugging Face, and who asks it.
pub(crate) struct Hub {
    endpoint: Url,
    token: Option<String>,
}

impl Hub {
    /// As `HF_ENDPOINT` and `HF_TOKEN` have it, which Hugging Face's own programs heed.
    pub(crate) fn from_environment() -> Outcome<Self> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
        };
        Self::new(variable("HF_ENDPOINT")?.as_deref(), variable("HF_TOKEN")?)
    }

    fn new(endpoint: Option<&str>, token: Option<String>) -> Outcome<Self> {
        let text = endpoint.unwrap_or(HUB);
        let endpoint = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let endpoint = endpoint.ok_or_else(|| format!("HF_ENDPOINT is `{text}`: give an address as {HUB}"))?;
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            // Not shown: it is a secret.
            return Err("HF_TOKEN is no token: it has blanks or characters that no token has".into());
        }
        Ok(Hub { endpoint, token })
    }

    /// The addresses of a file, or of all parts of a split model.
    pub(crate) fn parts(&self, given: &str) -> Outcome<Vec<Url>> {
        // Schemes may be in capitals, but for the one that is no scheme.
        let mut url = match given.get(..3) {
            Some(scheme) if scheme.eq_ignore_ascii_case("hf:") => {
                let url = address::resolve(&format!("hf:{}", &given[3..]), None)?;
                self.on_endpoint(&url)
            }
            _ => address::resolve(given, None)?,
        };
        if !url.username().is_empty() || url.password().is_some() {
            let _ = url.set_password(None).and_then(|()| url.set_username(""));
            return Err(format!("the address of {url} has a name or a password in it: leave them out").into());
        }
        Ok(address::parts(&url)?)
    }

    /// The address of a file of `hf:owner/repository`.
    pub(crate) fn file(&self, repository: &str, name: &str) -> Outcome<Url> {
        let url = address::resolve(&format!("hf:{}/{name}", &repository["hf:".len()..]), None)?;
        Ok(self.on_endpoint(&url))
    }

    /// The same path there.
    fn on_endpoint(&self, url: &Url) -> Url {
        let mut there = self.endpoint.clone();
        there.set_path(&format!("{}{}", self.endpoint.path().trim_end_matches('/'), url.path()));
        there
    }

    /// Whether an address is that of a file there, or on Hugging Face itself.
    fn has(&self, url: &Url) -> bool {
        let path = url.path().strip_prefix(self.endpoint.path().trim_end_matches('/')).unwrap_or_default();
        let is_file = path.split('/').nth(3) == Some("resolve");
        url.origin() == self.endpoint.origin() && is_file || address::is_on_hub(url.as_str())
    }

    /// The token, for the hub and nobody else.
    fn headers(&self, url: &Url) -> Vec<(String, String)> {
        let token = self.token.iter().filter(|_| url.origin() == self.endpoint.origin());
        token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_file() {
        for address in ["hf:o/r/f.gguf", "https://h/f", "HTTP://h/f", "hf:"] {
            assert_eq!(Source::from(OsString::from(address)), Source::Address(address.to_owned()));
        }
        for file in ["", "-", "hf", "./hf:o/r/f", "https:/f", "file://f", "C:\\f", "ü"] {
            assert_eq!(Source::from(OsString::from(file)), Source::File(file.into()));
        }
        assert_eq!(Source::from(OsString::from("hf:o/r/a%20b.gguf")).file_name().as_deref(), Some("a b.gguf"));
    }

    #[test]
    fn the_hub_may_be_elsewhere_and_has_the_token_alone() {
        let token = || Some("hf_secret".to_owned());
        let hub = Hub::new(None, token()).unwrap();
        let urls = hub.parts("hf:o/r/m-00001-of-00002.gguf").unwrap();
        assert_eq!(urls[1].as_str(), "https://huggingface.co/o/r/resolve/main/m-00002-of-00002.gguf");
        assert_eq!(hub.headers(&urls[0]), [("authorization".to_owned(), "Bearer hf_secret".to_owned())]);
        for other in ["http://huggingface.co/o/r", "https://huggingface.co.example/f", "https://huggingface.co:8443/f"]
        {
            assert_eq!(hub.headers(&hub.parts(other).unwrap()[0]), [], "{other}");
        }
        let mirror = Hub::new(Some("http://127.0.0.1:80/hub/"), token()).unwrap();
        let url = mirror.parts("HF:o/r@v%2F1/a b.gguf").unwrap().remove(0);
        assert_eq!(url.as_str(), "http://127.0.0.1/hub/o/r/resolve/v%2F1/a%20b.gguf");
        assert_eq!(mirror.headers(&url).len(), 1);
        assert_eq!(mirror.headers(&urls[0]), []);
    }

    #[test]
    fn settings_that_are_none_are_refused_and_no_secret_is_shown() {
        for endpoint in ["huggingface.co", "file:///tmp", "x"] {
            assert!(Hub::new(Some(endpoint), None).is_err_and(|e| e.to_string().contains("HF_ENDPOINT")));
        }
        let refused = Hub::new(None, Some("hf_\n1".to_owned())).err().unwrap().to_string();
        assert!(refused.contains("HF_TOKEN") && !refused.contains("hf_"), "{refused}");
        let refused = Hub::new(None, None).unwrap().parts("https://me:hunter2@h/f").err().unwrap().to_string();
        assert!(refused.contains("https://h/f") && !refused.contains("hunter2"), "{refused}");
        assert!(digest(&"0aF".repeat(22)).is_err() && digest("").is_err() && digest(&"g".repeat(64)).is_err());
        assert_eq!(digest(&"Ab".repeat(32)), Ok("ab".repeat(32)));
    }

    #[test]
    fn a_split_model_has_a_digest_a_part() {
        let fetch = |digests: usize| Fetch { sha256: vec!["0".repeat(64); digests], ..Default::default() };
        for (digests, works) in [(0, true), (1, false), (2, true), (3, false)] {
            let requests = fetch(digests).requests("https://h/m-00001-of-00002.gguf");
            assert_eq!(requests.is_ok(), works, "{digests}");
        }
    }
}
