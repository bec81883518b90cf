//! The guide's commands: its server is started, and what stands beside is asked of it.

use crate::server::Server;
use std::process::Command;

#[test]
fn the_guides_commands_are_answered() {
    let guide = include_str!("../../src/serve/README.md");
    let block = guide.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut lines = block.lines();
    let options =
        lines.next().and_then(|line| line.strip_prefix("b158 serve -m tests/models/stories-I2_S.gguf")).unwrap();
    let server = Server::new(&options.split_whitespace().collect::<Vec<_>>());
    let mut asked = 0;
    for line in lines {
        let line = line.replace("curl ", "curl --silent --show-error --fail-with-body ");
        let line = line.replace("localhost:8080", &format!("localhost:{}", server.port));
        let output = Command::new("sh").args(["-ec", &line]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && !answer.is_empty(),
            "{line}: {answer}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        asked += 1;
    }
    assert!(asked >= 6, "only {asked} commands were run");
}
