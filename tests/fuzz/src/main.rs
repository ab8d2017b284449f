//! The fuzzer: libFuzzer with the target that `JIT_FUZZ` names. `cargo xtask nightly` builds it with `--cfg fuzzing` and what
//! counts branches (`packaging/xtask/src/fuzz.rs`).
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static TARGET: std::sync::LazyLock<jit_fuzz::Target> = std::sync::LazyLock::new(|| {
        let name = std::env::var("JIT_FUZZ").unwrap_or_default();
        jit_fuzz::Target::named(&name).unwrap_or_else(|| panic!("JIT_FUZZ={name} names no target"))
    });
    (TARGET.run)(bytes);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
