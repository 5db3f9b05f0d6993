//! Tells cargo to build anew when `make web` has made another GraphiQL: it is embedded.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
