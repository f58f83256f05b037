//! What must be there before a step can run, and how it comes there: distribution packages, Python environments,
//! Java's jars. In CI what is missing is installed; elsewhere it is named and the step is skipped.
//!
//! Adding a Python client is one file, `interop/python/NAME.txt`, a Java one `interop/java/NAME.pom.xml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::run;
use crate::report::cannot;
use crate::workspace::{Workspace, which};

/// Program and the Debian package that brings it.
const PACKAGES: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("ffmpeg", "ffmpeg"),
    ("ffprobe", "ffmpeg"),
    ("gcc", "build-essential"),
    ("go", "golang"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("kcat", "kcat"),
    ("mvn", "maven"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
];

const FETCH: Duration = Duration::from_mins(15);

static UPDATED: AtomicBool = AtomicBool::new(false);

/// apt-get runs once at a time, and so does what fetches a set: who wants the same waits until it is there.
static APT: Mutex<()> = Mutex::new(());
static SETS: Mutex<()> = Mutex::new(());

/// What is large, by the order of its cases: environments, jars and programs that `interop` needs.
const PYTHON_AHEAD: &[&str] = &["current", "archive", "spark"];
const JAVA_AHEAD: &[&str] = &["kafka-4.3.0", "hadoop-3.4.2", "spark-kafka-4.2.0"];
const GO_AHEAD: &[&str] = &["librdkafka-1.8", "franz"];

/// Fetches what the cases of `interop` need, while others compile. What does not come is asked for again by the case that needs it.
pub fn ahead(workspace: &Workspace) {
    for name in PYTHON_AHEAD {
        let _ = python(workspace, name);
    }
    for name in JAVA_AHEAD {
        let _ = jars(workspace, name);
    }
    for name in GO_AHEAD {
        let _ = go_program(workspace, name);
    }
}

fn alone(what: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path of a program, installed first where that is wanted and possible.
pub fn program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    if let Some(path) = which(name) {
        return Ok(path);
    }
    let package = PACKAGES
        .iter()
        .find(|(program, _)| *program == name)
        .map(|(_, package)| *package);
    let Some(package) = package else {
        return Err(cannot(format!("{name} is not installed")));
    };
    install(workspace, &[package])?;
    which(name).with_context(|| format!("the package {package} brought no {name}"))
}

/// Sees to it that Debian's packages are there that bring no program to look for.
pub fn packages(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let there = |name: &&&str| {
        let mut command = Command::new("dpkg-query");
        command.args(["-W", "-f", "${Status}", name]);
        run(&mut command, b"", FETCH).is_ok_and(|ended| ended.text().ends_with(" installed"))
    };
    let missing: Vec<&str> = names.iter().filter(|name| !there(name)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(workspace, &missing)
}

fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let named = packages.join(" ");
    if !workspace.ci {
        return Err(cannot(format!(
            "not installed: {named}; `apt-get install {named}`, or run with --install"
        )));
    }
    if !rustix::process::geteuid().is_root() || which("apt-get").is_none() {
        return Err(cannot(format!(
            "not installed: {named}; only root with apt-get could install it here"
        )));
    }
    let _alone = alone(&APT);
    let apt = |arguments: &[&str]| {
        run(
            Command::new("apt-get")
                .args(["-q", "-o", "Acquire::Retries=3"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
            b"",
            FETCH,
        )
    };
    if !UPDATED.swap(true, Ordering::SeqCst) {
        apt(&["update"])?;
    }
    let mut arguments = vec!["-y", "--no-install-recommends", "install"];
    arguments.extend(packages);
    apt(&arguments).map_err(|error| cannot(format!("{error:#}")))?;
    Ok(())
}

/// The interpreter of the environment that `interop/python/NAME.txt` describes.
pub fn python(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let _alone = alone(&SETS);
    let wanted = workspace.path(&format!("interop/python/{name}.txt"));
    let folder = workspace.cache.join("python").join(name);
    let python = folder.join("bin/python");
    if is_made(&folder, &wanted)? && python.is_file() {
        return Ok(python);
    }
    let system = program(workspace, "python3")?;
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let create = |folder: &PathBuf| {
        run(
            Command::new(&system).args(["-m", "venv"]).arg(folder),
            b"",
            FETCH,
        )
    };
    if create(&folder).is_err() {
        install(workspace, &["python3-venv"])?;
        create(&folder)?;
    }
    run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--only-binary",
                "numpy,opencv-python-headless,confluent-kafka,pandas,matplotlib,pyarrow,duckdb",
                "-r",
            ])
            .arg(&wanted),
        b"",
        FETCH,
    )
    .map_err(|error| cannot(format!("pip could not install {name}: {error:#}")))?;
    mark_made(&folder, &wanted)?;
    Ok(python)
}

/// The folder with the jars that `interop/java/NAME.pom.xml` names, and those they need.
pub fn jars(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let _alone = alone(&SETS);
    let wanted = workspace.path(&format!("interop/java/{name}.pom.xml"));
    let folder = workspace.cache.join("java").join(name);
    if is_made(&folder, &wanted)? {
        return Ok(folder);
    }
    program(workspace, "java")?;
    let maven = program(workspace, "mvn")?;
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    run(
        Command::new(maven)
            .args(["--quiet", "--batch-mode", "--global-settings"])
            .arg(workspace.path("interop/java/settings.xml"))
            .arg("--file")
            .arg(&wanted)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", folder.display())),
        b"",
        FETCH,
    )
    .map_err(|error| cannot(format!("Maven could not fetch {name}: {error:#}")))?;
    mark_made(&folder, &wanted)?;
    Ok(folder)
}

/// `java` with all jars of a set on its class path, heap bounded.
pub fn java(workspace: &Workspace, jars_name: &str) -> Result<Command> {
    let folder = jars(workspace, jars_name)?;
    let mut command = Command::new(program(workspace, "java")?);
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-cp"])
        .arg(format!("{}/*", folder.display()));
    Ok(command)
}

/// Compiles `interop/java/CLASS.java` against a set of jars; the class path to run it with.
pub fn javac(workspace: &Workspace, jars_name: &str, class: &str) -> Result<String> {
    let folder = jars(workspace, jars_name)?;
    let classes = workspace
        .cache
        .join("java")
        .join(format!("{jars_name}-classes"));
    let classpath = format!("{}/*", folder.display());
    let source = workspace.path(&format!("interop/java/{class}.java"));
    compile(workspace, &classpath, &[source], &classes)?;
    Ok(format!("{classpath}:{}", classes.display()))
}

/// Compiles Java's sources into a folder.
pub fn compile(
    workspace: &Workspace,
    classpath: &str,
    sources: &[PathBuf],
    classes: &Path,
) -> Result<()> {
    fs::create_dir_all(classes)?;
    let compiler = program(workspace, "javac")?;
    run(
        Command::new(compiler)
            .args(["-encoding", "UTF-8", "-cp", classpath, "-d"])
            .arg(classes)
            .args(sources),
        b"",
        FETCH,
    )
    .map(drop)
}

/// Builds the Go program in `interop/go/NAME` and gives its path.
pub fn go_program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    go_build(workspace, name, ".", "1")
}

/// Builds go2rtc in the version that `interop/go/go2rtc/go.mod` names, and gives its path.
pub fn go2rtc(workspace: &Workspace) -> Result<PathBuf> {
    // Its C files are for its Go to be made from, not to be compiled.
    go_build(workspace, "go2rtc", "github.com/AlexxIT/go2rtc", "0")
}

fn go_build(workspace: &Workspace, name: &str, package: &str, cgo: &str) -> Result<PathBuf> {
    let _alone = alone(&SETS);
    let go = program(workspace, "go")?;
    let built = workspace.cache.join("go").join(name);
    fs::create_dir_all(workspace.cache.join("go"))?;
    run(
        Command::new(go)
            .args(["build", "-o"])
            .arg(&built)
            .arg(package)
            .env("CGO_ENABLED", cgo)
            .current_dir(workspace.path(&format!("interop/go/{name}"))),
        b"",
        FETCH,
    )
    .map_err(|error| {
        cannot(format!(
            "the Go program {name} could not be built: {error:#}"
        ))
    })?;
    if !built.is_file() {
        bail!("go build left no {}", built.display());
    }
    Ok(built)
}

/// True when a folder was completed from exactly this description.
fn is_made(folder: &Path, wanted: &Path) -> Result<bool> {
    let wanted_text =
        fs::read_to_string(wanted).with_context(|| format!("reading {}", wanted.display()))?;
    Ok(fs::read_to_string(folder.join("made-from.txt")).is_ok_and(|made| made == wanted_text))
}

fn mark_made(folder: &Path, wanted: &Path) -> Result<()> {
    fs::copy(wanted, folder.join("made-from.txt"))?;
    Ok(())
}
