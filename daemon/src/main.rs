//! The `openproxy` command.
fn main() {}
