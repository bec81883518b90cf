//! What `cargo test` and wasm-pack call a wasm test with: `wasm-bindgen-test-runner TEST.wasm ARGUMENTS`, as the library has it.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
