//! The program under test, and what it says.

use crate::http::{Answer, Wire};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/stories-I2_S.gguf");

/// Something is wrong if what a test waits for takes longer.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A running server. Ends with its value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    said: Arc<(Mutex<String>, Condvar)>,
}

impl Server {
    /// With the bundled model, whose answers take a moment.
    pub(crate) fn new(args: &[&str]) -> Self {
        Self::start(MODEL, args, &[])
    }

    /// With a model of random weights whose answers last as long as a test needs: 4096 tokens.
    pub(crate) fn slow(args: &[&str]) -> Self {
        Self::start(slow_model(), args, &[])
    }

    pub(crate) fn start(model: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_b158"))
            .args(["serve", "-m", model, "--port", "0"])
            .args(args)
            .env_remove("B158_API_KEY")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said: Arc<(Mutex<String>, Condvar)> = Arc::default();
        let (pipe, heard) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                *heard.0.lock().unwrap() += &(line + "\n");
                heard.1.notify_all();
            }
        });
        let mut server = Server { child, port: 0, said };
        let line = server.wait_for("listening at");
        let port =
            line.split("http://").nth(1).and_then(|place| place.split(' ').next()?.rsplit(':').next()?.parse().ok());
        server.port = port.unwrap_or_else(|| panic!("no port in {line}"));
        server
    }

    /// The first line that holds these words, as soon as it is said.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let line = |said: &str| said.lines().find(|line| line.contains(words)).map(str::to_owned);
        let (said, more) = &*self.said;
        let (said, late) = more.wait_timeout_while(said.lock().unwrap(), LONG, |said| line(said).is_none()).unwrap();
        assert!(!late.timed_out(), "`{words}` is not said: {said}");
        line(&said).unwrap()
    }

    pub(crate) fn said(&self) -> String {
        self.said.0.lock().unwrap().clone()
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire::new(self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.wire().send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).answer()
    }

    /// A request of JSON, on a connection of its own.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.wire().post(path, &[], body).answer()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits until no answer is under way and none waits.
    pub(crate) fn rest(&self) {
        let begun = std::time::Instant::now();
        loop {
            let health = self.get("/health").json();
            if health["slots_busy"] == 0 && health["queue_length"] == 0 {
                return;
            }
            assert!(begun.elapsed() < LONG, "it is not at rest: {health}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn slow_model() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("serve-slow.gguf");
        let path = path.to_str().unwrap().to_owned();
        let shape =
            "--preset tiny --layers 12 --embedding 512 --heads 8 --kv-heads 4 --feed-forward 1536 --context 4096";
        let made = Command::new(env!("CARGO_BIN_EXE_b158"))
            .arg("synth")
            .args(shape.split(' '))
            .args(["-o", &path])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        path
    })
}

/// A completion of the slow model that goes on to so many tokens.
pub(crate) fn endless(tokens: usize) -> Value {
    // 497 is its end of text.
    serde_json::json!({ "prompt": "Once upon a time", "max_tokens": tokens, "temperature": 0, "logit_bias": { "497": -100 } })
}
