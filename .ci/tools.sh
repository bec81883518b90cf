#!/usr/bin/env bash
# What the commands of build.sh stand on, which sources this: programs of the system, Rust's std, tools of pinned versions.
# shellcheck disable=SC2034  # what is set here is read there

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
    cargo_tool geckodriver "$GECKODRIVER" geckodriver
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

# pip_install NAME ARGUMENT ...: PYTHON is one of its own, in .cache, with what pip's arguments name, and not again while they stay the same
pip_install() {
    local folder=$CACHE/tools/python-$1 stamp=$CACHE/tools/python-$1/.installed wanted argument
    shift
    PYTHON=$folder/bin/python
    wanted=$(python3 --version && echo "$*" && for argument in "$@"; do [ ! -f "$argument" ] || cat "$argument"; done)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
    step "Python packages: $*" "there must be Python 3 with venv (Debian, Ubuntu: python3-venv), and PyPI must be reachable"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$@" >&2 </dev/null
    echo "$wanted" >"$stamp"
}

# llama.cpp's own server: no registry has the program, but its Python package carries the source. LLAMA_SERVER is its place.
need_llama_server() {
    local build=$CACHE/build/llama.cpp
    LLAMA_SERVER=$CACHE/tools/bin/llama-server-$LLAMA_CPP_PYTHON
    [ ! -x "$LLAMA_SERVER" ] || return 0
    { has cmake && has ninja && has g++; } || apt_install "what builds llama.cpp" cmake ninja-build g++
    pip_install fetch pip
    step "building llama.cpp's server (once, ten minutes or more)" "PyPI must be reachable; what the compiler said is above"
    rm -rf "$build"
    mkdir -p "$build" "$CACHE/tools/bin"
    "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python --dest "$build" "llama-cpp-python==$LLAMA_CPP_PYTHON" >&2 </dev/null
    tar -xzf "$build"/*.tar.gz -C "$build" --strip-components 3 "llama_cpp_python-$LLAMA_CPP_PYTHON/vendor/llama.cpp"
    cmake -S "$build" -B "$build/out" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DGGML_CCACHE=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_NUMBER=1 >&2 </dev/null
    cmake --build "$build/out" --target llama-server >&2 </dev/null
    mv "$build/out/bin/llama-server" "$LLAMA_SERVER"
    rm -rf "$build"
}
