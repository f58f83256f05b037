//! `kill -9` under load: what a client was told is in the log is there after the restart, at its offset, and so is every
//! committed position. (A power cut is what `log`'s own tests simulate; a killed process loses nothing the kernel has.)

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::server::Weir;
use super::{Case, Context};
use crate::install::{program, python};
use crate::process::{Running, free_port, run};

/// How often the broker is killed, and how much must be acknowledged between two kills.
const ROUNDS: usize = 3;
const BETWEEN: usize = 10_000;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kill -9, confluent-kafka",
        what: "idempotent load and commits, killed three times: all acknowledged there once, in order",
        run: |context| killed(context, "confluent"),
    },
    Case {
        name: "kill -9, kafka-python",
        what: "acks=all load, killed three times: all acknowledged there",
        run: |context| killed(context, "kafka-python"),
    },
];

fn killed(context: &Context, client: &str) -> Result<String> {
    let folder = context.folder("killed")?;
    let port = free_port()?;
    // Small segments, so that recovery has rolled ones and an active one.
    let settings = [
        "--set",
        "log.segment.bytes=1048576",
        "--set",
        "num.partitions=3",
    ];
    let start = || Weir::broker(context.weir()?, &folder, port, &settings);
    let mut server = start()?;
    let topic = context.topic("killed");
    let journal = folder.join("journal.txt");
    let bootstrap = server.kafka.to_string();
    run(
        Command::new(program(context.workspace, "kcat")?).args([
            "-b",
            &bootstrap,
            "-L",
            "-t",
            &topic,
            "-X",
            "allow.auto.create.topics=true",
        ]),
        b"",
        Duration::from_secs(30),
    )?;
    let script = |mode: &str| -> Result<Command> {
        let mut command = Command::new(python(context.workspace, "current")?);
        command
            .arg(context.workspace.path("interop/python/acknowledged.py"))
            .args([mode, client, &bootstrap, &topic])
            .arg(&journal);
        Ok(command)
    };
    let mut writer = Running::start("writer", &mut script("write")?, &folder)?;
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    for round in 0..=ROUNDS {
        let before = lines();
        writer
            .until("acknowledgements", Duration::from_mins(2), || {
                lines() >= before + BETWEEN
            })
            .with_context(|| format!("after {round} kills"))?;
        if round < ROUNDS {
            server.kill()?;
            server = start().with_context(|| format!("restarting after {} kills", round + 1))?;
        }
    }
    let (status, _) = writer.end(Duration::from_mins(2))?;
    anyhow::ensure!(
        status.success(),
        "the writer ended with {status}: {}",
        fs::read_to_string(folder.join("writer.out"))?
    );
    server.kill()?;
    let server = start()?;
    let said = run(&mut script("verify")?, b"", Duration::from_mins(2))?.text();
    let restart_ms = server.start_took.as_millis();
    Ok(format!("{}; restart in {restart_ms} ms", said.trim()))
}
