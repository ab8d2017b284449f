//! Tests in a real Debian guest with the package installed.
fn main() {}
