//! The commands of `b158`, with llama-cli's spellings where it has them.

mod bench;
mod chat;
mod check;
mod checkpoint;
mod compare;
mod completions;
mod convert;
mod embed;
mod fetch;
mod form;
mod generate;
mod inspect;
pub(crate) mod interrupt;
mod llama;
mod load;
mod logits;
mod man;
mod models;
mod output;
mod pack;
mod parts;
mod perplexity;
mod place;
mod prompt;
mod pull;
mod repository;
mod serve;
mod source;
mod split;
mod synth;
mod synth_shape;
mod synth_tokenizer;
mod template;
pub(crate) mod terminal;
mod tokenize;
mod values;
mod verify;

use b158::Error;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::error::Error as AnyError;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;
use terminal::say;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn AnyError>>;

/// Ternary language models (BitNet b1.58, Bonsai, Falcon-E, BitCPM): the same bits on every processor.
#[derive(Parser)]
// Of an option that is given twice the last counts, as in llama-cli.
#[command(name = "b158", version, about, args_override_self = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Continue a text.
    Run(generate::Run),
    /// Talk with a model.
    Chat(chat::Chat),
    /// Answer over HTTP, in the shape of OpenAI's API.
    Serve(serve::Serve),
    /// Print the token ids of the text on standard input.
    Tokenize(tokenize::Tokenize),
    /// Print what the model's chat template makes of messages.
    Template(template::RenderTemplate),
    /// Write the logits of every position, raw little-endian f32.
    Logits(logits::Logits),
    /// Make a vector of each text, in JSON of the shape of OpenAI's API.
    Embed(embed::Embed),
    /// Score how well a model expects a text.
    Perplexity(perplexity::Perplexity),
    /// Show a file's metadata and tensors, or check its I2_S tensors.
    Inspect(inspect::Inspect),
    /// Ask ten prompts, and tell whether the answers are text.
    Verify(verify::Verify),
    /// Download a model into the cache, check it, and print where it lies.
    Pull(pull::Pull),
    /// List or delete what is in the cache of downloaded models.
    Models(models::Models),
    /// Make a GGUF file of a checkpoint of Hugging Face's libraries.
    Convert(convert::Convert),
    /// Make a GGUF smaller.
    Pack(pack::Pack),
    /// Split a GGUF into parts of a given size.
    Split(split::Split),
    /// Join the parts of a split GGUF.
    Merge(split::Merge),
    /// Make a synthetic model of any shape and type, always the same bytes.
    Synth(synth::Synth),
    /// Measure prompt reading and generation.
    Bench(bench::Bench),
    /// Print the script by which a shell completes commands and options.
    Completions(completions::Completions),
    /// Print the manual page, or write those of all commands.
    Man(man::Manual),
}

/// Runs the program. 0 is success, 1 an error, 2 a command line that cannot be read.
pub(crate) fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (cli, notes) = match parse(args.clone()).map_err(|error| {
        // The error quotes them, in lines of its own: spelled, they are wrong in the same way.
        parse(args.iter().map(|arg| terminal::argument(arg)).collect()).err().unwrap_or(error)
    }) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    notes.iter().for_each(|note| say!("note: {note}"));
    end(cli.command.run())
}

/// The command line, and what is to be said about it.
fn parse(args: Vec<OsString>) -> Result<(Cli, Vec<String>), clap::Error> {
    let command = Cli::command();
    let llama::Translated { args, mut notes } = llama::translate(args, &command)?;
    let matches = command.try_get_matches_from(args)?;
    let quiet = |matches: &clap::ArgMatches| matches.try_get_one("quiet").ok().flatten() == Some(&true);
    if matches.subcommand().is_some_and(|(_, matches)| quiet(matches)) {
        notes.clear();
    }
    Ok((Cli::from_arg_matches(&matches)?, notes))
}

/// Help or the version, or what is wrong with the command line, which quotes it.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        terminal::say_lines(&error.render().to_string());
        return ExitCode::from(2);
    }
    end(terminal::out().lines(&error.render().to_string()).map_err(Into::into))
}

fn end(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // A reader that has seen enough (`b158 inspect FILE | head`) is no failure.
    if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<form::Refused>() {
        Some(refused) => terminal::say_lines(&format!("error: {refused}\n")),
        None => say!("error: {}", spelled(&*error)),
    }
    ExitCode::FAILURE
}

/// An error with the names that options have here.
fn spelled(error: &(dyn AnyError + 'static)) -> String {
    match error.downcast_ref() {
        Some(Error::BadOption { option, value, reason }) => {
            let option = match *option {
                "temperature" => "temp".to_owned(),
                "context" => "ctx-size".to_owned(),
                other => other.replace('_', "-"),
            };
            format!("--{option} is {value}: {reason}")
        }
        _ => error.to_string(),
    }
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Command::Run(command) => command.run(),
            Command::Chat(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Tokenize(command) => command.run(),
            Command::Template(command) => command.run(),
            Command::Logits(command) => command.run(),
            Command::Embed(command) => command.run(),
            Command::Perplexity(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Pull(command) => command.run(),
            Command::Models(command) => command.run(),
            Command::Convert(command) => command.run(),
            Command::Pack(command) => command.run(),
            Command::Split(command) => command.run(),
            Command::Merge(command) => command.run(),
            Command::Synth(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

/// Token ids as people type them: parted by spaces or commas.
pub(crate) fn parse_ids(text: &str) -> Outcome<Vec<u32>> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| format!("`{part}` is not a token id").into()))
        .collect()
}

/// Token ids as this program prints them.
pub(crate) fn join_ids(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
