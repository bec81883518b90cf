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
GUNGRAUN=0.20.0          # runs the benches that 'test guard' counts; benches/Cargo.toml pins the same

# ---- places -----------------------------------------------------------------------------------------------------
CACHE=$PWD/.cache
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
WASM=wasm32-unknown-unknown
MODEL=${B158_MODEL:-tests/models/stories-I2_S.gguf}
PORT=8158
WASM_RUSTFLAGS="-Ctarget-feature=+simd128 -Clink-arg=-zstack-size=1048576 -Clink-arg=--max-memory=4294967296"
# Memory shared by web workers: every one of them makes an instance with thread-local storage of its own.
THREADS_RUSTFLAGS="$WASM_RUSTFLAGS -Ctarget-feature=+atomics,+bulk-memory,+mutable-globals -Clink-arg=--shared-memory -Clink-arg=--import-memory
    -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base"
# What rustc 1.95 emits for wasm32. Anything beyond it is an error: an engine refuses a whole module for one opcode.
WASM_OPT_FEATURES=(--mvp-features --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int
    --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-reference-types --enable-call-indirect-overlong)

usage() {
    cat <<END
usage: ./build.sh COMMAND

  demo [PORT]          set up what is missing, build the wasm modules and the page, serve them on localhost:$PORT
  run "PROMPT" [ARGS]  the same model natively in the terminal; ARGS go to 'b158 run' (-n 100, -m FILE, ...)
  test [--all] [--renew] [STAGE ...]
                       every test, those in a browser too (installs Chromium with apt if it is missing)
                       --all adds the wasm and end-to-end tests in Firefox and WebKitGTK, and other processors: aarch64 with and without
                       dotprod and x86-64 without AVX2 (QEMU), i686; the fuzzers for ten seconds each; AddressSanitizer and ThreadSanitizer; what is known of the
                       crates and npm packages used. At the end it prints which backend gave which bits
                       STAGE: only these of native guard wasm page package browser browsers processors fuzz sanitizers supply
                       package packs www for npm, and builds and runs programs with it: Vite, webpack, esbuild, no bundler
                       sanitizers runs the native tests once for memory, and those of threads once for races
                       supply asks for licences, origins and advisories of what others made, which www/THIRD-PARTY.md lists
                       guard looks for lost speed: instruction counts of the kernels, ratios of times within one run
                       --renew makes the instruction counts found the ones that guard expects
  soak [TARGET ...] [--minutes N]
                       100,000 tokens in a tab, and the fuzzers, ten minutes each, or N: what they ran and what they found.
                       TARGET: only these of tab and the fuzzers, which are in tests/fuzz
  lint                 shellcheck, rustfmt, clippy, rustdoc: warnings are errors (tsc and eslint: test page)
  bench                criterion, then tokens per second of the small model
  bench --browser [--file GGUF] [--threads 1,2] [--peer wllama,llama.cpp] ...
                       tokens per second in Chromium, of every wasm build and beside what the machine allows; without a
                       file it makes one of 1.2 GB in the shape of BitNet b1.58-2B-4T. All options: bench --browser --help
  setup                only set up: wasm target, wasm-bindgen, wasm-opt, npm packages
  build                wasm modules, page (www/dist/demo) and the native program (target/release/b158)
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

# ---- what must be there -----------------------------------------------------------------------------------------
has() { command -v "$1" >/dev/null 2>&1; }

# at_least MINIMUM VERSION
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

need_rust() {
    { has cargo && has rustc; } || fail "Rust is not installed" "install Rust $RUST_MINIMUM or newer from https://rustup.rs, then run this again"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    at_least "$RUST_MINIMUM" "$version" || fail "rustc is $version, $RUST_MINIMUM or newer is needed" "run: rustup update stable"
    has cc || fail "there is no C linker (cc), which Rust needs" "Debian, Ubuntu: apt-get install gcc libc6-dev"
}

need_node() {
    { has node && has npm; } || fail "Node.js is not installed" "install Node.js $NODE_MINIMUM or newer with npm from https://nodejs.org, then run this again"
    local version
    version=$(node --version)
    at_least "$NODE_MINIMUM" "${version#v}" || fail "Node.js is $version, $NODE_MINIMUM or newer is needed" "see https://nodejs.org"
}

# apt_install WHAT_FOR PACKAGE ...
apt_install() {
    local why=$1 sudo=()
    shift
    has apt-get || fail "$why: not installed, and this machine has no apt" "install by hand what Debian calls: $*"
    if [ "$(id -u)" != 0 ]; then
        has sudo || fail "$why: not installed, and this user may not install it" "as root: apt-get install --no-install-recommends $*"
        sudo=(sudo)
    fi
    step "installing with apt, $why: $*" "install by hand: apt-get install --no-install-recommends $*"
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=400 -o Dpkg::Use-Pty=0)
    # One archive of several that does not answer is no reason to stop: the install says whether it mattered.
    "${apt[@]}" update >&2 </dev/null || note "apt-get update had errors; going on with the lists there are"
    "${apt[@]}" install -y --no-install-recommends "$@" >&2 </dev/null
}

need_chromium() {
    if ! has chromedriver || ! { has chromium || has google-chrome; }; then
        apt_install "a browser and its driver for the tests" chromium chromium-driver
    fi
    CHROMIUM=$(command -v chromium || command -v google-chrome)
    export CHROMIUM
}

need_firefox() {
    has firefox || has firefox-esr || apt_install "Firefox for the tests" firefox-esr
    cargo_tool geckodriver $GECKODRIVER geckodriver
}

# WebKitGTK's driver stays up until this script ends; WEBKIT_DRIVER is its address
need_webkit() {
    [ -z "${WEBKIT_DRIVER:-}" ] || return 0
    { has WebKitWebDriver && has xvfb-run; } || apt_install "WebKitGTK for the tests" webkit2gtk-driver xvfb xauth
    local port=4459
    # A session of its own, so that the X server goes with it.
    setsid xvfb-run --auto-servernum WebKitWebDriver --port=$port >"$CACHE/webkit-driver.log" 2>&1 </dev/null &
    WEBKIT_PID=$!
    WEBKIT_DRIVER=http://127.0.0.1:$port/
}

# ---- Rust's std for a target ------------------------------------------------------------------------------------
# rust_target TARGET [threads|tsan]: makes sure that std for it is there; TARGET_PATH is what its commands need first on PATH, with a colon
rust_target() {
    local target=$1
    TARGET_PATH=
    if [ -n "${2:-}" ]; then
        rust_kind "$target" "$2"
        return
    fi
    case ${B158_TOOLCHAIN:-} in
    '' | rustup)
        if compgen -G "$(rustc --print target-libdir --target "$target")/libstd-*.rlib" >/dev/null; then return 0; fi
        step "adding the Rust target $target" "with rustup's server out of reach: B158_TOOLCHAIN=debian ./build.sh ..."
        if has rustup && RUSTUP_MAX_RETRIES=0 timeout 300 rustup target add "$target" >&2; then return 0; fi
        [ "${B158_TOOLCHAIN:-}" != rustup ] || fail "rustup could not add $target" "$ADVICE"
        ;;
    debian) ;;
    *) fail "B158_TOOLCHAIN is '$B158_TOOLCHAIN'" "it may be rustup, debian or unset" ;;
    esac
    ADVICE="std for $target is built from Debian's source package by .ci/rust-std.sh: Debian's archive and crates.io must be reachable"
    .ci/rust-std.sh "$target"
    TARGET_PATH=$CACHE/sysroot/$target/bin:
}

# The std of a kind that nobody distributes is built in any case: B158_TOOLCHAIN says from whose source.
rust_kind() {
    local source=any library
    library=$(rustc --print sysroot)/lib/rustlib/src/rust/library/sysroot/Cargo.toml
    case ${B158_TOOLCHAIN:-} in
    '' | rustup)
        if [ ! -e "$library" ] && has rustup; then
            step "adding the source of Rust's std" "with rustup's server out of reach: B158_TOOLCHAIN=debian ./build.sh ..."
            RUSTUP_MAX_RETRIES=0 timeout 300 rustup component add rust-src >&2 || note "rustup could not add rust-src"
        fi
        if [ "${B158_TOOLCHAIN:-}" = rustup ]; then source=rustup; fi
        ;;
    debian) [ ! -e "$library" ] || source=rust-src ;;
    *) fail "B158_TOOLCHAIN is '$B158_TOOLCHAIN'" "it may be rustup, debian or unset" ;;
    esac
    ADVICE="std ($2) is built by .ci/rust-std.sh from rustup's rust-src or Debian's source package: one of them and crates.io must be reachable"
    if [ $source = any ]; then .ci/rust-std.sh "$1" "$2"; else B158_STD_SOURCE=$source .ci/rust-std.sh "$1" "$2"; fi
    TARGET_PATH=$CACHE/sysroot/$1-$2/bin:
}

# ---- tools in .cache --------------------------------------------------------------------------------------------
# cargo_tool CRATE VERSION PROGRAM: built unoptimised, which takes a third of the time
cargo_tool() {
    if [ "$("$3" --version 2>/dev/null | head -n 1 | cut -d' ' -f2)" = "$2" ]; then return 0; fi
    step "building $1 $2 (once, a minute or two)" "crates.io must be reachable; what cargo said is above"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
        cargo install --locked "$1" --version "$2" --root "$CACHE/tools" --target-dir "$CACHE/build/tools" >&2
}

# npm_install FOLDER [install]: as the lock file says, and not again while it stays the same. 'install' is for a lock file that
# leaves packages of other systems out, which npm's 'ci' would miss.
npm_install() {
    local folder=$1 command=${2:-ci} stamp=$1/node_modules/.installed wanted
    [ -e "$folder/package-lock.json" ] || fail "$folder/package-lock.json is missing" "it belongs to the repository: git status"
    wanted=$(node --version && cksum <"$folder/package-lock.json")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
    step "npm packages of $folder" "the npm registry must be reachable; what npm said is above"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm --prefix "$folder" "$command" --no-audit --no-fund >&2 </dev/null
    echo "$wanted" >"$stamp"
}

setup_wasm() {
    need_rust
    need_node
    grep -q "wasm-bindgen.*\"=$WASM_BINDGEN\"" Cargo.toml || fail "Cargo.toml does not pin wasm-bindgen =$WASM_BINDGEN" "make it the version at the top of build.sh"
    rust_target $WASM
    WASM_PATH=$TARGET_PATH
    rust_target $WASM threads
    THREADS_PATH=$TARGET_PATH
    cargo_tool wasm-bindgen-cli $WASM_BINDGEN wasm-bindgen
    local binaryen=$CACHE/tools/binaryen-$BINARYEN
    WASM_OPT=$binaryen/node_modules/binaryen/bin/wasm-opt
    if [ ! -e "$WASM_OPT" ]; then
        step "wasm-opt (binaryen $BINARYEN)" "the npm registry must be reachable"
        mkdir -p "$binaryen"
        npm --prefix "$binaryen" install --no-audit --no-fund --loglevel=error "binaryen@$BINARYEN" >&2 </dev/null
    fi
}

setup() {
    setup_wasm
    npm_install www
}

# ---- building ---------------------------------------------------------------------------------------------------
# fresh NAME INPUTS: true if NAME was last made from exactly these inputs (done_with NAME INPUTS keeps them)
fresh() { [ "$(cat "$CACHE/stamps/$1" 2>/dev/null)" = "$2" ]; }
done_with() {
    mkdir -p "$CACHE/stamps"
    printf '%s\n' "$2" >"$CACHE/stamps/$1"
}
sums() { find "$@" \( -name node_modules -o -name dist \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum; }

# wasm_env FLAVOUR COMMAND ...: with std for wasm32 and the flavour's instructions. A cdylib's file name has no hash as a rule, and
# cargo would take one flavour's for the other's: __CARGO_DEFAULT_LIB_METADATA gives it one. RUSTC_BOOTSTRAP makes
# cfg(target_feature = "atomics") visible, which stable rustc hides.
wasm_env() {
    local settings=(PATH="$WASM_PATH$PATH" CARGO_TARGET_DIR="$TARGET/wasm" RUSTFLAGS="$WASM_RUSTFLAGS")
    case $1 in
    *-threads) settings=(PATH="$THREADS_PATH$PATH" CARGO_TARGET_DIR="$TARGET/wasm-threads" RUSTFLAGS="$THREADS_RUSTFLAGS" RUSTC_BOOTSTRAP=1) ;;
    esac
    case $1 in
    relaxed*) settings+=(RUSTC_WORKSPACE_WRAPPER="$PWD/.ci/relaxed-rustc.sh") ;;
    esac
    shift
    env __CARGO_DEFAULT_LIB_METADATA=b158 "${settings[@]}" "$@"
}

# One wasm module: www/wasm/FLAVOUR/b158_bg.wasm and its JavaScript.
build_module() {
    local flavour=$1 module=$TARGET/wasm/$WASM/wasm/b158.wasm out=www/wasm/$1 features=("${WASM_OPT_FEATURES[@]}") inputs
    case $flavour in
    *-threads) module=$TARGET/wasm-threads/$WASM/wasm/b158.wasm features+=(--enable-threads) ;;
    esac
    case $flavour in
    relaxed*) features+=(--enable-relaxed-simd) ;;
    esac
    step "wasm module $flavour" "what rustc said is above"
    wasm_env "$flavour" cargo rustc --lib --crate-type cdylib --profile wasm --target $WASM >&2
    inputs="$(cksum <"$module") $WASM_BINDGEN $BINARYEN ${features[*]}"
    if [ -e "$out/b158_bg.wasm" ] && [ -e "$CACHE/symbols/$flavour" ] && fresh "module-$flavour" "$inputs"; then return 0; fi
    step "wasm-bindgen and wasm-opt for $flavour" "what the tool said is above"
    rm -rf "$out"
    wasm-bindgen --target web --out-dir "$out" --out-name b158 "$module"
    # The features section goes: it would let an opcode pass that the flags above do not allow.
    # The names of its functions, which it does not hold itself, are kept for benches/profile.
    # The innermost loops stay functions: inlined, V8 has too few registers for them, and they take up to twice as long.
    mkdir -p "$CACHE/symbols"
    "$WASM_OPT" "${features[@]}" '--no-inline=*kernels::ternary::*>::add*' '--no-inline=*kernels::ternary::stream*' -O3 --strip-target-features --symbolmap="$CACHE/symbols/$flavour" "$out/b158_bg.wasm" -o "$out/b158.opt"
    mv "$out/b158.opt" "$out/b158_bg.wasm"
    done_with "module-$flavour" "$inputs"
    note "$out/b158_bg.wasm: $(($(wc -c <"$out/b158_bg.wasm") / 1024)) KiB, $(gzip -9c "$out/b158_bg.wasm" | wc -c | awk '{ print int($1 / 1024) }') KiB with gzip"
}

build_modules() {
    setup_wasm
    # Whole-program optimisation takes one processor, and those with threads have folders of their own: two at once.
    side_by_side build_module simd128 simd128-threads
    side_by_side build_module relaxed relaxed-threads
    if fresh relaxed-check "$(cat "$CACHE"/stamps/module-*)"; then return 0; fi
    step "no relaxed opcode in the simd128 modules" "a relaxed intrinsic must stand under cfg(target_feature = \"relaxed-simd\")"
    .ci/check-relaxed.sh www/wasm/simd128/b158_bg.wasm www/wasm/relaxed/b158_bg.wasm "$WASM_OPT" "${WASM_OPT_FEATURES[@]}"
    .ci/check-relaxed.sh www/wasm/simd128-threads/b158_bg.wasm www/wasm/relaxed-threads/b158_bg.wasm "$WASM_OPT" "${WASM_OPT_FEATURES[@]}" --enable-threads
    done_with relaxed-check "$(cat "$CACHE"/stamps/module-*)"
}

build_page() {
    build_modules
    npm_install www
    local inputs
    inputs=$(sums www tests/models)
    if [ -e www/dist/demo/index.html ] && fresh page "$inputs"; then return 0; fi
    step "the page" "npm --prefix www run build"
    npm --prefix www run build >&2 </dev/null
    node .ci/third-party.mjs --texts www/dist/lib/LICENSES.txt www/dist/demo/LICENSES.txt
    done_with page "$inputs"
}

build_native() {
    need_rust
    step "the native program" "what rustc said is above"
    cargo build --release --features cli --bin b158 >&2 </dev/null
}

serve() {
    [ -e www/dist/demo/index.html ] || fail "there is nothing to serve yet" "run: ./build.sh demo"
    need_node
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

bench_browser() {
    case " $* " in
    *" --help "*) ;;
    *)
        need_chromium
        build_page
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

bench() {
    if [ "${1:-}" = --browser ]; then
        shift
        bench_browser "$@"
    fi
    [ $# = 0 ] || fail "bench does not know '$1'" "it knows --browser"
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
# shellcheck source=.ci/fuzz.sh
. .ci/fuzz.sh
# shellcheck source=.ci/sanitizers.sh
. .ci/sanitizers.sh
# shellcheck source=.ci/supply.sh
. .ci/supply.sh

lint() {
    need_rust
    has shellcheck || apt_install "the linter of shell scripts" shellcheck
    step "shellcheck" "each code is explained at https://www.shellcheck.net/wiki/"
    shellcheck build.sh .ci/run .ci/*.sh benches/profile/*.sh
    step "rustfmt" "run: cargo fmt"
    cargo fmt --all --check
    cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
    cargo fmt --check --manifest-path tests/loom/Cargo.toml
    step "clippy, native" "the lines above say what to change"
    cargo clippy --workspace --features cli --all-targets -- -D warnings
    step "rustdoc" "the lines above say what to change"
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features cli --document-private-items
    setup_wasm
    step "clippy, wasm32" "the lines above say what to change"
    # clippy takes the wrapper's place, so the instructions are named to it. Of threads it gets the cfg: with all of it every crate
    # would be checked once more.
    wasm_env simd128 cargo clippy --lib --target $WASM -- -D warnings
    wasm_env simd128 cargo clippy --lib --target $WASM -- -D warnings -Ctarget-feature=+relaxed-simd
    wasm_env simd128 cargo clippy --lib --target $WASM -- -D warnings -A explicit_builtin_cfgs_in_flags --cfg 'target_feature="atomics"'
}

clean() {
    local remove=(www/dist www/wasm "$TARGET/wasm" "$TARGET/wasm-threads" "$CACHE/build" "$CACHE/stamps") path
    [ "${1:-}" != --all ] || remove+=("$PWD/target" "$CACHE" www/node_modules tests/browser/node_modules tests/package/node_modules tests/tokenizer/node_modules benches/browser/node_modules benches/browser/peers/*/node_modules)
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
    build_page
    serve "$@"
    ;;
run) run "$@" ;;
test) run_tests "$@" ;;
soak) soak "$@" ;;
lint) lint ;;
bench) bench "$@" ;;
setup)
    setup
    say "set up"
    ;;
build)
    build_page
    build_native
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
