//! Downloads against servers that do wrong what they are told to: in memory, by a clock that a test lets pass, so that all is the same
//! each time; and over TCP.

mod address;
mod begin;
mod clock;
mod crash;
mod cross_origin_storage;
mod engine;
mod hub;
mod journal;
mod manifest;
mod memory;
mod meter;
mod model;
#[cfg(not(target_family = "wasm"))]
mod network;
mod resume;
mod rig;
mod server;
mod whole;

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
