//! Client libraries, of today and of five years ago: each runs its program from `interop/`, which checks itself.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Case, Context};
use crate::install::{go_program, javac, program, python};
use crate::process::run;

const DEADLINE: Duration = Duration::from_mins(3);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kafka-python",
        what: "all compressions, headers, times, positions by time, a group that resumes, one that shares",
        run: |context| script(context, "current", "kafka_python_client.py"),
    },
    Case {
        name: "kafka-python 2.0.2 (2020)",
        what: "the same",
        run: |context| script(context, "kafka-python-2.0.2", "kafka_python_client.py"),
    },
    Case {
        name: "confluent-kafka",
        what: "idempotent producer, all compressions, admin calls, a group that resumes",
        run: |context| script(context, "current", "confluent_client.py"),
    },
    Case {
        name: "confluent-kafka 2.0.2 (2023)",
        what: "the same",
        run: |context| script(context, "confluent-kafka-2.0.2", "confluent_client.py"),
    },
    Case {
        name: "librdkafka 1.8 (2021)",
        what: "idempotent producer, all compressions, a group that resumes",
        run: |context| go(context, "librdkafka-1.8"),
    },
    Case {
        name: "java client 4.3",
        what: "idempotent producer, all compressions, a group that resumes, admin calls",
        run: |context| java(context, super::server::KAFKA),
    },
    Case {
        name: "java client 3.9",
        what: "the same",
        run: |context| java(context, "clients-3.9.1"),
    },
    Case {
        name: "java client 2.8 (2021)",
        what: "the same",
        run: |context| java(context, "clients-2.8.2"),
    },
    Case {
        name: "franz-go",
        what: "idempotent producer, all compressions, a group that resumes, lag",
        run: |context| go(context, "franz"),
    },
];

/// A program says on its last line what it ran.
fn checked(context: &Context, mut command: Command) -> Result<String> {
    command
        .arg(context.bootstrap()?.to_string())
        .arg(context.topic("clients"));
    let text = run(&mut command, b"", DEADLINE)?.text();
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

fn script(context: &Context, environment: &str, name: &str) -> Result<String> {
    let mut command = Command::new(python(context.workspace, environment)?);
    command.arg(context.workspace.path(&format!("interop/python/{name}")));
    checked(context, command)
}

fn java(context: &Context, jars: &str) -> Result<String> {
    let classpath = javac(context.workspace, jars, "Client")?;
    let mut command = Command::new(program(context.workspace, "java")?);
    command.args(["-Xmx256m", "-cp", &classpath, "Client"]);
    checked(context, command)
}

fn go(context: &Context, name: &str) -> Result<String> {
    checked(context, Command::new(go_program(context.workspace, name)?))
}
