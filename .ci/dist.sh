#!/usr/bin/env bash
# ./build.sh dist and the stage dist of its tests: build.sh sources this, what it calls and what it reads is there.
#
# Zig is the C compiler and the linker of all three programs: musl and mingw-w64 for every processor are in the one wheel that PyPI has, and
# cargo-zigbuild hands it to cargo. Of Debian's it would take three compilers, and a musl for AArch64 that Debian has not.
# std comes by rust_target as it does for wasm32: by rustup, or from source.

# shellcheck disable=SC2153  # TARGET is build.sh's
DIST=$TARGET/dist
DIST_TARGETS=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu)

need_dist() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "releases are made on Linux on x86-64" "for this machine alone: cargo install --locked --path ."
    need_rust
    need_node
    has python3 || fail "there is no Python 3, by which Zig comes" "Debian, Ubuntu: apt-get install python3 python3-venv"
    { has zip && has unzip && has readelf; } || apt_install "archives, and what looks into programs" zip unzip binutils
    { has qemu-aarch64-static && has qemu-x86_64-static; } || apt_install "QEMU for the programs of other processors" qemu-user-static
    wine_program || { apt_install "Wine for the program of Windows" wine64 && wine_program; }
    DIST_VERSION=$(cargo pkgid --package b158 | sed 's/.*[#@]//')
    grep -q "^## $DIST_VERSION\b" CHANGELOG.md || fail "CHANGELOG.md has nothing about $DIST_VERSION, which is Cargo.toml's version"
    [ "$(node -p 'require("./www/package.json").version')" = "$DIST_VERSION" ] || fail "www/package.json is not of version $DIST_VERSION, which is Cargo.toml's" \
        "npm --prefix www version --no-git-tag-version $DIST_VERSION"
}

# Debian's package wine64 by itself puts no command on PATH.
wine_program() {
    WINE=$(PATH=$PATH:/usr/lib/wine command -v wine64 || command -v wine) &&
        WINESERVER=$(PATH=$PATH:/usr/lib/wine command -v wineserver)
}

zig_tools() {
    local folder=$CACHE/tools/zig inputs
    inputs=$(cksum <.ci/dist-requirements.txt)
    if [ ! -x "$folder/bin/cargo-zigbuild" ] || ! fresh zig "$inputs"; then
        step "Zig and cargo-zigbuild (once, 100 MB)" "PyPI must be reachable, and Python must have venv: apt-get install python3-venv"
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: --require-hashes -r .ci/dist-requirements.txt >&2
        done_with zig "$inputs"
    fi
    ZIG=$(echo "$folder"/lib/python3*/site-packages/ziglang)
    export CARGO_ZIGBUILD_ZIG_PATH=$ZIG/zig CARGO_ZIGBUILD_CACHE_DIR=${CARGO_ZIGBUILD_CACHE_DIR:-$CACHE/zig} ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$CACHE/zig}
}

# program_of TARGET: where cargo leaves it
program_of() { case $1 in *-windows-*) echo "$TARGET/$1/release/b158.exe" ;; *) echo "$TARGET/$1/release/b158" ;; esac; }

dist_program() {
    rust_target "$1"
    step "the program for $1" "what cargo said is above"
    B158_PAGE=www/dist/demo PATH=$CACHE/tools/zig/bin:$TARGET_PATH$PATH cargo zigbuild --release --locked --features cli --bin b158 --target "$1" >&2 </dev/null
}

dist_package() {
    build_page release
    step "the npm package" "what npm said is above"
    npm pack --silent --pack-destination "$DIST" ./www >&2 </dev/null
}

# archive TARGET: the program, how it is used, what a shell and man want, licences. The same sources make the same bytes: times are the
# commit's, names are sorted.
archive() {
    local name=b158-$DIST_VERSION-$1 host libc
    local folder=$DIST/$name
    host=$(program_of x86_64-unknown-linux-musl)
    mkdir -p "$folder/completions"
    cp "$(program_of "$1")" CHANGELOG.md "$folder/"
    cp src/cli/README.md "$folder/README.md"
    case $1 in *-windows-*) libc=(mingw-w64="$ZIG/lib/libc/mingw/COPYING") ;; *) libc=(musl="$ZIG/lib/libc/musl/COPYRIGHT") ;; esac
    node .ci/third-party.mjs --native "$1" "$folder/LICENSES.txt" "${libc[@]}" libunwind="$ZIG/lib/libunwind/LICENSE.TXT"
    "$host" completions powershell >"$folder/completions/b158.ps1"
    case $1 in
    *-linux-*)
        "$host" completions bash >"$folder/completions/b158.bash"
        "$host" completions zsh >"$folder/completions/_b158"
        "$host" completions fish >"$folder/completions/b158.fish"
        "$host" man --out "$folder/man/man1"
        ;;
    esac
    find "$folder" -exec touch -h -d "@$DIST_TIME" {} +
    case $1 in
    *-windows-*) (cd "$DIST" && find "$name" -type f | LC_ALL=C sort | TZ=UTC zip -q -X -9 -@ "$name.zip") ;;
    *) tar -C "$DIST" --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --format=gnu -c "$name" | gzip -9n >"$DIST/$name.tar.gz" ;;
    esac
    rm -rf "$folder"
}

dist_archives() {
    step "archives and their checksums" "the reason is in the lines above"
    DIST_TIME=$(git log -1 --format=%ct 2>/dev/null || date +%s)
    local target
    for target in "${DIST_TARGETS[@]}"; do archive "$target"; done
    (cd "$DIST" && sha256sum -- *.tgz *.tar.gz *.zip >SHA256SUMS)
}

# The programs as they come out of their archives. On x86-64 every backend, on AArch64 both.
dist_run() {
    local run=$CACHE/dist
    step "the programs, run: here, under QEMU and under Wine" "again: $run/again"
    rm -rf "$run"
    mkdir -p "$run"
    (cd "$DIST" && sha256sum --quiet -c SHA256SUMS)
    local target archive
    for target in "${DIST_TARGETS[@]}"; do
        for archive in "$DIST/b158-$DIST_VERSION-$target".*; do
            case $archive in *.zip) unzip -q -d "$run" "$archive" ;; *) tar -C "$run" -xzf "$archive" ;; esac
        done
    done
    # Its two overrides: what it would otherwise offer to download.
    export WINEPREFIX=$run/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml="
    "$WINE" wineboot -i >"$run/wine.log" 2>&1 </dev/null || fail "Wine does not start" "what it said is in $run/wine.log"
    # Debian 12's Wine is older than what Rust's std asks of Windows.
    if ! compgen -G "/usr/lib/*/wine/x86_64-windows/bcryptprimitives.dll" >/dev/null; then
        "$ZIG/zig" cc -target x86_64-windows-gnu -O2 -shared -o "$run/bcryptprimitives.dll" tests/dist/bcryptprimitives.c -ladvapi32
        cp "$run/bcryptprimitives.dll" "$WINEPREFIX/drive_c/windows/system32/"
    fi
    printf '#!/bin/sh\ncd "%s" && WINEPREFIX="%s" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml=" B158_DIST="%s" WINE="%s" exec node --test --test-reporter=spec tests/dist/programs.test.mjs\n' \
        "$PWD" "$WINEPREFIX" "$run" "$WINE" >"$run/again"
    chmod +x "$run/again"
    local status=0
    "$run/again" </dev/null || status=$?
    "$WINESERVER" -k || true
    [ $status = 0 ] || fail "a program of the release does not do what it should" "again: $run/again"
    # Half a gigabyte of Windows' libraries.
    rm -rf "$run"
}

# cargo install from what git has, without modules, page and packages. Unoptimised: the rest of the build is that of the tests.
dist_install() {
    local clone=$CACHE/dist-clone
    if ! git rev-parse --git-dir >/dev/null 2>&1; then
        note "cargo install from a fresh clone: skipped, there is no git repository here"
        return
    fi
    step "cargo install from a fresh clone" "what cargo said is above"
    rm -rf "$clone"
    mkdir -p "$clone/at"
    git ls-files -z | tar --null -T - -c | tar -C "$clone/at" -x
    (cd "$clone/at" && cargo install --debug --locked --path . --root "$clone" --target-dir "$TARGET" >&2 </dev/null)
    [ "$("$clone/bin/b158" --version)" = "b158 $DIST_VERSION" ] || fail "the program that cargo installs is not b158 $DIST_VERSION"
    rm -rf "$clone"
}

test_dist() {
    local target file
    need_dist
    zig_tools
    rm -rf "$DIST"
    mkdir -p "$DIST"
    # Its page is in the programs.
    stage "dist: the npm package" dist_package
    for target in "${DIST_TARGETS[@]}"; do stage "dist: $target" dist_program "$target"; done
    stage "dist: cargo install from a fresh clone" dist_install
    stage "dist: archives" dist_archives
    stage "dist: the programs, run" dist_run
    for file in "$DIST"/*; do note "$(du -h --apparent-size "$file" | cut -f1)  $file"; done
}

dist() {
    begin_stages
    test_dist
}
