//! HTTP/1.1 by hand, so that a test can send what a library would not, and sees all that comes.

use crate::server::LONG;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Of an answer that is one.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Of a refusal with this status, in the form that all have.
    pub(crate) fn error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let error = self.json()["error"].take();
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["type"].is_string(), "{error}");
        for field in ["param", "code"] {
            assert!(error[field].is_string() || error.get(field) == Some(&Value::Null), "{error}");
        }
        assert_eq!(error.as_object().unwrap().len(), 4, "{error}");
        error
    }

    /// The events of a stream, without the last, which is `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        let mut events: Vec<&str> = self.text().split("\n\n").filter(|event| !event.is_empty()).collect();
        events.retain(|event| !event.starts_with(':'));
        assert_eq!(events.pop(), Some("data: [DONE]"), "{}", self.text());
        events.iter().map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn new(port: u16) -> Self {
        Self::at("127.0.0.1", port)
    }

    pub(crate) fn at(address: &str, port: u16) -> Self {
        let stream = TcpStream::connect((address, port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Wire { stream, reader }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends a request with a body of JSON, and more lines of its head.
    pub(crate) fn post(&mut self, path: &str, headers: &[&str], body: &Value) -> &mut Self {
        self.post_bytes(path, headers, body.to_string().as_bytes())
    }

    pub(crate) fn post_bytes(&mut self, path: &str, headers: &[&str], body: &[u8]) -> &mut Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, line) in [("host:", "Host: localhost"), ("content-type:", "Content-Type: application/json")] {
            if !headers.iter().any(|given| given.to_ascii_lowercase().starts_with(name)) {
                head += &format!("{line}\r\n");
            }
        }
        headers.iter().for_each(|line| head += &format!("{line}\r\n"));
        self.send(head + "\r\n").send(body)
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(&line).to_owned()
    }

    /// Status and headers.
    pub(crate) fn head(&mut self) -> Answer {
        let line = self.line();
        assert!(line.starts_with("HTTP/1."), "no answer: {line:?}");
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None if line.is_empty() => break,
                None => panic!("a header without a value: {line:?}"),
            }
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// A chunk of a body; none at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line();
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk: {line:?}"));
        let mut chunk = vec![0; size];
        self.reader.read_exact(&mut chunk).unwrap();
        assert_eq!(self.line(), "");
        (size > 0).then_some(chunk)
    }

    /// The next answer, to the end of its body.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let chunked = answer.header("transfer-encoding") == Some("chunked");
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        match length {
            _ if chunked => {
                while let Some(chunk) = self.chunk() {
                    answer.body.extend(chunk);
                }
            }
            Some(length) => {
                answer.body.resize(length, 0);
                self.reader.read_exact(&mut answer.body).unwrap();
            }
            None if answer.status < 200 => {}
            None => drop(self.reader.read_to_end(&mut answer.body).unwrap()),
        }
        answer
    }

    /// All that still comes before the other side closes. A reset is an end too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => rest,
        }
    }

    pub(crate) fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
