//! What the figures were measured on: processor, memory, the file system under the build folder, the kernel, the day.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

/// The day, from `date`, so that the table needs no calendar of its own.
pub(super) fn now() -> String {
    said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))
}

/// One paragraph about the machine.
pub(super) fn describe(folder: &Path) -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let cpu = line_after("/proc/cpuinfo", "model name")
        .unwrap_or_else(|| said(Command::new("uname").arg("-m")));
    let memory = line_after("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!("{} GB of memory, ", kib >> 20));
    let disk = said(Command::new("df").args(["--output=fstype"]).arg(folder));
    let disk = disk.lines().last().unwrap_or("?").trim().to_owned();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!(
        "{cores} cores ({cpu}), {memory}{disk}, {}; load before the table was printed {load}. \
         The load generator runs on the same machine.",
        said(Command::new("uname").arg("-sr"))
    )
}

fn said(command: &mut Command) -> String {
    command
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The value of a `key : value` line.
fn line_after(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
