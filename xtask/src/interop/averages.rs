//! The notebooks' kafka-python producers, `weir process average` and `combine` over them, killed with `kill -9` again and again,
//! and the results as kafka-python and confluent-kafka read them, compared with what Python computes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::ApacheKafka;
use super::{Case, Context};
use crate::install::python;
use crate::process::{Running, run, tail};

const DEADLINE: Duration = Duration::from_mins(2);
/// Numbers of each of the three producers, 20 ms apart.
const COUNT: &str = "300";
/// How often both processors are killed while the producers send.
const KILLS: usize = 3;
const EVERY_MS: &str = "100";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "averages",
        what: "notebooks' producers (JSON, str of a dict), process average and combine killed -9: Python's averages, each once",
        run: |context| averages(context, context.server()?.kafka),
    },
    Case {
        name: "averages on Apache Kafka 4.3",
        what: "the same with a real Apache Kafka",
        run: |context| {
            let kafka = ApacheKafka::start(context.workspace, &context.folder("kafka")?, "")?;
            averages(context, kafka.kafka)
        },
    },
];

fn averages(context: &Context, kafka: SocketAddr) -> Result<String> {
    let bootstrap = kafka.to_string();
    let topic = context.topic("Week9-Topic");
    let (to_average, to_combined) = (format!("{topic}-average"), format!("{topic}-combined"));
    let folder = context.folder("averages")?;
    let weir = context.weir()?;
    let made = ["topic", "create", &topic, "--partitions", "1"];
    run(&mut command(weir, &bootstrap, &made), b"", DEADLINE)?;
    let every = format!("{EVERY_MS}ms");
    let average = [
        "process",
        "average",
        "--topic",
        &topic,
        "--to",
        &to_average,
        "--last",
        "5",
    ];
    let combine = [
        "process",
        "combine",
        "--topic",
        &topic,
        "--to",
        &to_combined,
        "--every",
        &every,
        "--keys",
        "sensor-0,sensor-1,sensor-2",
    ];
    let start = || -> Result<[Running; 2]> {
        Ok([
            Running::start("average", &mut command(weir, &bootstrap, &average), &folder)?,
            Running::start("combine", &mut command(weir, &bootstrap, &combine), &folder)?,
        ])
    };
    let mut processors = start()?;
    let producers = Running::start(
        "producers",
        &mut script(context, &["produce", &bootstrap, &topic, COUNT])?,
        &folder,
    )?;
    for kill in 0..KILLS {
        let before = (
            end(weir, &bootstrap, &to_average),
            end(weir, &bootstrap, &to_combined),
        );
        let [average, _] = &mut processors;
        average
            .until("results of both", DEADLINE, || {
                end(weir, &bootstrap, &to_average) > before.0
                    && end(weir, &bootstrap, &to_combined) > before.1
            })
            .with_context(|| format!("after {kill} kills"))?;
        for processor in processors {
            processor.kill()?;
        }
        processors = start()?;
    }
    producers.wait(DEADLINE)?;
    let all: u64 = 3 * COUNT.parse::<u64>()?;
    let [average, combine] = &mut processors;
    average.until("all averages", DEADLINE, || {
        end(weir, &bootstrap, &to_average) >= Some(all)
    })?;
    combine.still_runs()?;
    let said = run(
        &mut script(
            context,
            &[
                "verify",
                &bootstrap,
                &topic,
                &to_average,
                &to_combined,
                COUNT,
                EVERY_MS,
            ],
        )?,
        b"",
        DEADLINE,
    )?
    .text();
    for processor in processors {
        let (status, _) = processor.end(Duration::from_secs(5))?;
        ensure!(
            status.success(),
            "a processor ended with {status} on SIGTERM"
        );
    }
    Ok(format!("{}, {KILLS} kills", tail(&said).trim()))
}

fn command(weir: &Path, bootstrap: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(weir);
    command.args(["--bootstrap", bootstrap]).args(arguments);
    command
}

fn script(context: &Context, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(python(context.workspace, "current")?);
    command
        .arg(
            context
                .workspace
                .path("interop/python/tutorials/averages.py"),
        )
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore");
    Ok(command)
}

/// Where a topic of one partition ends; none where there is no such topic yet.
fn end(weir: &Path, bootstrap: &str, topic: &str) -> Option<u64> {
    let mut describe = command(weir, bootstrap, &["--json", "topic", "describe", topic]);
    let text = describe.output().ok()?.stdout;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    value["partitions"][0]["high_watermark"].as_u64()
}
