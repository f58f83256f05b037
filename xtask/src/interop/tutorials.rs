//! The programs our users come from (courses' programs 1 to 4, written anew in their shape), unchanged but for the
//! address, against the broker; and weir's own page over what they wrote.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::KAFKA;
use super::{Case, Context};
use crate::http;
use crate::install::{java, python};
use crate::process::{Running, free_port, local, run, tail};

const DEADLINE: Duration = Duration::from_mins(2);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "tutorial 1",
        what: "OpenCV and kafka-python send PNGs 0.2 s apart; Flask shows them to a group, reload goes on",
        run: |context| video(context, "my-topic", ".png", "/", Some("view")),
    },
    Case {
        name: "tutorial 2",
        what: "the same with JPEG, no group, the page at /video",
        run: |context| video(context, "distributed-video1", ".jpg", "/video", None),
    },
    Case {
        name: "tutorial 3",
        what: "kafka-topics --create, confluent_kafka with delivery reports, group my_group, lines to a file",
        run: first_steps,
    },
    Case {
        name: "tutorial 4",
        what: "notebooks' producers and the five consumers; weir's series has the same numbers, in pandas too by the README's recipe",
        run: plots,
    },
];

/// A program of the tutorials with its arguments.
fn program(context: &Context, name: &str, arguments: &[&str]) -> Result<Command> {
    let folder = context.workspace.path("interop/python/tutorials");
    let mut command = Command::new(python(context.workspace, "current")?);
    command
        .arg(folder.join(format!("{name}.py")))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore");
    Ok(command)
}

/// A video file of so many numbered pictures.
pub(super) fn numbered(context: &Context, count: u32) -> Result<PathBuf> {
    let file = context.folder("numbered")?.join("video.mp4");
    run(
        &mut program(
            context,
            "numbered",
            &[&file.display().to_string(), &count.to_string()],
        )?,
        b"",
        DEADLINE,
    )?;
    Ok(file)
}

/// The numbers of the next pictures a page shows.
pub(super) fn watch(context: &Context, url: &str, count: usize, reader: &str) -> Result<Vec<u32>> {
    let text = run(
        &mut program(context, "watch", &[url, &count.to_string(), reader])?,
        b"",
        DEADLINE,
    )?
    .text();
    text.split_whitespace()
        .map(|number| {
            number
                .parse()
                .with_context(|| format!("watch printed {number}"))
        })
        .collect()
}

fn in_order(numbers: &[u32]) -> bool {
    numbers.is_sorted_by(|a, b| a < b)
}

fn video(
    context: &Context,
    topic: &str,
    encoding: &str,
    path: &str,
    group: Option<&str>,
) -> Result<String> {
    let topic = &context.topic(topic);
    let bootstrap = context.bootstrap()?.to_string();
    let folder = context.folder("tutorial")?;
    let file = numbered(context, 30)?.display().to_string();
    let port = free_port()?;
    let page_url = |path: &str| format!("http://{}{path}", local(port));

    // Their order: the page runs, then the publisher; the topic comes into being by being written or read.
    let port_text = port.to_string();
    let mut arguments = vec![bootstrap.as_str(), topic, &port_text, path];
    arguments.extend(group);
    let mut page = Running::start(
        "page",
        &mut program(context, "video_page", &arguments)?,
        &folder,
    )?;
    page.until_it_listens(local(port), Duration::from_secs(40))?;
    let (status, _, text) = http::get(&page_url("/healthy"))?;
    ensure!(status == 200, "the page got no partition: {}", tail(&text));
    let publisher = Running::start(
        "publisher",
        &mut program(
            context,
            "video_publisher",
            &[&bootstrap, topic, &file, encoding],
        )?,
        &folder,
    )?;
    let first = watch(context, &page_url(path), 8, "")?;
    ensure!(
        first.first() == Some(&0) && in_order(&first),
        "the first viewer saw {first:?}"
    );
    // Reload: it goes on. The publisher need not run any more.
    publisher.wait(DEADLINE)?;
    let second = watch(context, &page_url(path), 10, "")?;
    ensure!(
        in_order(&second) && second.first() > first.last(),
        "after a reload: {first:?} then {second:?}"
    );
    drop(page);

    let Ok(server) = context.server() else {
        return Ok(format!("saw {first:?} then {second:?}"));
    };
    let whole: Vec<u32> = (0..30).collect();
    // OpenCV's reader (ffmpeg's) takes parts that are JPEG, no others.
    for (reader, query) in [("", ""), ("opencv", "&as=jpeg")] {
        let url = server.url(&format!("/topics/{topic}/video.mjpeg?from=start{query}"));
        let seen = watch(context, &url, 30, reader)?;
        ensure!(
            seen == whole,
            "weir's own page from the start ({reader}): {seen:?}"
        );
    }
    let older = watch(
        context,
        &server.url(&format!("/video?topic={topic}&from=start")),
        30,
        "",
    )?;
    ensure!(older == whole, "weir's /video: {older:?}");
    // The group's own first visit starts at the live edge unless it says otherwise: seed it from the start.
    let resume = server.url(&format!(
        "/topics/{topic}/video.mjpeg?from=resume&group=mine-{topic}"
    ));
    run(
        Command::new(context.weir()?).args([
            "--bootstrap",
            &bootstrap,
            "consume",
            topic,
            "--group",
            &format!("mine-{topic}"),
            "--from",
            "beginning",
            "--count",
            "4",
        ]),
        b"",
        DEADLINE,
    )?;
    let third = watch(context, &resume, 6, "")?;
    ensure!(
        third == [4, 5, 6, 7, 8, 9],
        "a group that had seen 0 to 3 was shown {third:?}"
    );
    let fourth = watch(context, &resume, 6, "")?;
    ensure!(
        in_order(&fourth) && fourth.first().is_some_and(|first| (8..=11).contains(first)),
        "coming back after {third:?} showed {fourth:?}"
    );
    Ok(format!(
        "reload: {:?} then {:?}; weir's page: all 30",
        first.last(),
        second.first()
    ))
}

fn first_steps(context: &Context) -> Result<String> {
    let topic = context.topic("data_stream");
    let bootstrap = context.bootstrap()?.to_string();
    run(
        java(context.workspace, KAFKA)?.args([
            "org.apache.kafka.tools.TopicCommand",
            "--create",
            "--topic",
            &topic,
            "--bootstrap-server",
            &bootstrap,
            "--replication-factor",
            "1",
            "--partitions",
            "1",
        ]),
        b"",
        DEADLINE,
    )?;
    let file = context.folder("tutorial3")?.join("data_stream.txt");
    let said = run(
        &mut program(
            context,
            "first_steps",
            &[&bootstrap, &topic, &file.display().to_string()],
        )?,
        b"",
        DEADLINE,
    )?
    .text();
    let lines = fs::read_to_string(&file)?.lines().count();
    ensure!(lines == 100, "{lines} lines in the file");

    // What they wanted of Spark: the count of words of live data.
    if let Ok(server) = context.server() {
        let counts = format!("{topic}-words");
        let weir = context.weir()?;
        let mut words = Running::start(
            "words",
            Command::new(weir).args([
                "--bootstrap",
                &bootstrap,
                "process",
                "words",
                "--topic",
                &topic,
                "--to",
                &counts,
            ]),
            &context.folder("words")?,
        )?;
        let url = server.url(&format!("/topics/{counts}/latest"));
        words.until("the count of `the` at 100", Duration::from_secs(40), || {
            super::cluster::word_count(&url, "the") == Some(100)
        })?;
    }
    Ok(tail(&said))
}

fn plots(context: &Context) -> Result<String> {
    let topic = context.topic("Week9-Topic");
    let bootstrap = context.bootstrap()?.to_string();
    let said = run(
        &mut program(context, "plots", &[&bootstrap, &topic])?,
        b"",
        DEADLINE,
    )?
    .text();
    let numbers = said
        .trim()
        .strip_prefix("five plots: ")
        .context("plots.py ended without its numbers")?;
    let expected: Vec<f64> = serde_json::from_str(numbers)?;
    if let Ok(server) = context.server() {
        let mut seen: Vec<f64> = Vec::new();
        http::events(
            &server.url(&format!("/topics/{topic}/series?window=1h")),
            |event| {
                for series in event["series"].as_array().into_iter().flatten() {
                    seen.extend(
                        series["v"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter_map(serde_json::Value::as_f64),
                    );
                }
                seen.len() >= expected.len()
            },
        )?;
        ensure!(
            seen == expected,
            "weir's series has {seen:?}, sent were {expected:?}"
        );
        notebook(context, &server.url(""), &topic, &expected)?;
    }
    Ok(format!("{} points, five plots", expected.len()))
}

/// The README's recipe for a notebook, run as it is printed but for the address and the topic.
fn notebook(context: &Context, url: &str, topic: &str, expected: &[f64]) -> Result<()> {
    let readme = context.workspace.path("README.md");
    let said = run(
        &mut program(
            context,
            "notebook",
            &[&readme.display().to_string(), url, topic],
        )?,
        b"",
        DEADLINE,
    )?
    .text();
    let mut seen: Vec<f64> = serde_json::from_str(said.trim())?;
    let mut expected = expected.to_vec();
    seen.sort_by(f64::total_cmp);
    expected.sort_by(f64::total_cmp);
    ensure!(
        seen == expected,
        "pandas has {seen:?}, sent were {expected:?}"
    );
    Ok(())
}
