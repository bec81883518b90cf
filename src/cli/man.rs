//! `b158 man`: the manual, from the definition that `--help` shows.

use super::{Cli, Outcome, output, terminal};
use clap::{Args, CommandFactory};
use clap_mangen::Man;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Manual {
    /// Write this page and one for each command to a folder, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Manual {
    pub(crate) fn run(self) -> Outcome {
        // A page for `help` would say what `man` is for.
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let Some(folder) = self.out else {
            return Ok(terminal::out().text(&page(&Man::new(program))?)?);
        };
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", terminal::path(&folder)))?;
        let commands: Vec<_> = program.get_subcommands().cloned().collect();
        for command in std::iter::once(program).chain(commands) {
            let man = Man::new(command);
            output::write(&folder.join(man.get_filename()), page(&man)?.as_bytes())?;
        }
        Ok(())
    }
}

/// A page in roff.
fn page(man: &Man) -> Outcome<String> {
    let mut text = Vec::new();
    man.render(&mut text)?;
    Ok(String::from_utf8(text)?)
}
