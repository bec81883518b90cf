#!/usr/bin/env bash
# The one entry to this repository: ./build.sh help
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# ---- versions, all pinned here ----------------------------------------------------------------------------------
RUST_MINIMUM=1.95        # edition 2024 and the intrinsics in src/kernels
NODE_MINIMUM=20
WASM_BINDGEN=0.2.129     # Cargo.toml pins the same: the program and the crate must be of one version
WASM_PACK=0.15.1
BINARYEN=132.0.0         # wasm-opt
GECKODRIVER=0.37.1       # drives Firefox in 'test browsers'
CARGO_FUZZ=0.13.2        # 'soak'
CARGO_DENY=0.20.2        # 'test supply'
JINJA=3.1.6              # 'test templates'
LLAMA_CPP_PYTHON=0.3.36  # has the source of the server that 'bench --serve' measures beside ours; of the clients of 'test clients': tests/clients
GUNGRAUN=0.20.0          # runs the benches that 'test guard' counts; benches/Cargo.toml pins the same

# ---- places -----------------------------------------------------------------------------------------------------
CACHE=$PWD/.cache
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
WASM=wasm32-unknown-unknown
MODEL=${B158_MODEL:-tests/models/stories-I2_S.gguf}
OFFICIAL=hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf
PORT=8158
WASM_OPT=$CACHE/tools/binaryen-$BINARYEN/node_modules/binaryen/bin/wasm-opt

usage() {
    cat <<END
usage: ./build.sh COMMAND

  demo [PORT]          set up what is missing, build what the page needs, serve it on localhost:$PORT
  run "PROMPT" [ARGS]  the same model in the terminal; ARGS go to 'b158 run' (-n 100, -m FILE, ...)
  verify [MODEL] [ARGS]
                       the official model, or one by FILE or address: fetched, checked, asked ten prompts, and held against the
                       published answers; the report is in target/verify. ARGS go to 'b158 verify'
  test [STAGE ...]     what a change needs: ${STAGES[*]}
  test --all           all of it, in every browser and on other processors, at full size: tests/README.md tells what runs where
                       STAGE: only these of ${STAGES[*]}
                              ${WIDE_STAGES[*]}
                       --renew makes the instruction counts found the ones that guard expects
  soak [TARGET ...] [--minutes N]
                       100,000 tokens in a tab, and the fuzzers, ten minutes each, or N: what they ran and what they found.
                       TARGET: only these of tab and the fuzzers, which are in tests/fuzz
  lint                 shellcheck, rustfmt, clippy, rustdoc: warnings are errors (tsc and eslint: test page)
  build                the release: the wasm modules, the page (www/dist/demo), the native program (target/release/b158)
  dist                 what is released, in target/dist: the npm package, the program for Linux (x86-64 and AArch64, static) and for Windows, each
                       run, here or under QEMU or Wine; checksums. It says how long each step took
  bench                criterion, then tokens per second of the small model
  bench --browser [--file GGUF] [--threads 1,2] [--peer wllama,llama.cpp] ...
                       tokens per second in Chromium, of every wasm build and beside what the machine allows; without a
                       file it makes one of 1.2 GB in the shape of BitNet b1.58-2B-4T. All options: bench --browser --help
  bench --serve [--clients 1,2,4,8] [--peer llama.cpp] ...
                       requests and tokens a second of 'b158 serve', and how long the first token takes, beside llama.cpp's
                       server, which is built once for it. All options: bench --serve --help
  serve [PORT] [--file GGUF]
                       only serve what is built, and a model from disk under /local/
  clean [--all]        remove the wasm modules and the page; --all: native builds, downloads and tools too

environment
  B158_TOOLCHAIN       where std for wasm32 comes from: rustup (rustup target add) or debian (built from Debian's source
                       package, .ci/rust-std.sh). Unset: what is installed, else rustup, else debian. The std for threads nobody
                       distributes: it is built from rustup's component rust-src, or from Debian's package
  B158_MODEL           GGUF file of 'run' and 'bench' ($MODEL)
END
}

# ---- what is printed --------------------------------------------------------------------------------------------
ADVICE=
if [ -t 2 ]; then BOLD=$'\033[1m' PLAIN=$'\033[0m'; else BOLD='' PLAIN=''; fi
say() { printf '%s==>%s [%4ds] %s\n' "$BOLD" "$PLAIN" "$SECONDS" "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
# step WHAT ADVICE: says what comes, and keeps what to do if it fails
step() {
    say "$1"
    ADVICE=${2:-}
}
fail() {
    trap - ERR
    printf '\n%sbuild.sh stopped:%s %s\n' "$BOLD" "$PLAIN" "$1" >&2
    shift
    for line in "$@"; do note "$line"; done
    exit 1
}
on_error() {
    local status=$? command=$BASH_COMMAND
    trap - ERR
    [ "$BASH_SUBSHELL" = 0 ] || exit "$status"
    fail "'$command' ended with $status (line $1)" "${ADVICE:-the reason is in the lines above}"
}
trap 'on_error $LINENO' ERR

# side_by_side FUNCTION ARGUMENT ...: with each of the arguments at once. What they print bears the argument.
side_by_side() {
    local function=$1 argument runs=() failed=()
    shift
    for argument in "$@"; do
        { "$function" "$argument" 2>&1 | sed -u "s/^/[$argument] /" >&2; } &
        runs+=($!)
    done
    for argument in "$@"; do
        wait "${runs[0]}" || failed+=("$argument")
        runs=("${runs[@]:1}")
    done
    [ ${#failed[@]} = 0 ] || fail "$function failed for ${failed[*]}" "the reason is in the lines above that bear the name"
}

# ---- what the commands stand on ---------------------------------------------------------------------------------
# shellcheck source=.ci/tools.sh
. .ci/tools.sh
# shellcheck source=.ci/modules.sh
. .ci/modules.sh

build_native() {
    need_rust
    step "the native program" "what rustc said is above"
    cargo build --release --features cli --bin b158 >&2 </dev/null
}

serve() {
    [ -e www/dist/demo/index.html ] || fail "there is nothing to serve yet" "run: ./build.sh demo"
    need_node
    case ${1:-$PORT} in *[!0-9]*) fail "'${1:-$PORT}' is no port" "for example: ./build.sh demo 8080" ;; esac
    exec node www/serve.mjs --port "${1:-$PORT}" --root www/dist/demo "${@:2}"
}

need_model() { [ -e "$MODEL" ] || fail "there is no model $MODEL" "name one: B158_MODEL=FILE ./build.sh ..."; }

run() {
    [ $# -gt 0 ] || fail "run needs a prompt" 'for example: ./build.sh run "Once upon a time, there was a brave fox named Pip."'
    local prompt=$1 model=(-m "$MODEL") argument
    shift
    for argument in "$@"; do
        case $argument in -m | -m?* | --model | --model=*) model=() ;; esac
    done
    [ ${#model[@]} = 0 ] || need_model
    build_native
    exec "$TARGET/release/b158" run "${model[@]}" -p "$prompt" "$@"
}

verify() {
    local source=$OFFICIAL
    case ${1:-} in
    '' | -*) ;;
    *)
        source=$1
        shift
        ;;
    esac
    build_native
    exec "$TARGET/release/b158" verify -m "$source" --out "$TARGET/verify" "$@"
}

bench_browser() {
    case " $* " in
    *" --help "*) ;;
    *)
        case " $* " in
        *" --in firefox "*)
            need_firefox
            npm_install tests/browser
            PATH=$CACHE/tools/bin:$PATH
            ;;
        *) need_chromium ;;
        esac
        build_page release
        build_native
        ;;
    esac
    need_node
    npm_install benches/browser
    # 20 and 50 MB that nobody needs who does not ask for them.
    case " $* " in *" --peer"*wllama*) npm_install benches/browser/peers/wllama ;; esac
    case " $* " in *" --peer"*llama.cpp*) npm_install benches/browser/peers/llama.cpp install ;; esac
    exec node benches/browser/run.mjs --program "$TARGET/release/b158" --cache "$CACHE/models" --out "$TARGET/bench" "$@"
}

bench_serve() {
    local peer=()
    need_node
    case " $* " in
    *" --help "*) ;;
    *)
        build_native
        case " $* " in *" --peer"*) need_llama_server && peer=(--llama-server "$LLAMA_SERVER") ;; esac
        ;;
    esac
    exec node benches/serve/run.mjs --program "$TARGET/release/b158" --cache "$CACHE/models" --out "$TARGET/bench" "${peer[@]}" "$@"
}

bench() {
    case ${1:-} in
    --browser) bench_browser "${@:2}" ;;
    --serve) bench_serve "${@:2}" ;;
    esac
    [ $# = 0 ] || fail "bench does not know '$1'" "it knows --browser and --serve"
    build_native
    need_model
    step "cargo bench" "what cargo said is above"
    cargo bench -p b158-benches
    step "tokens per second" "what b158 said is above"
    "$TARGET/release/b158" bench -m "$MODEL"
}

# ---- tests ------------------------------------------------------------------------------------------------------
# shellcheck source=.ci/tests.sh
. .ci/tests.sh
# shellcheck source=.ci/processors.sh
. .ci/processors.sh
# shellcheck source=.ci/fuzz.sh
. .ci/fuzz.sh
# shellcheck source=.ci/sanitizers.sh
. .ci/sanitizers.sh
# shellcheck source=.ci/supply.sh
. .ci/supply.sh
# shellcheck source=.ci/dist.sh
. .ci/dist.sh

lint() {
    need_rust
    has shellcheck || apt_install "the linter of shell scripts" shellcheck
    step "shellcheck" "each code is explained at https://www.shellcheck.net/wiki/"
    shellcheck build.sh .ci/run .ci/*.sh benches/profile/*.sh
    step "rustfmt" "run: cargo fmt"
    cargo fmt --all --check
    cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
    cargo fmt --check --manifest-path tests/loom/Cargo.toml
    cargo fmt --check --manifest-path tests/tokenizer/references/Cargo.toml
    step "lock files" "run the same without --locked for the one that is named above"
    local lock
    while read -r lock; do
        cargo update --quiet --workspace --locked --manifest-path "${lock%lock}toml" </dev/null
    done < <(find . -name Cargo.lock -not -path '*/target/*' -not -path '*/.cache/*' -not -path '*/node_modules/*')
    step "clippy, native" "the lines above say what to change"
    cargo clippy --workspace --features cli --all-targets -- -D warnings
    step "rustdoc" "the lines above say what to change"
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features cli --document-private-items
    step "clippy, wasm32" "the lines above say what to change"
    # clippy takes the wrapper's place, so the instructions are named to it. Of threads it gets the cfg: with all of it every crate
    # would be checked once more.
    wasm_env simd128 cargo clippy --no-default-features --lib --target $WASM -- -D warnings
    wasm_env $GRAMMAR cargo clippy --package b158-grammar --lib --target $WASM -- -D warnings
    wasm_env simd128 cargo clippy --no-default-features --lib --target $WASM -- -D warnings -Ctarget-feature=+relaxed-simd
    wasm_env simd128 cargo clippy --no-default-features --lib --target $WASM -- -D warnings -A explicit_builtin_cfgs_in_flags --cfg 'target_feature="atomics"'
}

clean() {
    local remove=(www/dist www/wasm "$TARGET/wasm" "$TARGET/wasm-threads" "$CACHE/build" "$CACHE/stamps") path
    [ "${1:-}" != --all ] || remove+=("$PWD/target" "$CACHE" www/node_modules tests/browser/node_modules tests/clients/node_modules tests/package/node_modules tests/tokenizer/node_modules benches/browser/node_modules benches/browser/peers/*/node_modules)
    for path in "${remove[@]}"; do
        [ -e "$path" ] || continue
        say "removing $path ($(du -sh "$path" | cut -f1))"
        rm -rf "$path"
    done
}

# ---- commands ---------------------------------------------------------------------------------------------------
# Tools of the pinned versions come before those of the system.
export PATH=$CACHE/tools/bin:$PATH

command=${1:-help}
[ $# = 0 ] || shift
case $command in
demo)
    build_demo_modules
    bundle_page
    serve "$@"
    ;;
run) run "$@" ;;
verify) verify "$@" ;;
test) run_tests "$@" ;;
soak) soak "$@" ;;
lint) lint ;;
bench) bench "$@" ;;
dist) dist ;;
build)
    build_page release
    # It has the page in it, for `b158 serve`.
    B158_PAGE=www/dist/demo build_native
    say "built: www/dist/demo and $TARGET/release/b158"
    ;;
serve) serve "$@" ;;
clean) clean "$@" ;;
help | -h | --help) usage ;;
*)
    usage >&2
    fail "there is no command '$command'"
    ;;
esac
