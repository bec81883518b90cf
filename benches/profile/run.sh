#!/usr/bin/env bash
# Where a token's time goes, as tables on standard output and flame graphs beside this file:
#     benches/profile/run.sh MODEL.gguf [tab] [native]
# tab: the demo's page in Chromium, relaxed build, one thread. native: the fastest backend, one thread, with Linux's perf.
# LOCK='flock FILE' goes before what is measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
INFERNO=0.12.8
TOKENS=64 PROMPT_TOKENS=128

model=$(realpath "${1:?"usage: benches/profile/run.sh MODEL.gguf [tab] [native]"}")
shift
[ $# -gt 0 ] || set -- tab native
tools=$PWD/.cache/tools
work=$PWD/.cache/profile
read -ra lock <<<"${LOCK:-}"
mkdir -p "$work"

if [ ! -e "$tools/.inferno-$INFERNO" ]; then
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        cargo install --locked inferno --version $INFERNO --bin inferno-flamegraph --root "$tools" --target-dir .cache/build/tools >&2
    touch "$tools/.inferno-$INFERNO"
fi

# graph NAME TITLE: the folded stacks of $work/NAME.folded as a picture. Its script goes, for no page runs that of an image.
graph() {
    "$tools/bin/inferno-flamegraph" --width 1200 --bgcolors '#ffffff' --colors orange --deterministic --truncate-text-right --minwidth 0.1 \
        --countname 'µs a token' --title "$2" <"$work/$1.folded" |
        perl -0pe 's/<script.*?<\/script>//gs; s/ onload="init\(evt\)"//; s/<text id="(search|unzoom)".*?<\/text>//gs' >"benches/profile/$1.svg"
    echo "benches/profile/$1.svg: $(wc -c <"benches/profile/$1.svg") bytes" >&2
}

profile_tab() {
    ./build.sh build >&2
    [ -e tests/browser/node_modules ] || PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm --prefix tests/browser ci --no-audit --no-fund >&2
    "${lock[@]}" node benches/profile/tab.mjs --file "$model" --symbols .cache/symbols/relaxed --folded "$work/tab.folded" \
        --tokens $TOKENS --prompt-tokens $PROMPT_TOKENS
    graph tab 'A token in Chromium, relaxed, one thread'
}

# perf_bench PHASE ARGUMENTS of b158 bench
perf_bench() {
    local phase=$1
    shift
    "${lock[@]}" perf record -q -F 1999 -g -o "$work/$phase.data" target/profile/release/b158 bench -m "$model" -t 1 -r 1 "$@" >&2
    perf script -i "$work/$phase.data" -F period,ip,sym >"$work/$phase.txt" 2>/dev/null
}

profile_native() {
    command -v perf >/dev/null || {
        echo "perf is not installed: apt-get install linux-perf" >&2
        exit 1
    }
    # A build of its own: stacks are followed by their frame pointers, which cost a little.
    RUSTFLAGS=-Cforce-frame-pointers=yes cargo build --release --features cli --bin b158 --target-dir target/profile >&2
    perf_bench generation -p 0 -n $TOKENS
    perf_bench prompt -p $PROMPT_TOKENS -n 0
    local backend
    backend=$(grep -oE 'kernels::(x86_64|aarch64)::[a-z0-9_]+::[a-zA-Z0-9]+ as' "$work/generation.txt" | sort | uniq -c | sort -rn | sed -nE '1s/.*::([a-z0-9_]+)::.*/\1/p')
    node benches/profile/perf.mjs --folded "$work/native.folded" \
        "$backend: generation" $TOKENS "$work/generation.txt" "$backend: prompt" $PROMPT_TOKENS "$work/prompt.txt"
    graph native "A token natively, $backend, one thread"
}

for what in "$@"; do
    case $what in
    tab) profile_tab ;;
    native) profile_native ;;
    *)
        echo "run.sh does not know '$what'" >&2
        exit 1
        ;;
    esac
done
