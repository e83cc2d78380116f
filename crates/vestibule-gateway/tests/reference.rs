//! `docs/configuration.md` is written by the program that reads the configuration.

use std::{env, fs, path::Path};

use vestibule_gateway::config;

#[test]
fn the_reference_of_the_configuration_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let reference = config::reference();
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, reference).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference,
        "docs/configuration.md is not what the program says; write it anew with\n\n    \
         BLESS=1 cargo test -p vestibule-gateway --test reference\n"
    );
}
