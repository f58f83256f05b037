//! What the page's chart does with 100 series of 100 points a second: pictures a second in Chromium, fed through the server.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Bench, Figure, Measurement};
use crate::install::program;
use crate::interop::server::Weir;
use crate::process::{Running, run};

pub(super) const MEASUREMENTS: &[Measurement] = &[("chart", chart)];

fn chart(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder("chart")?;
    let npm = program(bench.workspace, "npm")?;
    let ui = bench.workspace.path("crates/ui");
    if !ui.join("node_modules/@playwright").is_dir() {
        let mut install = Command::new(npm);
        install.args(["ci", "--no-audit", "--no-fund"]);
        run(install.current_dir(&ui), b"", Duration::from_mins(10))?;
    }
    let server = Weir::serve(&bench.weir, &folder, &[])?;
    let bootstrap = server.kafka.to_string();
    let mut publisher = Running::start(
        "sensors",
        Command::new(&bench.weir)
            .args(["--bootstrap", &bootstrap, "publish", "sensor"])
            .args(["--topic", "many", "--producers", "100", "--rate", "100/s"]),
        &folder,
    )?;
    let mut figures = Vec::new();
    for window in ["10s", "1m"] {
        let url = server.url(&format!("/t/many?tab=plot&window={window}"));
        let printed = run(
            Command::new(program(bench.workspace, "node")?)
                .arg(bench.workspace.path("bench/frames.mjs"))
                .args([&url, "20"])
                .arg(program(bench.workspace, "chromium")?),
            b"",
            Duration::from_mins(3),
        )?
        .text();
        publisher.still_runs()?;
        let measured: Value = serde_json::from_str(printed.lines().last().unwrap_or_default())
            .context("frames.mjs printed no JSON")?;
        let number = |name: &str| measured[name].as_f64().unwrap_or(f64::NAN);
        ensure!(
            measured["series"] == 100,
            "{} series are drawn, not 100",
            measured["series"]
        );
        figures.push(Figure {
            what: format!("chart of 100 series x 100 points/s, window {window}: pictures/s"),
            weir: format!("{:.1}", number("per_second")),
            kafka: String::new(),
            remark: format!(
                "wanted: 60; between two p50 {:.1}, p99 {:.1}, max {:.1} ms; heap {:.0} MB. Chromium without a graphics card, 1280x800, server and publisher on the same machine",
                number("p50_ms"),
                number("p99_ms"),
                number("max_ms"),
                number("heap_mb")
            ),
        });
    }
    Ok(figures)
}
