//! Requests and answers.

mod requests;
mod typescript;
