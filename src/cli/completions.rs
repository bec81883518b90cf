//! `b158 completions`: what a shell needs to complete this program's commands and options.

use super::{Cli, Outcome, terminal};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Args)]
pub(crate) struct Completions {
    /// The shell that the script is for.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "b158", &mut script);
        Ok(terminal::out().text(&String::from_utf8(script)?)?)
    }
}
