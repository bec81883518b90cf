#!/usr/bin/env bash
# The stage processors of ./build.sh test, which sources this: what it calls and what it reads is there.

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
    local run=(env PATH="$TARGET_PATH$PATH" ${3:+"CARGO_TARGET_${upper}_RUNNER=$3"} cargo test --no-default-features "${target[@]}")
    "${run[@]}" --lib --test fuzz </dev/null
    "${run[@]}" --test engine -- golden:: family:: embedding:: </dev/null
    # Of the bit-identity matrix what differs between processors; the rest takes long under emulation.
    "${run[@]}" --test engine -- --nocapture every_backend_has_the_pinned_bits </dev/null | tee "$CACHE/bits-processor.log"
    gather_bits "$1 ${3:+under ${3%% *} ${3#* }}" "$CACHE/bits-processor.log"
}
