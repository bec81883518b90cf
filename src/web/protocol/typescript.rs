//! The page's side of it.

use super::*;
use std::any::TypeId;
use ts_rs::{Config, TypeVisitor};

const FILE: &str = "www/src/internal/protocol.ts";
const RENEW: &str = "B158_RENEW=1 cargo test --lib protocol";

/// Declarations of a type and of all that it is made of, by name: they come in any order.
struct Declarations {
    config: Config,
    seen: Vec<TypeId>,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if self.seen.contains(&TypeId::of::<T>()) {
            return;
        }
        self.seen.push(TypeId::of::<T>());
        // Those of the language have no place of their own.
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let declared = T::decl(&self.config).replace(" | {", "\n  | {").replace(" \n", "\n");
            let name = T::ident(&self.config);
            let before = self.found.insert(name.clone(), format!("\n{docs}export {declared}\n"));
            assert!(before.is_none(), "two types are called {name}");
        }
        T::visit_generics(self);
        T::visit_dependencies(self);
    }
}

fn declared() -> String {
    let config = Config::new().with_large_int("number");
    let mut all = Declarations { config, seen: Vec::new(), found: BTreeMap::new() };
    all.visit::<ToWorker>();
    all.visit::<FromWorker>();
    format!(
        "// The messages between page and worker, made from src/web/protocol.rs. Do not edit; after a change there:\n\
         // {RENEW}\n\
         import type {{ BitNetErrorCode }} from \"../public/errors.js\";\n\n\
         /** The session that a model has from the start. */\n\
         export const OWN_SESSION = {OWN_SESSION};\n{}",
        all.found.into_values().collect::<String>()
    )
}

#[test]
fn the_page_has_the_same_protocol() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let wanted = declared();
    if std::env::var_os("B158_RENEW").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{FILE} is not what src/web/protocol.rs says; run: {RENEW}");
}
