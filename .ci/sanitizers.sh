#!/usr/bin/env bash
# The stage sanitizers of ./build.sh test, which sources this: what it calls and what it reads is there.

# sanitized KIND CARGO_ARGUMENT ...: cargo with everything built for that sanitizer, in a folder of its own. RUSTC_BOOTSTRAP: sanitizers
# are a nightly option, and the compiler is to stay the one there is. --target keeps them out of build scripts and macros.
sanitized() {
    local kind=$1 host
    host=$(rustc -vV | sed -n 's/^host: //p')
    shift
    # shellcheck disable=SC2153  # TARGET is build.sh's
    env PATH="$TARGET_PATH$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$kind" RUSTDOCFLAGS="-Zsanitizer=$kind" CARGO_TARGET_DIR="$TARGET/$kind-sanitizer" \
        cargo "$@" --target "$host" </dev/null
}

# Memory: what is read or written out of bounds, after its end or twice freed, and what nobody frees.
test_address() {
    need_rust
    TARGET_PATH=
    step "native tests under AddressSanitizer" "the first report above says which bytes, and who took and freed them; one test again: see sanitized in .ci/sanitizers.sh"
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 sanitized address test --features cli
}

# Threads: what two of them use with nothing that orders it. The pool, every kernel with three threads, whole models with up to eight.
test_thread() {
    need_rust
    rust_target "$(rustc -vV | sed -n 's/^host: //p')" tsan
    step "the thread pool, and what is computed with it, under ThreadSanitizer" "the first report above has both accesses and where their threads began; one test again: see sanitized in .ci/sanitizers.sh"
    TSAN_OPTIONS=halt_on_error=1 sanitized thread test --lib --test identity --test session -- threads kernels:: 8_bit_embedding
}

test_sanitizers() {
    if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
        note "sanitizers: skipped, the stage is made for Linux on x86-64"
        return
    fi
    stage "AddressSanitizer with leak check: native tests" test_address
    stage "ThreadSanitizer: pool, sessions, identity" test_thread
}
