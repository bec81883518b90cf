#!/bin/sh
# RUSTC_WRAPPER of the fuzzers: coverage is counted in this crate, its fuzzers, and what files and people steer, the
# tokenizer. libFuzzer reads every counter after every input, and those of the regular expressions, which are
# most, took it half of its time and led it nowhere. AddressSanitizer stays in all.
case " $* " in
*' --crate-name b158'* | *' --crate-name tokenizers '* | *' fuzz_targets/'*) exec "$@" ;;
esac
for argument in "$@"; do
    shift
    [ "$argument" = -Cpasses=sancov-module ] || set -- "$@" "$argument"
done
exec "$@"
