#!/usr/bin/env bash
# An engine without relaxed SIMD refuses a module for one such opcode, reached or not. The base module may hold none, and the
# relaxed one must hold some, or this check would be blind (and the relaxed kernels not in it).
#
#   .ci/check-relaxed.sh BASE.wasm RELAXED.wasm WASM_OPT FEATURE_FLAGS...
set -euo pipefail
base=$1 relaxed=$2
shift 2

# wasm-opt validates what it reads against the flags alone: the modules carry no features section.
said=$("$@" "$base" 2>&1) || { printf '%s\n%s: not valid without relaxed SIMD\n' "$said" "$base" >&2; exit 1; }
if said=$("$@" "$relaxed" 2>&1); then
    echo "$relaxed: has no relaxed opcode: the relaxed kernels are not in it" >&2
    exit 1
fi
case $said in
*--enable-relaxed-simd*) ;;
*)
    printf '%s\n%s: refused for another reason than relaxed SIMD\n' "$said" "$relaxed" >&2
    exit 1
    ;;
esac
