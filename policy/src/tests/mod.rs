//! Tests of the whole crate: policies as text, requests as short expressions.

mod scale;
mod support;
