//! The page in Chromium, fed through the server: how soon the first picture of a video is there, and how many pictures a second
//! the chart makes of 100 series of 100 points a second.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Bench, Figure, Measurement};
use crate::install::program;
use crate::interop::server::Weir;
use crate::process::{Running, run};

pub(super) const MEASUREMENTS: &[Measurement] = &[("page", page), ("chart", chart)];

/// What a script makes of the browser: the JSON it prints last.
fn in_chromium(bench: &Bench, script: &str, url: &str, argument: &str) -> Result<Value> {
    let npm = program(bench.workspace, "npm")?;
    let ui = bench.workspace.path("crates/ui");
    if !ui.join("node_modules/@playwright").is_dir() {
        let mut install = Command::new(npm);
        install.args(["ci", "--no-audit", "--no-fund"]);
        run(install.current_dir(&ui), b"", Duration::from_mins(10))?;
    }
    let printed = run(
        Command::new(program(bench.workspace, "node")?)
            .arg(bench.workspace.path("bench").join(script))
            .args([url, argument])
            .arg(program(bench.workspace, "chromium")?),
        b"",
        Duration::from_mins(3),
    )?
    .text();
    serde_json::from_str(printed.lines().last().unwrap_or_default())
        .with_context(|| format!("{script} printed no JSON"))
}

fn page(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder("page")?;
    let server = Weir::serve(&bench.weir, &folder, &[])?;
    let bootstrap = server.kafka.to_string();
    let mut publisher = Running::start(
        "card",
        Command::new(&bench.weir)
            .args(["--bootstrap", &bootstrap, "publish", "testcard"])
            .args(["--topic", "card", "--size", "1280x720"]),
        &folder,
    )?;
    let measured = in_chromium(bench, "first.mjs", &server.url("/t/card"), "20")?;
    publisher.still_runs()?;
    let number = |name: &str| measured[name].as_f64().unwrap_or(f64::NAN);
    Ok(vec![Figure {
        what: "opening the page to its first picture, p50, max".to_owned(),
        weir: format!("{:.0}, {:.0} ms", number("p50_ms"), number("max_ms")),
        kafka: String::new(),
        remark: "20 times, from the start of the navigation to the first frame presented, nothing cached; wanted: at most 300 ms. Chromium without a graphics card, 720p, server and publisher on the same machine".to_owned(),
    }])
}

fn chart(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder("chart")?;
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
        let measured = in_chromium(bench, "frames.mjs", &url, "20")?;
        publisher.still_runs()?;
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
