//! `wasm-bindgen MODULE.wasm OUT_DIR NAME`: the JavaScript that a web page loads the module with.
//!
//! With `--anew PREFIX` it has a function that makes another instance of a module that has trapped (`__wbg_reset_state`), and what the
//! module exports under that prefix, a library's interface for C, is left out with all that it alone needs.

use anyhow::{Result, bail};
use walrus::Module;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut bindgen = Bindgen::new();
    let out = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version" | "-V"] => {
            println!("wasm-bindgen {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        [module, out, name] => {
            bindgen.input_path(module).out_name(name);
            out
        }
        [module, out, name, "--anew", prefix] => {
            bindgen.input_module(name, without_exports(module, prefix)?).reset_state_function(true);
            out
        }
        _ => bail!("usage: wasm-bindgen MODULE.wasm OUT_DIR NAME [--anew PREFIX]"),
    };
    bindgen.web(true)?.typescript(true).generate(out)
}

fn without_exports(module: &str, prefix: &str) -> Result<Module> {
    let mut module = Module::from_file(module)?;
    let gone: Vec<_> = module.exports.iter().filter(|export| export.name.starts_with(prefix)).map(|export| export.id()).collect();
    gone.into_iter().for_each(|export| module.exports.delete(export));
    Ok(module)
}
