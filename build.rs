//! Puts the page into the program, where it has been built: `B158_PAGE` names its folder (`www/dist/demo`), from the package's root.
//! Without it the program is the same but for the page.

#[cfg(feature = "cli")]
#[path = "src/serve/page/pack.rs"]
mod pack;

const VARIABLE: &str = "B158_PAGE";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/serve/page/pack.rs");
    #[cfg(feature = "cli")]
    write(std::env::var(VARIABLE).unwrap_or_default().as_str())?;
    Ok(())
}

/// Writes a list of the page's files, for `include!` in src/serve/page/mod.rs.
#[cfg(feature = "cli")]
fn write(folder: &str) -> Result<(), String> {
    use std::{env, fs, path::Path};
    let out = env::var("OUT_DIR").map_err(|_| "cargo gives no OUT_DIR")?;
    let mut list = String::from("&[\n");
    if !folder.is_empty() {
        println!("cargo::rerun-if-changed={folder}");
        let packed = pack::pack(Path::new(folder), true).map_err(|why| format!("{VARIABLE} is {folder}: {why}"))?;
        for (index, pack::File { path, gzip, tag, bytes }) in packed.iter().enumerate() {
            let file = Path::new(&out).join(format!("page-{index}"));
            fs::write(&file, bytes).map_err(|why| why.to_string())?;
            list += &format!("({path:?}, {gzip}, {tag:?}, include_bytes!({file:?})),\n");
        }
    }
    list += "]";
    fs::write(Path::new(&out).join("page.rs"), list).map_err(|why| why.to_string())
}
