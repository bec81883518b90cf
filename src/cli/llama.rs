//! Options as llama.cpp's programs spell them: words behind one dash (`-ngl 99`), which clap would take apart, and those
//! that have no meaning here, which are named in a note instead of stopping a command line that was written for llama-cli.

use clap::Command;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::iter::Peekable;

/// What an option has behind it.
enum Takes {
    Nothing,
    /// Anything.
    Text,
    Number,
    /// Layers of a GPU.
    Layers,
    /// One of these or nothing.
    Perhaps(&'static [&'static str]),
    /// Only the number that turns it off.
    Only(f64),
}

/// What an option is here.
enum Here {
    /// An option of ours, or, to a command that has none such, nothing, for this reason.
    Ours(&'static str, &'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// Something that this program does not do: to go on would give another answer.
    Refused(&'static str),
    /// A piece of the model's address.
    Address(Piece),
}

#[derive(Clone, Copy)]
enum Piece {
    Url,
    Repository,
    File,
}

use Here::{Address, Nothing, Ours, Refused};

const SWITCH: &[&str] = &["on", "off", "auto", "1", "0", "true", "false"];
const AS_IT_IS: &str = "the text is taken as it is";
const NO_GPU: &str = "all is computed by the processor";
const READ_ONCE: &str = "the file is read once, from front to back, and repacked in memory";
const SCHEDULED: &str = "threads run where the system puts them";
const NO_SHIFT: &str = "an answer ends where the context is full";
const ALL_THERE: &str = "`b158 serve` has what of it there is, always";
const NO_LOG: &str = "there is no log but the lines on standard error";
const ONE_TEMPLATE: &str = "`chat` takes the file's own template, `run` none";
const CHAT: &str = "conversations are for `b158 chat`";
const OFF_ONLY: &str = "there is no such sampler here";

/// Spellings, the value, what it is here.
const TABLE: &[(&[&str], Takes, Here)] = &[
    // Ours, spelled otherwise.
    (&["-sys"], Takes::Text, Ours("--system-prompt", CHAT)),
    (&["-sysf", "--system-prompt-file"], Takes::Text, Ours("--system-prompt-file", CHAT)),
    (&["-sp", "--special"], Takes::Nothing, Ours("--special", "no text is generated")),
    (&["-st", "--single-turn"], Takes::Nothing, Ours("--single-turn", CHAT)),
    (&["-np", "--parallel"], Takes::Number, Ours("--parallel", "there is one text")),
    (&["-cram", "--cache-ram"], Takes::Number, Ours("--cache-ram", "one text at a time is kept")),
    (&["-to", "--timeout"], Takes::Number, Ours("--timeout", "nobody asks over a network")),
    (&["--log-disable"], Takes::Nothing, Ours("--quiet", NO_LOG)),
    (&["-e", "--escape"], Takes::Nothing, Ours("--escape", AS_IT_IS)),
    (&["--no-escape"], Takes::Nothing, Ours("--no-escape", AS_IT_IS)),
    // Nothing here.
    (&["-cnv", "--conversation"], Takes::Nothing, Nothing(CHAT)),
    (
        &["-no-cnv", "--no-conversation"],
        Takes::Nothing,
        Nothing("`b158 run` only continues a text, `b158 chat` only converses"),
    ),
    (&["-i", "--interactive"], Takes::Nothing, Nothing(CHAT)),
    (&["-if", "--interactive-first"], Takes::Nothing, Nothing(CHAT)),
    (&["-mli", "--multiline-input"], Takes::Nothing, Nothing("a message is a line")),
    (&["--display-prompt", "--no-display-prompt"], Takes::Nothing, Nothing("the result is printed alone")),
    (&["--jinja", "--no-jinja"], Takes::Nothing, Nothing(ONE_TEMPLATE)),
    (&["--prompt-cache-all"], Takes::Nothing, Nothing("the answer is kept too, always")),
    (&["-co", "--color"], Takes::Perhaps(SWITCH), Nothing("text has no colours")),
    (&["--simple-io"], Takes::Nothing, Nothing("input and output are as simple as they get")),
    (&["-ptc", "--print-token-count"], Takes::Number, Nothing("tokens are counted in the last line")),
    (&["--verbose-prompt"], Takes::Nothing, Nothing("`b158 tokenize` shows the tokens of a text")),
    (&["-ngl", "--gpu-layers", "--n-gpu-layers"], Takes::Layers, Nothing(NO_GPU)),
    (&["-dev", "--device"], Takes::Text, Nothing(NO_GPU)),
    (&["-sm", "--split-mode"], Takes::Text, Nothing(NO_GPU)),
    (&["-ts", "--tensor-split"], Takes::Text, Nothing(NO_GPU)),
    (&["-mg", "--main-gpu"], Takes::Number, Nothing(NO_GPU)),
    (&["-ot", "--override-tensor"], Takes::Text, Nothing(NO_GPU)),
    (&["-fit", "--fit"], Takes::Perhaps(SWITCH), Nothing(NO_GPU)),
    (&["-fitt", "--fit-target", "-fitc", "--fit-ctx"], Takes::Text, Nothing(NO_GPU)),
    (&["-kvo", "--kv-offload", "-nkvo", "--no-kv-offload"], Takes::Nothing, Nothing(NO_GPU)),
    (&["--op-offload", "-nopo", "--no-op-offload"], Takes::Nothing, Nothing(NO_GPU)),
    (&["-cmoe", "--cpu-moe"], Takes::Nothing, Nothing(NO_GPU)),
    (&["-ncmoe", "--n-cpu-moe"], Takes::Number, Nothing(NO_GPU)),
    (&["--mmap", "--no-mmap", "--mlock"], Takes::Nothing, Nothing(READ_ONCE)),
    (&["-dio", "--direct-io", "-ndio", "--no-direct-io"], Takes::Nothing, Nothing(READ_ONCE)),
    (&["-lm", "--load-mode"], Takes::Text, Nothing(READ_ONCE)),
    (&["--repack", "-nr", "--no-repack", "--no-host"], Takes::Nothing, Nothing(READ_ONCE)),
    (&["--check-tensors"], Takes::Nothing, Nothing("every tensor is checked, always")),
    (
        &["-fa", "--flash-attn"],
        Takes::Perhaps(SWITCH),
        Nothing("there is one form of attention, in the same order always"),
    ),
    (&["-ub", "--ubatch-size"], Takes::Number, Nothing("-b says how many tokens a pass has")),
    (&["-tb", "--threads-batch"], Takes::Number, Nothing("a prompt takes all threads of -t")),
    (
        &["-cb", "--cont-batching", "-nocb", "--no-cont-batching", "-kvu", "--kv-unified"],
        Takes::Nothing,
        Nothing("answers share passes where there are several"),
    ),
    (
        &["--metrics", "--slots", "--no-slots", "--props", "--embedding", "--embeddings"],
        Takes::Nothing,
        Nothing(ALL_THERE),
    ),
    (&["--webui", "--no-webui"], Takes::Nothing, Nothing(ALL_THERE)),
    (&["--threads-http", "--cache-reuse"], Takes::Number, Nothing("that is seen to")),
    (&["--api-key-file"], Takes::Text, Refused("--api-key takes a key, and so does B158_API_KEY in the environment")),
    (&["--ssl-key-file", "--ssl-cert-file"], Takes::Text, Refused("there is no TLS here: put a proxy in front")),
    (&["--warmup", "--no-warmup"], Takes::Nothing, Nothing("there is no warm-up")),
    (&["--numa"], Takes::Text, Nothing(SCHEDULED)),
    (&["-C", "--cpu-mask", "-Cb", "--cpu-mask-batch"], Takes::Text, Nothing(SCHEDULED)),
    (&["-Cr", "--cpu-range", "-Crb", "--cpu-range-batch"], Takes::Text, Nothing(SCHEDULED)),
    (&["--cpu-strict", "--cpu-strict-batch", "--prio", "--prio-batch"], Takes::Number, Nothing(SCHEDULED)),
    (&["--poll", "--poll-batch"], Takes::Number, Nothing(SCHEDULED)),
    (&["--context-shift", "--no-context-shift", "--swa-full"], Takes::Nothing, Nothing(NO_SHIFT)),
    (&["--keep"], Takes::Number, Nothing(NO_SHIFT)),
    (&["-dt", "--defrag-thold"], Takes::Number, Nothing("the KV cache has no holes")),
    (&["-v", "--verbose", "--log-verbose", "--log-prefix", "--log-timestamps"], Takes::Nothing, Nothing(NO_LOG)),
    (&["-lv", "--verbosity", "--log-verbosity"], Takes::Number, Nothing(NO_LOG)),
    (&["--log-file"], Takes::Text, Nothing(NO_LOG)),
    (&["--log-colors"], Takes::Perhaps(SWITCH), Nothing(NO_LOG)),
    (
        &["--perf", "--no-perf", "--show-timings", "--no-show-timings"],
        Takes::Nothing,
        Nothing("-q leaves the speed out"),
    ),
    (
        &["--xtc-threshold", "--dry-base", "--dry-allowed-length", "--dry-penalty-last-n"],
        Takes::Number,
        Nothing(OFF_ONLY),
    ),
    // Off is what they are; anything else would choose other tokens.
    (&["--mirostat", "--xtc-probability", "--dry-multiplier", "--dynatemp-range"], Takes::Only(0.0), Nothing(OFF_ONLY)),
    (&["--typical", "--typical-p"], Takes::Only(1.0), Nothing(OFF_ONLY)),
    (&["--top-nsigma", "--top-n-sigma", "--adaptive-target"], Takes::Only(-1.0), Nothing(OFF_ONLY)),
    // What clap would read as something else (`-mu` as `-m u`), and what has a way of its own here.
    (&["-mu", "--model-url"], Takes::Text, Address(Piece::Url)),
    (&["-hf", "-hfr", "--hf-repo"], Takes::Text, Address(Piece::Repository)),
    (&["-hff", "--hf-file"], Takes::Text, Address(Piece::File)),
    (
        &["-hft", "--hf-token"],
        Takes::Text,
        Refused("HF_TOKEN in the environment is sent to the hub, where nobody else sees it"),
    ),
    (&["-dr", "--docker-repo"], Takes::Text, Refused("-m takes hf:owner/repository/file.gguf and https://…")),
    (
        &["-ctk", "--cache-type-k", "-ctv", "--cache-type-v"],
        Takes::Text,
        Refused("keys and values are of one type: --kv-cache auto, f16, f32 or q8_0"),
    ),
    (&["-bf", "--binary-file"], Takes::Text, Refused("-f with --no-escape reads a prompt from a file")),
    (&["-md", "--model-draft"], Takes::Text, Refused("one model at a time")),
    (&["-jf", "--json-schema-file"], Takes::Text, Ours("--json-schema", "no text is generated")),
    (&["-j", "--json-schema", "--grammar", "--grammar-file"], Takes::Text, Nothing("no text is generated")),
    (&["-rea", "--reasoning"], Takes::Perhaps(SWITCH), Refused("the template decides")),
    (
        &["--samplers", "--sampler-seq", "--sampling-seq"],
        Takes::Text,
        Refused("the order is fixed: bias, penalties, top-k, top-p, min-p, temperature"),
    ),
    (
        &["--chat-template"],
        Takes::Text,
        Refused("--override-kv tokenizer.chat_template=str:TEXT gives another template"),
    ),
    (&["-gan", "--grp-attn-n", "-gaw", "--grp-attn-w"], Takes::Number, Refused("attention is the model's own")),
];

/// A command line for clap, and what is to be said about it.
pub(crate) struct Translated {
    pub(crate) args: Vec<OsString>,
    pub(crate) notes: Vec<String>,
}

/// Puts the options of a command that takes a model into our spelling.
pub(crate) fn translate(args: Vec<OsString>, program: &Command) -> Result<Translated, clap::Error> {
    let command = args.get(1).and_then(|name| program.find_subcommand(name));
    let Some(command) = command.filter(|command| Known(command).has("--model")) else {
        return Ok(Translated { args, notes: Vec::new() });
    };
    let known = Known(command);
    let mut address = Pieces::default();
    let mut out = Translated { args: Vec::with_capacity(args.len()), notes: Vec::new() };
    let mut args = args.into_iter().peekable();
    out.args.extend(args.by_ref().take(2));
    while let Some(arg) = args.next() {
        // Options are ASCII; whatever is no UTF-8 is a file's name.
        let Some(text) = arg.to_str() else {
            out.args.push(arg);
            continue;
        };
        if text == "--" {
            out.args.push(arg);
            break;
        }
        let (spelled, inline) = match text.split_once('=').filter(|(name, _)| name.starts_with("--")) {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        // llama-cli takes --n_predict too.
        let name = if spelled.starts_with("--") { spelled.replace('_', "-") } else { spelled.to_owned() };
        if known.has(&name) {
            address.model |= ["-m", "--model"].contains(&name.as_str());
            let value = known.takes_value(&name) && inline.is_none();
            out.args.push(inline.map_or(name.clone(), |value| format!("{name}={value}")).into());
            out.args.extend(value.then(|| args.next()).flatten());
        } else if let Some((_, takes, here)) = TABLE.iter().find(|(names, ..)| names.contains(&name.as_str())) {
            let value = takes.value(&name, inline, &mut args)?;
            match here {
                Ours(ours, _) if known.has(ours) => {
                    out.args.push((*ours).into());
                    out.args.extend(value);
                }
                Ours(_, why) | Nothing(why) => out.notes.push(format!("{name} means nothing here: {why}")),
                Address(piece) => address.add(*piece, &name, value)?,
                Refused(why) => {
                    return Err(error(ErrorKind::UnknownArgument, &format!("{name} is not known here: {why}")));
                }
            }
        } else {
            // `-mFILE`
            address.model |= text.starts_with("-m");
            out.args.push(arg);
        }
    }
    // Before `--`, behind which nothing is an option.
    let place = out.args.iter().position(|arg| arg == "--").unwrap_or(out.args.len());
    out.args.splice(place..place, address.model()?);
    out.args.extend(args);
    Ok(out)
}

/// What names a model on the network.
#[derive(Default)]
struct Pieces {
    url: Option<String>,
    repository: Option<String>,
    file: Option<String>,
    /// There is `-m`.
    model: bool,
    /// As the last of them was spelled.
    spelled: String,
}

impl Pieces {
    fn add(&mut self, piece: Piece, name: &str, value: Option<OsString>) -> Result<(), clap::Error> {
        let text = value.and_then(|value| value.into_string().ok());
        let text = text.ok_or_else(|| error(ErrorKind::InvalidValue, &format!("{name} takes an address in UTF-8")))?;
        self.spelled = name.to_owned();
        match piece {
            Piece::Url => self.url = Some(text),
            Piece::Repository => self.repository = Some(text),
            Piece::File => self.file = Some(text),
        }
        Ok(())
    }

    /// `-m` with the address.
    fn model(self) -> Result<Option<OsString>, clap::Error> {
        let refused = |what: &str| Err(error(ErrorKind::ArgumentConflict, what));
        let address = match (self.url, self.repository, self.file) {
            (None, None, None) => return Ok(None),
            _ if self.model => {
                let both = format!("-m and {} both name a model: leave one out", self.spelled);
                return refused(&format!("{both}; what is downloaded lies in the cache, where `b158 pull` says"));
            }
            (Some(url), None, None) => url,
            (None, Some(repository), Some(file)) if !repository.contains(':') => format!("hf:{repository}/{file}"),
            (None, Some(_), Some(_)) => return refused("-hf takes owner/repository alone where -hff names the file"),
            (None, Some(_), None) => return refused("-hf alone does not say which file: name it with -hff"),
            (None, None, Some(_)) => return refused("-hff is a file of a repository: name that with -hf"),
            (Some(_), ..) => return refused("-mu and -hf both name a model: leave one out"),
        };
        Ok(Some(format!("--model={address}").into()))
    }
}

/// The options that a command has by itself.
struct Known<'c>(&'c Command);

impl Known<'_> {
    fn find(&self, name: &str) -> Option<&clap::Arg> {
        self.0.get_arguments().find(|arg| match name.strip_prefix("--") {
            Some(long) => {
                arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long))
            }
            None => name.strip_prefix('-').is_some_and(|short| {
                arg.get_short().is_some_and(|own| short.len() == own.len_utf8() && short.starts_with(own))
            }),
        })
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn takes_value(&self, name: &str) -> bool {
        self.find(name).is_some_and(|arg| arg.get_action().takes_values())
    }
}

impl Takes {
    /// The option's value, in the same argument (`--name=value`) or the next.
    fn value(
        &self,
        name: &str,
        inline: Option<String>,
        args: &mut Peekable<impl Iterator<Item = OsString>>,
    ) -> Result<Option<OsString>, clap::Error> {
        let refuse = |what: &str| error(ErrorKind::InvalidValue, &format!("{name} takes {what}"));
        let fits = |text: &str| match self {
            Takes::Nothing => false,
            Takes::Text => true,
            Takes::Number => text.parse::<f64>().is_ok(),
            Takes::Layers => text.parse::<i64>().is_ok() || ["auto", "all"].contains(&text),
            Takes::Perhaps(words) => words.contains(&text),
            Takes::Only(number) => text.parse() == Ok(*number),
        };
        let what = match self {
            Takes::Nothing => "no value".to_owned(),
            Takes::Text => "a value".to_owned(),
            Takes::Number => "a number".to_owned(),
            Takes::Layers => "a number of layers, `auto` or `all`".to_owned(),
            Takes::Perhaps(words) => format!("nothing or one of {}", words.join(", ")),
            Takes::Only(number) => format!("{number} alone, which turns it off: {OFF_ONLY}"),
        };
        if let Some(value) = inline {
            return if fits(&value) { Ok(Some(value.into())) } else { Err(refuse(&what)) };
        }
        match self {
            Takes::Nothing => Ok(None),
            Takes::Perhaps(_) => Ok(args.next_if(|next| next.to_str().is_some_and(fits))),
            _ => {
                let value = args.next().ok_or_else(|| refuse(&what))?;
                // A file's name need not be UTF-8.
                let fitting = value.to_str().map_or(matches!(self, Takes::Text), fits);
                if fitting { Ok(Some(value)) } else { Err(refuse(&what)) }
            }
        }
    }
}

fn error(kind: ErrorKind, message: &str) -> clap::Error {
    clap::Error::raw(kind, format!("{message}\n\nFor more information, try '--help'.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn translated(line: &str) -> Result<(String, Vec<String>), String> {
        let args = line.split(' ').map(OsString::from).collect();
        let done = translate(args, &super::super::Cli::command()).map_err(|e| e.to_string())?;
        let args: Vec<_> = done.args.into_iter().map(|arg| arg.into_string().unwrap()).collect();
        Ok((args.join(" "), done.notes))
    }

    #[test]
    fn every_spelling_is_in_the_table_once_and_no_command_has_it_as_another() {
        let mut seen = std::collections::HashSet::new();
        for name in TABLE.iter().flat_map(|(names, ..)| *names) {
            assert!(seen.insert(*name), "{name} twice");
            assert!(name.is_ascii() && name.starts_with('-'), "{name}");
        }
    }

    #[test]
    fn our_own_options_pass_with_their_values() {
        for line in [
            "b158 run -m -ngl -p --no-mmap -n 5 -t4",
            "b158 run --model=a=b --prompt -fa --temp 0",
            "b158 chat -m f -r -cnv",
            "b158 run -m f -- -ngl 3",
            "b158 inspect -ngl",
            "b158 no-such-command -ngl",
            "b158",
        ] {
            assert_eq!(translated(line), Ok((line.to_owned(), vec![])));
        }
        assert_eq!(translated("b158 run --n_predict=3 --top_k 4").unwrap().0, "b158 run --n-predict=3 --top-k 4");
    }

    #[test]
    fn what_means_nothing_is_dropped_with_a_note_each() {
        for option in [
            "-ngl 99",
            "-ngl auto",
            "-ngl -1",
            "--n-gpu-layers=all",
            "--n_gpu_layers 1",
            "--no-mmap",
            "--mlock",
            "-no-cnv",
            "-cnv",
            "-fa",
            "-fa on",
            "--flash-attn=off",
            "-ub 512",
            "--no-warmup",
            "--color",
            "-co auto",
            "-tb 4",
            "--numa distribute",
            "--simple-io",
            "-st",
            "--keep -1",
            "-C ff",
            "-dev none",
            "--mirostat 0",
            "--typical 1.0",
            "--no-kv-offload",
            "-v",
        ] {
            let (args, notes) = translated(&format!("b158 run {option} -m f")).unwrap();
            assert_eq!(args, "b158 run -m f", "{option}");
            let name = option.split([' ', '=']).next().unwrap().replace('_', "-");
            assert!(notes.len() == 1 && notes[0].starts_with(&format!("{name} means nothing here: ")), "{notes:?}");
        }
        assert_eq!(translated("b158 run -fa -m f").unwrap().0, "b158 run -m f", "-m is no value of -fa");
    }

    #[test]
    fn other_spellings_become_ours_where_there_is_one() {
        assert_eq!(translated("b158 chat -sys -x -st").unwrap().0, "b158 chat --system-prompt -x --single-turn");
        assert_eq!(translated("b158 run -sp -e --log-disable").unwrap().0, "b158 run --special -e --quiet");
        let (args, notes) = translated("b158 perplexity -sp --no-escape").unwrap();
        assert!(args == "b158 perplexity" && notes.len() == 2, "{args} {notes:?}");
    }

    #[test]
    fn addresses_are_those_of_dash_m() {
        for (line, model) in [
            ("-mu https://h/f.gguf -n 1", "-n 1 --model=https://h/f.gguf"),
            ("-hff m/f.gguf --hf-repo=o/r", "--model=hf:o/r/m/f.gguf"),
            ("-hf o/r -hff f.gguf --offline -- x", "--offline --model=hf:o/r/f.gguf -- x"),
        ] {
            assert_eq!(translated(&format!("b158 run {line}")), Ok((format!("b158 run {model}"), vec![])));
        }
    }

    #[test]
    fn wrong_values_and_other_answers_are_refused() {
        for (option, why) in [
            ("-ngl many", "-ngl takes a number of layers"),
            ("-ngl", "-ngl takes"),
            ("--no-mmap=yes", "--no-mmap takes no value"),
            ("--flash-attn=perhaps", "on, off, auto"),
            ("--mirostat 2", "--mirostat takes 0 alone"),
            ("-ub x", "-ub takes a number"),
            ("-hft secret", "HF_TOKEN"),
            ("-hf o/r", "-hff"),
            ("-hf o/r:Q4_0 -hff f.gguf", "owner/repository alone"),
            ("-hff f.gguf", "name that with -hf"),
            ("-mu http://x -hf o/r", "leave one out"),
            ("-m f -mu http://x", "b158 pull"),
            ("-mf -mu http://x", "b158 pull"),
            ("-ctk q8_0", "--kv-cache"),
            ("--samplers top_k", "order"),
        ] {
            let refused = translated(&format!("b158 run {option}")).unwrap_err();
            assert!(refused.starts_with("error: ") && refused.contains(why), "{option}: {refused}");
        }
    }
}
