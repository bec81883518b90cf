#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of the relaxed build: this crate alone gets relaxed SIMD. The dependencies, which have no use for
# it, are compiled once for both builds, and cargo keeps the two apart by the wrapper's path.
case " $* " in
*" --target wasm32-unknown-unknown "*) exec "$@" -Ctarget-feature=+relaxed-simd ;;
*) exec "$@" ;;
esac
