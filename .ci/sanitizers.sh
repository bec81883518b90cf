#!/usr/bin/env bash
# The stage sanitizers of ./build.sh test, which sources this: what it calls and what it reads is there.

# sanitized asan|tsan COMMAND ARGUMENT ...: cargo's COMMAND with everything built for that sanitizer, in a folder of its own. RUSTC_BOOTSTRAP: sanitizers
# are a nightly option, and the compiler is to stay the one there is. --target keeps them out of build scripts and macros.
sanitized() {
    local folder=$1 host flag=-Zsanitizer=address
    host=$(rustc -vV | sed -n 's/^host: //p')
    shift
    [ "$folder" = asan ] || flag=-Zsanitizer=thread
    # shellcheck disable=SC2153  # TARGET is build.sh's
    env PATH="$TARGET_PATH$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flag RUSTDOCFLAGS=$flag CARGO_TARGET_DIR="$TARGET/$folder" cargo "$1" --target "$host" "${@:2}" </dev/null
}

# Memory: what is read or written out of bounds, after its end or twice freed, and what nobody frees.
test_address() {
    need_rust
    TARGET_PATH=
    step "native tests under AddressSanitizer" "the first report above says which bytes, and who took and freed them; one test again: see sanitized in .ci/sanitizers.sh"
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 sanitized asan test --features cli
}

# Threads: what two of them use with nothing that orders it. The pool, every kernel with three threads, and on each backend a
# whole model with two. The matrix of tests/engine/identity.rs has the same in every size, and takes many minutes here.
test_thread() {
    need_rust
    rust_target "$(rustc -vV | sed -n 's/^host: //p')" tsan
    step "the thread pool, and what is computed with it, under ThreadSanitizer" "the first report above has both accesses and where their threads began; one test again: see sanitized in .ci/sanitizers.sh"
    TSAN_OPTIONS=halt_on_error=1 sanitized tsan test --no-default-features --lib --test engine -- threads:: kernels:: 8_bit_embedding bit_of_a_long_text numbers_of_threads
}

test_sanitizers() {
    if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
        note "sanitizers: skipped, the stage is made for Linux on x86-64"
        return
    fi
    stage "AddressSanitizer with leak check: native tests" test_address
    stage "ThreadSanitizer: pool, sessions, identity" test_thread
}
