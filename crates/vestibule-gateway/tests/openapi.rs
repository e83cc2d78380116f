//! `docs/operate/openapi.json` is written by the program that serves it.

use std::{env, fs, path::Path};

use vestibule_gateway::ops::admin;

#[test]
fn the_document_of_the_admin_api_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate/openapi.json");
    let document = format!("{:#}\n", admin::document());
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, document).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document,
        "docs/operate/openapi.json is not what the program says; write it anew with\n\n    \
         BLESS=1 cargo test -p vestibule-gateway --test openapi\n"
    );
}
