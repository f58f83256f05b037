//! Where things are: the repository's root, the build's target folder, the folder of what was fetched once. Reads the
//! environment for the whole crate, once, and passes it on as a value.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One checkout and what the environment says about it.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The repository's root.
    pub root: PathBuf,
    /// Where cargo builds (`CARGO_TARGET_DIR`, or `target` under the root).
    pub target: PathBuf,
    /// Clients, jars and environments fetched once (`WEIR_CACHE`, or `target/cache`).
    pub cache: PathBuf,
    /// `CI=true`: what is missing is installed, and what is skipped is a failure.
    pub ci: bool,
}

impl Workspace {
    /// Finds the checkout this program was built from.
    pub fn find(install: bool) -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask's folder has no parent")?
            .to_owned();
        if !root.join("Cargo.lock").is_file() {
            bail!(
                "{} is not the repository's root: run this as `cargo xtask` from within the checkout",
                root.display()
            );
        }
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(PathBuf::from(dir)));
        let cache = env::var_os("WEIR_CACHE").map_or_else(|| target.join("cache"), PathBuf::from);
        let ci = install || env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Ok(Self {
            root,
            target,
            cache,
            ci,
        })
    }

    /// A file or folder of the repository.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The weir program to test: the one named, or the release build.
    pub fn weir(&self, given: Option<&Path>) -> Result<PathBuf> {
        if let Some(path) = given {
            if path.is_file() {
                return Ok(path.canonicalize()?);
            }
            bail!(
                "{} is no file: --weir takes the built program",
                path.display()
            );
        }
        let built = self.target.join("release/weir");
        let status = Command::new(cargo())
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "weir",
                "--bin",
                "weir",
            ])
            .current_dir(&self.root)
            .status()
            .context("starting cargo")?;
        if !status.success() || !built.is_file() {
            bail!("the release build failed: `cargo build --release --package weir` says why");
        }
        Ok(built)
    }

    /// The commit that is checked out, shortened, with a `+` behind it when files differ from it.
    pub fn commit(&self) -> String {
        let git = |arguments: &[&str]| {
            Command::new("git")
                .args(arguments)
                .current_dir(&self.root)
                .output()
                .ok()
                .filter(|output| output.status.success())
                .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let Some(hash) = git(&["rev-parse", "--short", "HEAD"]) else {
            return "no git".to_owned();
        };
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
        if changed.is_empty() { hash } else { hash + "+" }
    }
}

/// The cargo that runs us, so that a toolchain chosen on the command line stays chosen.
pub fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The first program of that name on PATH or in the folders where distributions' installers put it.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/local/go/bin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
