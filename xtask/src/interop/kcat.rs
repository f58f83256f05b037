//! kcat from Debian: metadata, produce with every compression, consume with its formats, a group.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Case, Context};
use crate::install::program;
use crate::process::run;

const DEADLINE: Duration = Duration::from_secs(40);
const COUNT: usize = 1000;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kcat",
        what: "metadata, produce and consume with every compression, keys, headers, offsets",
        run: produce_and_consume,
    },
    Case {
        name: "kcat -G",
        what: "a consumer group reads, leaves, and resumes where it left off",
        run: group,
    },
];

fn kcat(context: &Context, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(program(context.workspace, "kcat")?);
    command
        .args(["-b", &context.bootstrap()?.to_string(), "-q"])
        .args(arguments);
    Ok(run(&mut command, input.as_bytes(), DEADLINE)?.text())
}

fn version(context: &Context) -> Result<String> {
    let text = run(
        Command::new(program(context.workspace, "kcat")?).arg("-V"),
        b"",
        DEADLINE,
    )?
    .text();
    let version = text
        .lines()
        .find(|line| line.starts_with("Version"))
        .unwrap_or("kcat");
    Ok(version
        .replace("Version", "kcat")
        .chars()
        .take(80)
        .collect())
}

fn produce_and_consume(context: &Context) -> Result<String> {
    let topic = context.topic("kcat");
    let mut expected = String::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut input = String::new();
        for number in 0..COUNT {
            let _ = writeln!(
                input,
                "key {number}:{codec} value {number} {}",
                "v".repeat(200)
            );
            let _ = writeln!(
                expected,
                "key {number}|{codec} value {number} {}|from=kcat",
                "v".repeat(200)
            );
        }
        kcat(
            context,
            &[
                "-P",
                "-t",
                &topic,
                "-p",
                "0",
                "-K:",
                "-z",
                codec,
                "-H",
                "from=kcat",
                "-X",
                "linger.ms=20",
            ],
            &input,
        )?;
    }
    let listed = kcat(context, &["-L", "-t", &topic], "")?;
    ensure!(
        listed.contains(&format!("topic \"{topic}\" with 1 partitions")),
        "metadata: {listed}"
    );
    let back = kcat(
        context,
        &[
            "-C",
            "-t",
            &topic,
            "-o",
            "beginning",
            "-e",
            "-f",
            "%k|%s|%h\\n",
        ],
        "",
    )?;
    ensure!(
        back == expected,
        "what came back is not what was sent: {} lines",
        back.lines().count()
    );
    let last = kcat(
        context,
        &["-C", "-t", &topic, "-o", "-1", "-e", "-f", "%o %p"],
        "",
    )?;
    ensure!(
        last == format!("{} 0", 5 * COUNT - 1),
        "the last record is at {last}"
    );
    let ends = kcat(context, &["-Q", "-t", &format!("{topic}:0:-1")], "")?;
    ensure!(
        ends.trim().ends_with(&format!("offset {}", 5 * COUNT)),
        "the end by query is {ends}"
    );
    version(context)
}

fn group(context: &Context) -> Result<String> {
    let topic = context.topic("kcat-group");
    let input: String = (0..COUNT).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    });
    kcat(context, &["-P", "-t", &topic, "-p", "0"], &input)?;
    let group = format!("group-{topic}");
    let read = |count: &str| {
        kcat(
            context,
            &[
                "-G",
                &group,
                "-c",
                count,
                "-X",
                "auto.offset.reset=earliest",
                &topic,
            ],
            "",
        )
    };
    let first = read("300")?;
    let second = read("700")?;
    ensure!(
        first + &second == input,
        "records came twice, not at all or out of order"
    );
    version(context)
}
