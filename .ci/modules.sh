#!/usr/bin/env bash
# The wasm modules and the page: build.sh sources this, what it calls and what it reads is there.
#
# Two kinds of module, quick and release. A quick one takes its dependencies from the same folder as the wasm tests, and comes straight
# from the linker; a release is what a visitor downloads. Both give the same bits.
#
# The engine comes in four flavours; beside them there is the module of answers' forms, src/grammar, which any of them calls.

FLAVOURS=(simd128 relaxed simd128-threads relaxed-threads)
GRAMMAR=grammar

WASM_RUSTFLAGS="-Ctarget-feature=+simd128 -Clink-arg=-zstack-size=1048576 -Clink-arg=--max-memory=4294967296"
# Memory shared by web workers: every one of them makes an instance with thread-local storage of its own.
THREADS_RUSTFLAGS="$WASM_RUSTFLAGS -Ctarget-feature=+atomics,+bulk-memory,+mutable-globals -Clink-arg=--shared-memory -Clink-arg=--import-memory
    -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base"
# What rustc 1.95 emits for wasm32. Anything beyond it is an error: an engine refuses a whole module for one opcode.
WASM_OPT_FEATURES=(--mvp-features --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int
    --enable-sign-ext --enable-mutable-globals --enable-multivalue --enable-reference-types --enable-call-indirect-overlong)
# The profile of the tests, but for this crate: optimised, and without what only tests check.
QUICK=(--config profile.dev.package.b158.opt-level=3 --config profile.dev.package.b158.debug-assertions=false
    --config profile.dev.package.b158.overflow-checks=false --config profile.dev.package.b158.debug=false)
# What a grammar may take of memory before it is stopped.
GRAMMAR_LINK=(-Clink-arg=--max-memory=1073741824)

# ---- inputs and stamps ------------------------------------------------------------------------------------------
# fresh NAME INPUTS: true if NAME was last made from exactly these inputs (done_with NAME INPUTS keeps them)
fresh() { [ "$(cat "$CACHE/stamps/$1" 2>/dev/null)" = "$2" ]; }
done_with() {
    mkdir -p "$CACHE/stamps"
    printf '%s\n' "$2" >"$CACHE/stamps/$1"
}
sums() { find "$@" \( -name node_modules -o -name dist \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum; }
# module_inputs FLAVOUR
module_inputs() {
    {
        if [ "$1" = "$GRAMMAR" ]; then sums src/grammar; else sums src | grep -v ' src/grammar/'; fi
        sums Cargo.toml Cargo.lock .ci/modules.sh .ci/relaxed-rustc.sh && rustc --version && echo "$WASM_BINDGEN $BINARYEN"
    } | cksum
}

# ---- modules ----------------------------------------------------------------------------------------------------
# wasm_env FLAVOUR COMMAND ...: with std for wasm32 and the flavour's instructions. A cdylib's file name has no hash as a rule, and
# cargo would take one flavour's for the other's: __CARGO_DEFAULT_LIB_METADATA gives it one. RUSTC_BOOTSTRAP makes
# cfg(target_feature = "atomics") visible, which stable rustc hides.
wasm_env() {
    local settings=(__CARGO_DEFAULT_LIB_METADATA=b158)
    case $1 in
    *-threads)
        rust_target "$WASM" threads
        settings+=(CARGO_TARGET_DIR="$TARGET/wasm-threads" RUSTFLAGS="$THREADS_RUSTFLAGS" RUSTC_BOOTSTRAP=1)
        ;;
    *)
        rust_target "$WASM"
        settings+=(CARGO_TARGET_DIR="$TARGET/wasm" RUSTFLAGS="$WASM_RUSTFLAGS")
        ;;
    esac
    case $1 in
    relaxed*) settings+=(RUSTC_WORKSPACE_WRAPPER="$PWD/.ci/relaxed-rustc.sh") ;;
    esac
    shift
    env PATH="$TARGET_PATH$PATH" "${settings[@]}" "$@"
}

# wasm_bindgen_tool wasm-bindgen|wasm-bindgen-test-runner: in .cache/tools/bin, from .ci/wasm-bindgen
wasm_bindgen_tool() {
    grep -q "wasm-bindgen.*\"=$WASM_BINDGEN\"" Cargo.toml || fail "Cargo.toml does not pin wasm-bindgen =$WASM_BINDGEN" "make it the version at the top of build.sh"
    local inputs features=()
    inputs=$(sums .ci/wasm-bindgen | cksum)
    if [ -e "$CACHE/tools/bin/$1" ] && fresh "$1" "$inputs"; then return 0; fi
    [ "$1" = wasm-bindgen ] || features=(--features test-runner)
    step "building $1 $WASM_BINDGEN (once)" "crates.io must be reachable; what cargo said is above"
    cargo build --locked --manifest-path .ci/wasm-bindgen/Cargo.toml --bin "$1" "${features[@]}" --target-dir "$CACHE/build/wasm-bindgen" >&2
    mkdir -p "$CACHE/tools/bin"
    cp "$CACHE/build/wasm-bindgen/debug/$1" "$CACHE/tools/bin"
    done_with "$1" "$inputs"
}

wasm_opt_tool() {
    if [ -e "$WASM_OPT" ]; then return 0; fi
    step "wasm-opt (binaryen $BINARYEN)" "the npm registry must be reachable"
    local folder=$CACHE/tools/binaryen-$BINARYEN
    mkdir -p "$folder"
    npm --prefix "$folder" install --no-audit --no-fund --loglevel=error "binaryen@$BINARYEN" >&2 </dev/null
}

# compile_module FLAVOUR: leaves .cache/modules/FLAVOUR.wasm, without JavaScript
compile_module() {
    local flavour=$1 folder=$TARGET/wasm options=("${QUICK[@]}") profile=debug crate=b158 link=()
    case $flavour in *-threads) folder=$TARGET/wasm-threads ;; esac
    [ "$MODULE_KIND" = quick ] || options=(--profile wasm) profile=wasm
    if [ "$flavour" = "$GRAMMAR" ]; then
        crate=b158_grammar link=(-- "${GRAMMAR_LINK[@]}")
        [ "$MODULE_KIND" = quick ] || options=(--profile grammar) profile=grammar
    fi
    step "wasm module $flavour, $MODULE_KIND" "what rustc said is above"
    wasm_env "$flavour" cargo rustc --package "${crate//_/-}" --no-default-features --lib --crate-type cdylib "${options[@]}" --target "$WASM" "${link[@]}" >&2
    mkdir -p "$CACHE/modules"
    cp "$folder/$WASM/$profile/$crate.wasm" "$CACHE/modules/$flavour.wasm"
}

# module_file FLAVOUR
module_file() { if [ "$1" = "$GRAMMAR" ]; then echo "www/wasm/$1/grammar_bg.wasm"; else echo "www/wasm/$1/b158_bg.wasm"; fi; }

# finish_module FLAVOUR: the module and its JavaScript
finish_module() {
    local flavour=$1 out=www/wasm/$1 features=("${WASM_OPT_FEATURES[@]}") file
    step "wasm-bindgen for $flavour" "what the tool said is above"
    file=$(module_file "$flavour")
    rm -rf "$out"
    if [ "$flavour" = "$GRAMMAR" ]; then
        # What a grammar can bring down is made anew.
        wasm-bindgen "$CACHE/modules/$flavour.wasm" "$out" grammar --anew llg_
    else
        wasm-bindgen "$CACHE/modules/$flavour.wasm" "$out" b158
    fi
    if [ "$MODULE_KIND" = release ]; then
        case $flavour in *-threads) features+=(--enable-threads) ;; esac
        case $flavour in relaxed*) features+=(--enable-relaxed-simd) ;; esac
        step "wasm-opt for $flavour" "what the tool said is above"
        # The features section goes: it would let an opcode pass that the flags above do not allow.
        # The names of its functions, which it does not hold itself, are kept for benches/profile.
        # The innermost loops stay functions: inlined, V8 has too few registers for them, and they take up to twice as long.
        local effort=('--no-inline=*kernels::ternary::*>::add*' '--no-inline=*kernels::ternary::stream*' '--no-inline=*kernels::groups::lanes::strip*' -O3)
        [ "$flavour" != "$GRAMMAR" ] || effort=(-Os)
        mkdir -p "$CACHE/symbols"
        "$WASM_OPT" "${features[@]}" "${effort[@]}" --strip-target-features --symbolmap="$CACHE/symbols/$flavour" "$file" -o "$out/opt"
        mv "$out/opt" "$file"
    fi
    done_with "module-$flavour" "$MODULE_KIND $(module_inputs "$flavour")"
    note "$file: $(($(wc -c <"$file") / 1024)) KiB, $(gzip -9c "$file" | wc -c | awk '{ print int($1 / 1024) }') KiB with gzip"
}

# has_module FLAVOUR: of today's source, and of the wanted kind; a release is a quick one too
has_module() {
    local inputs
    inputs=$(module_inputs "$1")
    [ -e "$(module_file "$1")" ] && { fresh "module-$1" "release $inputs" || fresh "module-$1" "$MODULE_KIND $inputs"; }
}

# What of a build can go on beside the rest. Cargo locks its target folder, so the flavours of one come one after the other.
module_lane() {
    local flavour
    case $1 in
    tools)
        npm_install www
        wasm_bindgen_tool wasm-bindgen
        [ "$MODULE_KIND" = quick ] || wasm_opt_tool
        ;;
    threads) for flavour in "${MISSING[@]}"; do case $flavour in *-threads) compile_module "$flavour" ;; esac done ;;
    plain) for flavour in "${MISSING[@]}"; do case $flavour in *-threads) ;; *) compile_module "$flavour" ;; esac done ;;
    esac
}

# want_modules quick|release FLAVOUR ...: sets MISSING, for module_lane and finish_modules
want_modules() {
    local flavour
    MODULE_KIND=$1
    MISSING=()
    for flavour in "${@:2}"; do has_module "$flavour" || MISSING+=("$flavour"); done
}

finish_modules() {
    [ ${#MISSING[@]} -gt 0 ] || return 0
    side_by_side finish_module "${MISSING[@]}"
    # Without an engine beside it there is nothing to compare.
    [ "$MODULE_KIND" = release ] && [ "${MISSING[*]}" != "$GRAMMAR" ] || return 0
    step "no relaxed opcode in the simd128 modules" "a relaxed intrinsic must stand under cfg(target_feature = \"relaxed-simd\")"
    .ci/check-relaxed.sh www/wasm/simd128/b158_bg.wasm www/wasm/relaxed/b158_bg.wasm "$WASM_OPT" "${WASM_OPT_FEATURES[@]}"
    .ci/check-relaxed.sh www/wasm/simd128-threads/b158_bg.wasm www/wasm/relaxed-threads/b158_bg.wasm "$WASM_OPT" "${WASM_OPT_FEATURES[@]}" --enable-threads
}

# build_modules quick|release FLAVOUR ...
build_modules() {
    need_rust
    need_node
    want_modules "$@"
    [ ${#MISSING[@]} = 0 ] || side_by_side module_lane tools threads plain
    finish_modules
}

# Two modules are enough for a demo and for most tests: those with threads stand in for those without, with one thread. What is
# released has all four.
QUICK_FLAVOURS=(relaxed-threads simd128-threads)
stand_in() {
    local flavour inputs
    for flavour in relaxed simd128; do
        inputs=$(module_inputs "$flavour")
        if has_module "$flavour" || fresh "module-$flavour" "stand-in $inputs"; then continue; fi
        rm -rf "www/wasm/$flavour"
        cp -r "www/wasm/$flavour-threads" "www/wasm/$flavour"
        # A section that says so, or the bundler would take the two for one file.
        printf '\000\011\010stand-in' >>"www/wasm/$flavour/b158_bg.wasm"
        done_with "module-$flavour" "stand-in $inputs"
    done
}

build_demo_modules() {
    build_modules quick "${QUICK_FLAVOURS[@]}" $GRAMMAR
    stand_in
}

# ---- the page ---------------------------------------------------------------------------------------------------
# Of the modules that are there.
bundle_page() {
    npm_install www
    local inputs
    inputs=$(sums www tests/models)
    if [ -e www/dist/demo/index.html ] && fresh page "$inputs"; then return 0; fi
    step "the page" "npm --prefix www run build"
    npm --prefix www run build >&2 </dev/null
    node .ci/third-party.mjs --texts www/dist/lib/LICENSES.txt www/dist/demo/LICENSES.txt
    done_with page "$inputs"
}

# build_page quick|release: with all modules
build_page() {
    build_modules "$1" "${FLAVOURS[@]}" $GRAMMAR
    bundle_page
}
