//! `wasm-bindgen MODULE.wasm OUT_DIR NAME`: the JavaScript that a web page loads the module with.

use anyhow::{Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version" | "-V"] => println!("wasm-bindgen {}", env!("CARGO_PKG_VERSION")),
        [module, out, name] => Bindgen::new().input_path(module).web(true)?.out_name(name).typescript(true).generate(out)?,
        _ => bail!("usage: wasm-bindgen MODULE.wasm OUT_DIR NAME"),
    }
    Ok(())
}
