#!/usr/bin/env bash
# The stage supply of ./build.sh test, which sources this: what it calls and what it reads is there.

# Crates: licences, where they come from, and what is known against them.
test_crates() {
    need_rust
    cargo_tool cargo-deny "$CARGO_DENY" cargo-deny
    local manifests=(Cargo.toml tests/fuzz/Cargo.toml tests/loom/Cargo.toml tests/tokenizer/references/Cargo.toml) manifest checks=(licenses bans sources) log=$CACHE/advisories.log
    mkdir -p "$CACHE"
    # Where that fails the checks above still run: the database is on GitHub, which not every machine reaches.
    if timeout 300 cargo deny fetch db >"$log" 2>&1 </dev/null; then
        checks+=(advisories)
    else
        note "advisories: skipped, their database could not be fetched: $(grep -v '^ *$' "$log" | tail -n 1)"
    fi
    for manifest in "${manifests[@]}"; do
        step "cargo-deny, $manifest: ${checks[*]}" "what may be used is in deny.toml; one check again: cargo deny --manifest-path $manifest --config deny.toml check licenses"
        cargo deny --manifest-path "$manifest" --config deny.toml --locked check "${checks[@]}" </dev/null
    done
}

# npm packages: what is known against them. Nothing is installed for it, a lock file is enough.
test_npm_audit() {
    need_node
    local lock log=$CACHE/audit.log found=0 asked=0
    mkdir -p "$CACHE"
    while read -r lock; do
        step "npm audit, $lock" "once more: npm --prefix $(dirname "$lock") audit"
        asked=$((asked + 1))
        if npm --prefix "$(dirname "$lock")" audit --package-lock-only --audit-level=high >"$log" 2>&1 </dev/null; then continue; fi
        if grep -q 'audit endpoint returned an error' "$log"; then
            note "skipped, the registry gives no answer: $(head -n 1 "$log")"
        else
            cat "$log" >&2
            found=$((found + 1))
        fi
    done < <(git ls-files '*package-lock.json')
    [ $asked -gt 0 ] || fail "no package-lock.json found" "it asks git for them: git ls-files"
    [ $found = 0 ] || fail "npm packages with known holes of high severity, in $found lock files" "npm audit, above, says which version has none"
}

test_supply() {
    stage "cargo-deny: licences, sources, advisories" test_crates
    stage "npm audit" test_npm_audit
}
