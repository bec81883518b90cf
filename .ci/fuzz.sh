#!/usr/bin/env bash
# ./build.sh soak and the stage fuzz of its tests: build.sh sources this, what it calls and what it reads is there.

FUZZERS=(gguf_parse gguf_chunks checkpoint tokenizer_roundtrip chat_template load_and_step openai_request response_format session_restore)

build_fuzzers() {
    need_rust
    has c++ || fail "there is no C++ compiler, which libFuzzer needs" "Debian, Ubuntu: apt-get install g++"
    cargo_tool cargo-fuzz "$CARGO_FUZZ" cargo-fuzz
    step "the fuzzers, with AddressSanitizer" "what cargo said is above"
    # shellcheck disable=SC2153  # TARGET is build.sh's
    # RUSTC_BOOTSTRAP: sanitizers are a nightly option, and the rest of the build is to stay on the compiler there is.
    RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$PWD/.ci/fuzz-rustc.sh cargo fuzz build --fuzz-dir tests/fuzz --target-dir "$TARGET/fuzz" >&2 </dev/null
    FUZZERS_AT=$TARGET/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release
}

# fuzz TARGET: for FUZZ_SECONDS. Seeds, the corpus of the repository and what earlier runs have kept, then new inputs. Leaves a line in
# .cache/fuzz/TARGET.result; what it finds is in .cache/fuzz/finds.
fuzz() {
    local target=$1 work=$CACHE/fuzz limits log status=0 executions rate find=none
    log=$work/$target.log
    mkdir -p "$work/seeds/$target" "$work/corpus/$target" "$work/finds/$target"
    # A file can ask for no more than a multiple of its size: 2 MB at once, of inputs of 4 kB, and 8 where there is a model behind them.
    case $target in
    gguf_*) limits=(-max_len=4096 -malloc_limit_mb=2) ;;
    session_restore | checkpoint) limits=(-max_len=4096 -malloc_limit_mb=8) ;;
    load_and_step) limits=(-max_len=512 -malloc_limit_mb=8) ;;
    # What a form costs is bounded in steps, not in bytes of its text.
    response_format) limits=(-max_len=1024 -malloc_limit_mb=64) ;;
    *) limits=(-max_len=1024 -malloc_limit_mb=8) ;;
    esac
    step "$target for $FUZZ_SECONDS s" "the input again: $FUZZERS_AT/$target FILE"
    # What is freed is kept a while, a short one, and stacks are left to the stage sanitizers: half as many inputs again.
    ASAN_OPTIONS=quarantine_size_mb=32:detect_stack_use_after_return=0 B158_FUZZ_SEEDS=$work/seeds/$target "$FUZZERS_AT/$target" "${limits[@]}" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
        -max_total_time="$FUZZ_SECONDS" -artifact_prefix="$work/finds/$target/" \
        "$work/corpus/$target" "$work/seeds/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 </dev/null || status=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    if [ $status != 0 ]; then
        find=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        tail -n 40 "$log" && note "all that it said: $log"
    fi
    printf '%-20s %12s %10s  %s\n' "$target" "${executions:-0}" "${rate:-0}" "${find:-it ended, see its log}" >"$work/$target.result"
}

# fuzz_all SECONDS TARGET ...: each for so long, as many at once as there are processors, then a table
fuzz_all() {
    local targets=("${@:2}") batch target find found=0
    FUZZ_SECONDS=$1
    build_fuzzers
    set -- "${targets[@]}"
    while [ $# -gt 0 ]; do
        batch=("${@:1:$(getconf _NPROCESSORS_ONLN)}")
        side_by_side fuzz "${batch[@]}"
        shift ${#batch[@]}
    done
    printf '\n%-20s %12s %10s  %s\n' target executions exec/s finds >&2
    for target in "${targets[@]}"; do
        cat "$CACHE/fuzz/$target.result" >&2
        read -r _ _ _ find <"$CACHE/fuzz/$target.result"
        [ "$find" = none ] || found=1
    done
    [ $found = 0 ] || fail "an input breaks a promise" "its file is named above; mended, it goes to tests/fuzz/corpus, where every cargo test runs it"
}

# A hundred thousand tokens on either build, in one tab
write_long() {
    need_chromium
    build_page release
    npm_install tests/browser
    step "100,000 tokens in a tab, with either build" "again: npm --prefix tests/browser run test:soak; fewer: B158_SOAK_TOKENS=9000 before it"
    npm --prefix tests/browser run test:soak </dev/null
}

soak() {
    local minutes=10 targets=() tab=0
    while [ $# -gt 0 ]; do
        case $1 in
        --minutes)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--minutes needs a number"
            minutes=$2
            shift
            ;;
        tab) tab=1 ;;
        *)
            [[ " ${FUZZERS[*]} " == *" $1 "* ]] || fail "there is no target '$1'" "there are: ${FUZZERS[*]} tab"
            targets+=("$1")
            ;;
        esac
        shift
    done
    if [ ${#targets[@]} = 0 ] && [ $tab = 0 ]; then
        targets=("${FUZZERS[@]}")
        tab=1
    fi
    [ $tab = 0 ] || write_long
    [ ${#targets[@]} = 0 ] || fuzz_all $((60 * minutes)) "${targets[@]}"
}

test_fuzz() { fuzz_all 10 "${FUZZERS[@]}"; }
