#!/usr/bin/env bash
# Builds Rust's standard library for a target from its source: for a machine that reaches Debian and crates.io but not
# rustup's server, and for a std that rustup does not have. No nightly compiler, nothing installed outside .cache/.
#
#   .ci/rust-std.sh TARGET [KIND]     e.g. .ci/rust-std.sh wasm32-unknown-unknown
#
# Leaves .cache/sysroot/TARGET[-KIND]: lib/rustlib/TARGET/lib/*.rlib, and bin/rustc and bin/cargo, which are
# the plain tools with that sysroot. Put that bin first on PATH and everything builds as usual.
# Two kinds that nobody distributes:
#   threads     wasm32: std has atomics, its locks wait in shared memory
#   tsan        the host's: std tells ThreadSanitizer of its own reads and writes. Only what is built with
#               -Zsanitizer=thread gets it: build scripts and macros are built for the same target without
# The source is one of three (B158_STD_SOURCE forces one):
#   rustup      rustup's component rust-src, where it is installed: no Debian needed
#   rust-src    the library source of exactly the installed rustc's version
#   rustc-web   Debian's own compiler for browsers with its source, where no such rust-src is left in the archive
set -euo pipefail

target=${1:?usage: .ci/rust-std.sh TARGET [threads|tsan]}
kind=${2:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${B158_CACHE:-$root/.cache}
sysroot=$cache/sysroot/$target${kind:+-$kind}
mirror=${B158_DEBIAN_MIRROR:-http://deb.debian.org}

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'rust-std: %s\n' "$*" >&2; exit 1; }

toolchain=$(env -u RUSTC rustc --print sysroot)
version=$("$toolchain/bin/rustc" --version | cut -d' ' -f2)
host=$("$toolchain/bin/rustc" -vV | sed -n 's/^host: //p')

case $target in
wasm32-*)
    # What rustc's own wasm std is built with; bitcode so that LTO reaches into it.
    rustflags="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked -Cpanic=abort"
    features="panic-unwind compiler-builtins-mem" panic=abort ;;
*)
    rustflags="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked"
    features="panic-unwind backtrace" panic=unwind ;;
esac
case $kind-$target in
-*) ;;
threads-wasm32-*) rustflags+=" -Ctarget-feature=+atomics,+bulk-memory,+mutable-globals,+simd128" ;;
tsan-"$host") rustflags+=" -Zsanitizer=thread" ;;
*) die "'$kind' is no kind of std for $target" ;;
esac

# The stamp names all that went into the sysroot: the same line means that nothing is to be done.
stamp="$version $target $toolchain ${B158_STD_SOURCE:-any} $(cksum <"${BASH_SOURCE[0]}")"
[ "$(cat "$sysroot/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
need_debian() {
    local tool
    for tool in apt-get apt-cache dpkg-deb; do
        command -v $tool >/dev/null || die "$tool is missing: this way needs Debian or a relative of it.
    Elsewhere rustup has what is needed: rustup target add $target; rustup component add rust-src"
    done
    [ -e $keyring ] || die "$keyring is missing: apt-get install debian-archive-keyring"
}

# apt with its own sources and lists, so that the system's are left alone: apt_in SUITE COMMAND ...
apt_in() {
    local suite=$1 dir=$cache/apt/$1 section=debian
    shift
    case $suite in *-security) section=debian-security ;; esac
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb [signed-by=$keyring] $mirror/$section $suite main" >"$dir/sources.list"
    local command=$1
    shift
    local options=(-q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$dir/lists"
        -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=400 -o Acquire::Retries=3)
    case $command in
    madison) apt-cache "${options[@]}" madison "$@" ;;
    depends) apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces "$@" ;;
    *) apt-get "${options[@]}" "$command" "$@" >&2 ;;
    esac
}

# The .debs of PACKAGE=VERSION ..., kept between runs: fetch SUITE PACKAGE=VERSION ...
fetch() {
    local suite=$1 wanted
    shift
    mkdir -p "$cache/debs"
    for wanted in "$@"; do
        compgen -G "$cache/debs/$(deb_pattern "$wanted")" >/dev/null && continue
        say "fetching $wanted from Debian's $suite"
        (cd "$cache/debs" && apt_in "$suite" download "$wanted") || return 1
    done
}
# apt writes an epoch's colon as %3a in the file's name; a * is near enough.
deb_pattern() { echo "${1%%=*}_$(echo "${1#*=}" | tr ':' '*')_*.deb"; }

# The newest version of PACKAGE in SUITE that starts with PREFIX: version_in SUITE PACKAGE [PREFIX]
version_in() {
    apt_in "$1" update || return 1
    apt_in "$1" madison "$2" | awk -F'|' -v prefix="${3:-}" '{ gsub(/ /, "", $2) } index($2, prefix) == 1 { print $2; exit }'
}

# Unpacks library/ of the source package's .deb to $1; Debian strips vendor/ of some crates, cargo takes them from crates.io.
unpack_library() {
    local to=$1 deb=$2
    rm -rf "$to" && mkdir -p "$to"
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$to" --strip-components=4 --wildcards './usr/src/rustc-*/library/*' --exclude='*/library/vendor/*'
    [ -f "$to/library/sysroot/Cargo.toml" ] || die "no library/sysroot in $deb"
}

# Sets: library (the source), compiler (the rustc for it), host_rustlib (the host's std for that compiler).
use_rustup() {
    local source=$toolchain/lib/rustlib/src/rust/library
    [ -f "$source/sysroot/Cargo.toml" ] || return 1
    # A copy, for cargo writes there.
    library=$cache/rust-src/rustup-$version/library
    rm -rf "$library" && mkdir -p "${library%/library}"
    cp -r "$source" "$library"
    compiler=$toolchain/bin/rustc
    host_rustlib=$toolchain/lib/rustlib/$host
}

use_rust_src() {
    local suite found deb
    need_debian
    for suite in trixie-backports forky sid; do
        found=$(version_in "$suite" rust-src "$version+") || continue
        [ -n "$found" ] && break
    done
    [ -n "${found:-}" ] || { say "Debian has no rust-src $version any more"; return 1; }
    fetch "$suite" "rust-src=$found" || return 1
    deb=$(compgen -G "$cache/debs/$(deb_pattern "rust-src=$found")")
    library=$cache/rust-src/$version/library
    [ -f "$library/sysroot/Cargo.toml" ] || unpack_library "$cache/rust-src/$version" "$deb"
    compiler=$toolchain/bin/rustc
    host_rustlib=$toolchain/lib/rustlib/$host
}

use_rustc_web() {
    need_debian
    local suite=bookworm-security found upstream package deb dir=$cache/rustc-web
    found=$(version_in "$suite" rustc-web) || return 1
    [ -n "$found" ] || { say "Debian's $suite has no rustc-web"; return 1; }
    upstream=${found%%+*}
    if [ "$(cat "$dir/version" 2>/dev/null)" != "$found" ]; then
        local packages=("rustc-web=$found" "libstd-rust-web-dev=$found" "rust-web-src=$found")
        while read -r package; do packages+=("$package"); done < <(rustc_web_libraries "$suite")
        fetch "$suite" "${packages[@]}" || return 1
        rm -rf "$dir" && mkdir -p "$dir/root"
        for package in "${packages[@]}"; do
            deb=$(compgen -G "$cache/debs/$(deb_pattern "$package")")
            case $package in
            rust-web-src=*) unpack_library "$dir/src" "$deb" ;;
            *) dpkg-deb -x "$deb" "$dir/root" ;;
            esac
        done
        echo "$found" >"$dir/version"
    fi
    say "using Debian's rustc-web $upstream for $target"
    library=$dir/src/library
    compiler=$dir/rustc
    local binary libraries
    binary=$(find "$dir/root/usr/lib" "$dir/root/usr/bin" -type f -name rustc -perm -u+x | head -n 1)
    libraries=$(find "$dir/root/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
    write_tool "$compiler" "LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec '$binary' \"\$@\""
    host_rustlib=$(find "$dir/root/usr/lib" -type d -path "*/rustlib/$host" | head -n 1)
}

# PACKAGE=VERSION of the shared libraries that rustc-web needs from its own suite, by the archive's word: its std and LLVM.
rustc_web_libraries() {
    local package
    for package in $(apt_in "$1" depends rustc-web | grep -E '^(libstd-rust-web-[0-9.]+|libllvm[0-9]+)$'); do
        echo "$package=$(version_in "$1" "$package")"
    done
}

# A small sh script; written only when it differs, since cargo rebuilds everything when the compiler's mtime changes.
write_tool() {
    local text="#!/bin/sh
$2"
    [ "$(cat "$1" 2>/dev/null)" = "$text" ] && return 0
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$text" >"$1"
    chmod +x "$1"
}

case ${B158_STD_SOURCE:-any} in
rustup) use_rustup ;;
rust-src) use_rust_src ;;
rustc-web) use_rustc_web ;;
any) use_rustup || use_rust_src || { [ "$kind" != tsan ] && use_rustc_web; } ;; # which has no runtime of a sanitizer
*) die "B158_STD_SOURCE is '$B158_STD_SOURCE': rustup, rust-src or rustc-web" ;;
esac || die "no source of std found for rustc $version, neither rustup's rust-src nor in Debian's archive"

say "building std for $target${kind:+ with $kind} from $library with rustc $("$compiler" --version | cut -d' ' -f2)"
build=$cache/build/std-$target${kind:+-$kind}
upper=$(echo "$target" | tr 'a-z-' 'A-Z_')
(
    cd "$library"
    export RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=b158std RUSTC=$compiler CARGO_TARGET_DIR=$build
    export "CARGO_TARGET_${upper}_RUSTFLAGS=$rustflags" CARGO_PROFILE_RELEASE_PANIC=$panic CARGO_PROFILE_RELEASE_DEBUG=false
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTUP_TOOLCHAIN
    "$toolchain/bin/cargo" build --release --locked --target "$target" -p sysroot --no-default-features --features "$features" >&2
)

# Made aside and moved in one go, so that a build under way elsewhere never sees half a std.
fresh=$sysroot/lib.new/rustlib
rm -rf "$sysroot/lib.new"
mkdir -p "$fresh/$target/lib"
find "$build/$target/release/deps" -name '*.rlib' ! -name 'libsysroot-*' -exec cp {} "$fresh/$target/lib/" \;
if [ "$host" != "$target" ]; then
    # rust-lld lies beside rustup's std; Debian's folder has none, so the links are made one level down.
    mkdir -p "$fresh/$host"
    ln -s "$host_rustlib/lib" "$fresh/$host/lib"
    ln -s "$toolchain/lib/rustlib/$host/bin" "$fresh/$host/bin"
fi
rm -rf "${sysroot:?}/lib"
mv "$sysroot/lib.new" "$sysroot/lib"
# with_sysroot PROGRAM: the sh code that runs it with the new std
with_sysroot() {
    [ "$kind" != tsan ] || printf '%s\n' "case \" \$* \" in *' -Zsanitizer=thread '*) ;; *) exec '$1' \"\$@\" ;; esac"
    printf '%s\n' "exec '$1' --sysroot '$sysroot' \"\$@\""
}
write_tool "$sysroot/bin/rustc" "$(with_sysroot "$compiler")"
[ ! -x "${compiler%rustc}rustdoc" ] || write_tool "$sysroot/bin/rustdoc" "$(with_sysroot "${compiler%rustc}rustdoc")"
# SYSROOT is what clippy-driver reads, which runs in rustc's place and would miss the option.
write_tool "$sysroot/bin/cargo" "unset RUSTUP_TOOLCHAIN
RUSTC='$sysroot/bin/rustc' RUSTDOC='$sysroot/bin/rustdoc' SYSROOT='$sysroot' PATH='$sysroot/bin:$toolchain/bin':\"\$PATH\" exec '$toolchain/bin/cargo' \"\$@\""
echo "$stamp" >"$sysroot/stamp"
rm -rf "$build"
