//! Builds the page with npm and writes the table of files that `lib.rs` embeds.
//!
//! In: the sources in this folder, and `npm` where there is one. Out: `OUT_DIR/assets.rs`, a table of every file of the built
//! page with its bytes, plain and gzipped, its type and its entity tag.
//!
//! `npm ci` runs only when what is installed does not match `package-lock.json`. Without npm, offline with nothing installed, or
//! when npm fails, a debug build embeds `fallback.html` with the reason (so `cargo test` needs no Node) and a release build fails
//! with a sentence: a release without its page is of no use to anyone.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

/// What the page is made of; a change to any of them builds it again.
const SOURCES: [&str; 8] = [
    "build.rs",
    "fallback.html",
    "index.html",
    "package.json",
    "package-lock.json",
    "scripts",
    "src",
    "vite.config.ts",
];

fn main() -> Result<(), Box<dyn Error>> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=CARGO_NET_OFFLINE");

    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let dist = out.join("dist");
    let release = env::var("PROFILE")? == "release";

    if let Err(why) = build_page(&here, &dist) {
        if release {
            return Err(
                format!("the page could not be built, and a release needs it. {why}").into(),
            );
        }
        println!("cargo::warning=the page is left out of this debug build. {why}");
        write_fallback(&here, &dist, &why)?;
    }
    fs::write(out.join("assets.rs"), table(&dist)?)?;
    Ok(())
}

/// Installs what is missing and runs Vite; the error is a sentence for the reader, with the remedy.
fn build_page(here: &Path, dist: &Path) -> Result<(), String> {
    let lock = here.join("package-lock.json");
    // Left by scripts/installed.mjs after each install, with or without the development packages.
    let installed = here.join("node_modules/.installed-lock.json");
    let up_to_date = matches!((fs::read(&lock), fs::read(&installed)), (Ok(a), Ok(b)) if a == b);
    if !up_to_date {
        if env::var("CARGO_NET_OFFLINE").is_ok_and(|v| v == "true" || v == "1") {
            return Err("Cargo is offline and the page's packages are not installed: run `npm ci` in crates/ui once while online, \
                 then `touch crates/ui/build.rs`."
                .to_owned());
        }
        run(here, &["ci", "--omit=dev", "--no-audit", "--no-fund"])?;
    }
    let dist = dist
        .to_str()
        .ok_or("the build folder's name is not UTF-8: set CARGO_TARGET_DIR to one that is.")?;
    run(
        here,
        &[
            "run",
            "build",
            "--",
            "--outDir",
            dist,
            "--emptyOutDir",
            "--logLevel",
            "warn",
        ],
    )
}

/// Runs npm in `here`; what it prints is kept back unless it fails.
fn run(here: &Path, arguments: &[&str]) -> Result<(), String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let Output {
        status,
        stdout,
        stderr,
    } = match Command::new(npm).args(arguments).current_dir(here).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("npm was not found: install Node.js 20.19 or newer (Debian: apt install nodejs npm), then \
                 `touch crates/ui/build.rs` and build again."
                .to_owned());
        }
        Err(error) => return Err(format!("npm could not be started: {error}.")),
    };
    if status.success() {
        return Ok(());
    }
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // npm's own first lines say what is wrong; what follows is its manual.
    let lines = said
        .lines()
        .map(|line| line.trim_start_matches("npm error").trim());
    let first: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("npm warn"))
        .take(8)
        .collect();
    Err(format!(
        "`npm {}` failed in crates/ui ({status}): {}. Mend that, then `touch crates/ui/build.rs` and build again.",
        arguments.join(" "),
        first.join(" | ")
    ))
}

fn write_fallback(here: &Path, dist: &Path, why: &str) -> io::Result<()> {
    if dist.exists() {
        fs::remove_dir_all(dist)?;
    }
    fs::create_dir_all(dist)?;
    let escaped = why.replace('&', "&amp;").replace('<', "&lt;");
    let page = fs::read_to_string(here.join("fallback.html"))?.replace("{{why}}", &escaped);
    fs::write(dist.join("index.html"), page)
}

/// The Rust source of the table: one `Embedded` for each file, `.gz` beside it where Vite's plugin wrote one.
fn table(dist: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(dist, &mut files)?;
    files.sort();
    let mut rust = String::from("pub(crate) static EMBEDDED: &[Embedded] = &[\n");
    for file in files
        .iter()
        .filter(|file| file.extension().is_none_or(|e| e != "gz"))
    {
        let name = file
            .strip_prefix(dist)?
            .to_str()
            .ok_or("a file name is not UTF-8")?
            .replace('\\', "/");
        let include =
            |name: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/dist/{name}\"))");
        let gz = format!("{name}.gz");
        let gzip = if dist.join(&gz).exists() {
            format!("Some({})", include(&gz))
        } else {
            "None".to_owned()
        };
        let plain = include(&name);
        let etag = fnv1a(&fs::read(file)?);
        // Vite puts a hash of the content into the names in assets/: such a file never changes.
        let immutable = name.starts_with("assets/");
        writeln!(
            rust,
            "    Embedded {{ path: {name:?}, plain: {plain}, gzip: {gzip}, etag: \"\\\"{etag:016x}\\\"\", immutable: {immutable} }},"
        )?;
    }
    rust.push_str("];\n");
    Ok(rust)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a, 64 bits: an entity tag needs to differ when the bytes do, not to withstand anyone.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
