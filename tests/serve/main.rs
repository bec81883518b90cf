//! `b158 serve` as its clients meet it: the program itself, asked over plain sockets.
#![cfg(all(feature = "cli", not(target_family = "wasm")))]

mod answers;
mod bodies;
mod door;
#[cfg(unix)]
mod ending;
#[cfg(unix)]
mod guide;
mod http;
mod metrics;
mod paths;
mod server;
mod streams;
