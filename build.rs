//! Rebuilds the crate when `make graphiql` has rebuilt the embedded pages.

fn main() {
    println!("cargo::rerun-if-changed=graphiql/dist");
}
