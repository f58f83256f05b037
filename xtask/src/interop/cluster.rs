//! weir's own commands against a Kafka that is somebody else's: the same script of commands runs against our broker and
//! against a real Apache Kafka, and must see the same.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::page::h264_file;
use super::server::{ApacheKafka, Weir};
use super::{Case, Context, tutorials};
use crate::http;
use crate::process::{Running, run, tail};

const DEADLINE: Duration = Duration::from_mins(1);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "weir on its own broker",
        what: "topic, produce, consume, publish video/testcard/sensor/ticker/lines, a followed log through kill -9 and rotation, process words, the page",
        run: |context| everything(context, context.server()?.kafka),
    },
    Case {
        name: "weir on Apache Kafka 4.3",
        what: "the same commands and the page with --bootstrap of a real Apache Kafka",
        run: |context| {
            let kafka = ApacheKafka::start(context.workspace, &context.folder("kafka")?, "")?;
            everything(context, kafka.kafka)
        },
    },
];

/// The program with a bootstrap, and how its commands are run and begun.
struct Commands<'a> {
    weir: &'a Path,
    bootstrap: String,
}

impl Commands<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.weir);
        command
            .args(["--bootstrap", &self.bootstrap])
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        Ok(run(&mut self.command(arguments), input.as_bytes(), DEADLINE)?.text())
    }

    fn begin(&self, name: &str, arguments: &[&str], folder: &Path) -> Result<Running> {
        Running::start(name, &mut self.command(arguments), folder)
    }
}

fn everything(context: &Context, kafka: SocketAddr) -> Result<String> {
    let weir = Commands {
        weir: context.weir()?,
        bootstrap: kafka.to_string(),
    };
    let folder = context.folder("commands")?;
    let page = Weir::page(context.weir()?, &folder, kafka)?;
    let name = context.topic("c");
    topics(&weir, &format!("{name}-topics")).context("topic")?;
    records(&weir, &page, &format!("{name}-records")).context("produce and consume")?;
    film(context, &weir, &page, &format!("{name}-film")).context("publish video")?;
    pictures(context, &weir, &page, &format!("{name}-pictures"))
        .context("publish video --codec jpeg")?;
    test_card(&weir, &page, &format!("{name}-card"), &folder).context("publish testcard")?;
    sensors(&weir, &page, &format!("{name}-numbers"), &folder).context("publish sensor")?;
    words(&weir, &page, &format!("{name}-text"), &folder)
        .context("publish lines, process words")?;
    followed(&weir, &format!("{name}-followed"), &folder).context("publish lines --follow")?;
    prices(&weir, &page, &format!("{name}-prices")).context("publish ticker")?;
    let (status, took) = page.end()?;
    ensure!(
        status.success(),
        "weir serve --bootstrap ended with {status} on SIGTERM"
    );
    Ok(format!(
        "seven commands' worth; serve ended in {} ms",
        took.as_millis()
    ))
}

fn topics(weir: &Commands, topic: &str) -> Result<()> {
    let setting = "retention.ms=3600000";
    weir.run(
        &[
            "topic",
            "create",
            topic,
            "--partitions",
            "3",
            "--config",
            setting,
        ],
        "",
    )?;
    let listed = weir.run(&["topic", "list"], "")?;
    ensure!(
        listed.contains(topic),
        "list does not name it: {}",
        tail(&listed)
    );
    let described = weir.run(&["topic", "describe", topic], "")?;
    ensure!(
        described.contains(setting) && described.lines().any(|line| line.starts_with("2 ")),
        "describe: {}",
        tail(&described)
    );
    weir.run(
        &[
            "topic",
            "alter",
            topic,
            "--config",
            "cleanup.policy=compact",
        ],
        "",
    )?;
    let described = weir.run(&["topic", "describe", topic], "")?;
    ensure!(
        described.contains("keeps the newest record of each key for ever")
            && described.contains(setting),
        "after alter: {}",
        tail(&described)
    );
    weir.run(&["topic", "delete", topic], "")?;
    let again = weir.command(&["topic", "describe", topic]).output()?;
    ensure!(
        again.status.code() == Some(1),
        "describing what was deleted ended with {}",
        again.status
    );
    ensure!(
        String::from_utf8_lossy(&again.stderr).contains(topic),
        "the error does not name the topic: {}",
        String::from_utf8_lossy(&again.stderr)
    );
    Ok(())
}

/// A log that is rotated both ways while its follower is killed and started again.
fn followed(weir: &Commands, topic: &str, folder: &Path) -> Result<()> {
    const ROUND: usize = 20_000;
    weir.run(&["topic", "create", topic], "")?;
    let log = folder.join("app.log");
    let append = |from: usize, to: usize| -> Result<()> {
        let lines = (from..to).fold(String::new(), |mut text, number| {
            let _ = writeln!(text, "line {number}");
            text
        });
        let mut file = fs::File::options().create(true).append(true).open(&log)?;
        file.write_all(lines.as_bytes())?;
        Ok(())
    };
    let shown = log.to_string_lossy();
    let arguments = [
        "publish",
        "lines",
        &shown,
        "--topic",
        topic,
        "--follow",
        "--from-start",
    ];
    let consume = |count: usize| {
        let count = count.to_string();
        weir.run(
            &["consume", topic, "--from", "beginning", "--count", &count],
            "",
        )
    };
    append(0, ROUND)?;
    let mut follower = weir.begin("follower", &arguments, folder)?;
    consume(1)?;
    for round in 1..4 {
        follower.kill()?;
        append(ROUND * round, ROUND * round + 100)?;
        let aside = folder.join(format!("app.log.{}", 10 - round));
        if round == 2 {
            fs::copy(&log, aside)?;
            fs::File::options().write(true).open(&log)?.set_len(0)?;
        } else {
            fs::rename(&log, aside)?;
        }
        append(ROUND * round + 100, ROUND * (round + 1))?;
        follower = weir.begin("follower", &arguments, folder)?;
        consume(ROUND * round)?;
    }
    let got = consume(4 * ROUND)?;
    let (status, _) = follower.end(DEADLINE)?;
    ensure!(status.success(), "it ended with {status} on SIGTERM");
    for (number, line) in got.lines().enumerate() {
        ensure!(
            line == format!("line {number}"),
            "line {number} is {line:?}: one was lost, doubled or is out of order"
        );
    }
    Ok(())
}

fn prices(weir: &Commands, page: &Weir, topic: &str) -> Result<()> {
    weir.run(
        &[
            "publish",
            "ticker",
            "--topic",
            topic,
            "--symbols",
            "BOLT,CORK",
            "--rate",
            "100/s",
            "--count",
            "200",
        ],
        "",
    )?;
    let latest = http::json(&page.url(&format!("/topics/{topic}/latest")))?.to_string();
    for symbol in ["BOLT", "CORK"] {
        ensure!(latest.contains(symbol), "/latest lacks {symbol}: {latest}");
    }
    Ok(())
}

fn records(weir: &Commands, page: &Weir, topic: &str) -> Result<()> {
    let input: String = (0..500).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line {number}");
        text
    });
    weir.run(&["produce", topic], &input)?;
    let back = weir.run(
        &["consume", topic, "--from", "beginning", "--count", "500"],
        "",
    )?;
    ensure!(
        back == input,
        "{} lines came back of 500, or others",
        back.lines().count()
    );
    let formatted = weir.run(
        &[
            "consume",
            topic,
            "--from",
            "498",
            "--count",
            "2",
            "--format",
            "%t %p %o %s\\n",
        ],
        "",
    )?;
    ensure!(
        formatted.lines().eq([
            format!("{topic} 0 498 line 498"),
            format!("{topic} 0 499 line 499")
        ]),
        "--format gave {formatted}"
    );
    let group = format!("group-{topic}");
    let part = |count: &str| {
        weir.run(
            &[
                "consume",
                topic,
                "--group",
                &group,
                "--from",
                "beginning",
                "--count",
                count,
            ],
            "",
        )
    };
    let (first, second) = (part("200")?, part("300")?);
    ensure!(
        first + &second == input,
        "the group saw records twice or not at all"
    );
    let mut last = String::new();
    http::events(
        &page.url(&format!("/topics/{topic}/records?from=499&limit=1")),
        |event| {
            event["value"]["text"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut last);
            true
        },
    )?;
    ensure!(last == "line 499", "the page's record at 499 is {last}");
    Ok(())
}

fn film(context: &Context, weir: &Commands, page: &Weir, topic: &str) -> Result<()> {
    let file = h264_file(context, "film.mp4")?;
    weir.run(
        &[
            "publish",
            "video",
            &file.display().to_string(),
            "--topic",
            topic,
            "--pace",
            "max",
        ],
        "",
    )?;
    let stored = weir.run(
        &[
            "consume",
            topic,
            "--from",
            "beginning",
            "--count",
            "1",
            "--format",
            "%h\\n",
        ],
        "",
    )?;
    for header in [
        "content-type=video/h264",
        "frame=key",
        "codec=avc1.",
        "size=320x240",
        "gop-index=0",
        "pts=",
    ] {
        ensure!(
            stored.contains(header),
            "the first record's headers have no {header}: {stored}"
        );
    }
    let (status, kind, _) =
        first_bytes(&page.url(&format!("/topics/{topic}/video.mp4?from=start")))?;
    ensure!(
        status == 200 && kind.starts_with("video/mp4"),
        "video.mp4 answered {status} {kind}"
    );
    Ok(())
}

/// Status, kind and the first bytes of an answer that does not end.
fn first_bytes(url: &str) -> Result<(u16, String, Vec<u8>)> {
    http::beginning(url, 2000)
}

fn pictures(context: &Context, weir: &Commands, page: &Weir, topic: &str) -> Result<()> {
    let file = h264_file(context, "film.mp4")?;
    weir.run(
        &[
            "publish",
            "video",
            &file.display().to_string(),
            "--topic",
            topic,
            "--pace",
            "max",
            "--codec",
            "jpeg",
            "--fps",
            "5",
        ],
        "",
    )?;
    tutorials::watch(
        context,
        &page.url(&format!("/topics/{topic}/video.mjpeg?from=start")),
        15,
        "",
    )?;
    Ok(())
}

fn test_card(weir: &Commands, page: &Weir, topic: &str, folder: &Path) -> Result<()> {
    let mut card = weir.begin("card", &["publish", "testcard", "--topic", topic], folder)?;
    let url = page.url(&format!("/topics/{topic}/video.mp4"));
    card.until("the live picture", Duration::from_secs(20), || {
        http::beginning(&url, 2000)
            .is_ok_and(|(status, _, bytes)| status == 200 && bytes.get(4..8) == Some(b"ftyp"))
    })?;
    let (status, _) = card.end(Duration::from_secs(5))?;
    ensure!(
        status.success() || status.code() == Some(130),
        "publish testcard ended with {status}"
    );
    Ok(())
}

fn sensors(weir: &Commands, page: &Weir, topic: &str, folder: &Path) -> Result<()> {
    let mut sensors = weir.begin(
        "sensors",
        &[
            "publish",
            "sensor",
            "--topic",
            topic,
            "--producers",
            "3",
            "--rate",
            "50/s",
            "--range",
            "10..20",
        ],
        folder,
    )?;
    let url = page.url(&format!("/topics/{topic}/series?window=60s"));
    sensors.until("a record", Duration::from_secs(20), || {
        http::json(&page.url(&format!("/topics/{topic}"))).is_ok()
    })?;
    let mut names = std::collections::BTreeSet::new();
    let mut outside = None;
    let mut points = 0;
    http::events(&url, |event| {
        for series in event["series"].as_array().into_iter().flatten() {
            names.insert(series["name"].as_str().unwrap_or_default().to_owned());
            for value in series["v"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
            {
                points += 1;
                if !(10.0..=20.0).contains(&value) {
                    outside = Some(value);
                }
            }
        }
        points >= 60 && names.len() >= 3
    })?;
    ensure!(
        names.len() == 3,
        "three producers, and the series are {names:?}"
    );
    ensure!(outside.is_none(), "{outside:?} is not within 10..20");
    let (status, _) = sensors.end(Duration::from_secs(5))?;
    ensure!(
        status.success() || status.code() == Some(130),
        "publish sensor ended with {status}"
    );
    Ok(())
}

fn words(weir: &Commands, page: &Weir, topic: &str, folder: &Path) -> Result<()> {
    let text = folder.join("text.txt");
    fs::write(&text, "the cat sat on the mat\nthe end\n")?;
    weir.run(
        &[
            "publish",
            "lines",
            &text.display().to_string(),
            "--topic",
            topic,
        ],
        "",
    )?;
    let counts = format!("{topic}-words");
    let mut words = weir.begin(
        "words",
        &["process", "words", "--topic", topic, "--to", &counts],
        folder,
    )?;
    let url = page.url(&format!("/topics/{counts}/latest"));
    words.until("3 times `the`", Duration::from_secs(30), || {
        word_count(&url, "the") == Some(3)
    })?;
    // Stopped and started again it goes on counting, and counts nothing twice.
    words.end(Duration::from_secs(5))?;
    weir.run(&["produce", topic], "the last\n")?;
    let mut words = weir.begin(
        "words",
        &["process", "words", "--topic", topic, "--to", &counts],
        folder,
    )?;
    words.until(
        "`last` counted after a restart",
        Duration::from_secs(30),
        || word_count(&url, "last") == Some(1),
    )?;
    ensure!(
        word_count(&url, "the") == Some(4) && word_count(&url, "cat") == Some(1),
        "after a restart `the` stands at {:?}, `cat` at {:?}",
        word_count(&url, "the"),
        word_count(&url, "cat")
    );
    Ok(())
}

/// A word's count as the page's `latest` gives it.
pub(super) fn word_count(url: &str, word: &str) -> Option<u64> {
    let latest = http::json(url).ok()?;
    let value = &latest["values"][word]["value"];
    let inner: Value = value
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(|| value.clone());
    inner["count"].as_u64().or(inner.as_u64())
}
