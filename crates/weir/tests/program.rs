//! The built program as a stranger meets it: what it prints, how it ends, what it says when something is wrong.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn weir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    // Neither the machine's settings nor a weir.toml of the folder the tests run in may change what is tested.
    for name in [
        "WEIR_BOOTSTRAP",
        "WEIR_X",
        "WEIR_CONFIG",
        "WEIR_DATA_DIR",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command.args(args).current_dir(std::env::temp_dir());
    command
}

fn run(args: &[&str]) -> Output {
    weir(args).stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server of ours, on ports that the system chose; killed when the test is done with it.
struct Server {
    child: Child,
    page: String,
    kafka: String,
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(args: &[&str], data: &Path) -> Self {
        let mut all = vec!["--json", "--data-dir", data.to_str().unwrap()];
        all.extend(args);
        let mut child = weir(&all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        Self {
            child,
            page: text("page"),
            kafka: text("kafka"),
            _stdout: stdout,
        }
    }

    fn broker(data: &Path) -> Self {
        Self::start(&["broker", "--kafka-listen", "127.0.0.1:0"], data)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut all = vec!["--bootstrap", &self.kafka];
        all.extend(args);
        run(&all)
    }

    fn feed(&self, args: &[&str], input: &str) -> Output {
        let mut child = weir(&[&["--bootstrap", &self.kafka], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    fn get(&self, path: &str) -> String {
        ureq::get(format!("{}{path}", self.page))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    }

    #[cfg(unix)]
    fn signal(&mut self, signal: rustix::process::Signal) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_level_has_help_that_ends_with_0() {
    for path in [
        &[][..],
        &["demo"],
        &["serve"],
        &["broker"],
        &["publish"],
        &["publish", "video"],
        &["publish", "testcard"],
        &["publish", "sensor"],
        &["publish", "ticker"],
        &["publish", "lines"],
        &["produce"],
        &["consume"],
        &["topic"],
        &["topic", "create"],
        &["topic", "alter"],
        &["process"],
        &["process", "words"],
        &["completions"],
        &["man"],
    ] {
        let output = run(&[path, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{path:?}");
        assert!(output.stdout.len() > 100, "{path:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_names_what_is_wrong() {
    for (args, named) in [
        (&["publish", "sensor"][..], "--topic"),
        (
            &["publish", "sensor", "--topic", "t", "--rate", "often"],
            "often",
        ),
        (
            &["publish", "testcard", "--topic", "t", "--size", "1x1"],
            "WIDTHxHEIGHT",
        ),
        (&["nonsense"], "nonsense"),
        (&["-X", "nothing", "topic", "list"], "key=value"),
        (&["serve", "--listen", "nowhere"], "--listen"),
    ] {
        let output = run(args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(named),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_port_in_use_is_one_line_that_names_the_port_and_the_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    let dir = dir.path().to_str().unwrap();
    for (args, option) in [
        (
            [
                "serve",
                "--kafka-listen",
                "127.0.0.1:0",
                "--listen",
                &address,
            ],
            "--listen",
        ),
        (
            [
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--kafka-listen",
                &address,
            ],
            "--kafka-listen",
        ),
    ] {
        let output = run(&[&["--data-dir", dir], &args[..]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(
            said.contains(&taken.local_addr().unwrap().port().to_string()),
            "{said}"
        );
        assert!(said.contains(option), "{said}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_video_is_one_line_that_names_it() {
    let dir = TempDir::new().unwrap();
    let notes = dir.path().join("notes.txt");
    std::fs::write(&notes, "shopping list").unwrap();
    let empty = dir.path().join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    let missing = dir.path().join("missing.mp4");
    for path in [&notes, &empty, &missing] {
        let path = path.to_str().unwrap();
        for args in [
            &["demo", path][..],
            &["publish", "video", path, "--topic", "t"],
        ] {
            let output = run(args);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
            assert!(said.contains(path), "{said}");
        }
    }
}

#[test]
fn a_kafka_that_is_not_there_is_one_line_that_names_it_and_the_remedy() {
    let output = run(&["--bootstrap", "127.0.0.1:1", "topic", "list"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(
        said.contains("127.0.0.1:1") && said.contains("weir serve"),
        "{said}"
    );
}

#[test]
fn an_unknown_key_of_the_config_file_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, "[serve]\nlisten-on = 'x'\n").unwrap();
    let output = run(&["--config", file.to_str().unwrap(), "topic", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("`serve.listen-on`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_unknown_broker_setting_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let output = run(&[
        "--data-dir",
        dir.path().to_str().unwrap(),
        "broker",
        "--kafka-listen",
        "127.0.0.1:0",
        "--set",
        "num.partition=3",
    ]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("num.partition") && said.contains("num.partitions"),
        "{said}"
    );
}

#[test]
fn a_film_appears_whole_or_not_at_all_and_is_written_over_only_by_force() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    let card = ["publish", "testcard", "--topic", "card", "--size", "64x64"];
    let sent = server.run(&[&card[..], &["--fps", "100", "--count", "30"]].concat());
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let films = TempDir::new().unwrap();
    let film = films.path().join("film.mp4");
    let path = film.to_str().unwrap();
    let names = || -> Vec<_> {
        let files = std::fs::read_dir(films.path()).unwrap();
        files.map(|file| file.unwrap().file_name()).collect()
    };

    let nothing = server.run(&["export", "card", path, "--from", "1:00:00"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        stderr(&nothing).contains("its pictures are of"),
        "{}",
        stderr(&nothing)
    );
    assert!(names().is_empty(), "{:?}", names());

    let done = server.run(&["--json", "export", "card", path]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    // A machine that is busy makes fewer pictures than it was asked for.
    let last = said["last_offset"].as_u64().unwrap();
    assert_eq!(said["pictures"].as_u64(), Some(last + 1));
    assert!(last > 10, "{said}");
    let bytes = std::fs::read(&film).unwrap();
    assert_eq!(Some(bytes.len() as u64), said["bytes"].as_u64());
    assert_eq!(names(), ["film.mp4"]);

    let again = server.run(&["export", "card", path, "--to", "10"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert_eq!(std::fs::read(&film).unwrap(), bytes);
    let forced = server.run(&["export", "card", path, "--to", "10", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert!(std::fs::read(&film).unwrap().len() < bytes.len());

    let piped = server.run(&["--quiet", "export", "card", "-"]);
    assert_eq!(piped.stdout.get(4..8), Some(&b"ftyp"[..]));
    assert_eq!(stderr(&piped), "");
    for (file, says) in [
        (films.path().to_str().unwrap(), "is a folder"),
        ("/nowhere/film.mp4", "/nowhere"),
    ] {
        let refused = server.run(&["export", "card", file]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(says), "{}", stderr(&refused));
    }
}

#[test]
fn what_was_produced_is_consumed_with_keys_and_headers() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    let sent = server.feed(
        &["produce", "t", "-K", ":", "-H", "from=test"],
        "a:1\nb:2\n:3\n",
    );
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let args = [
        "consume",
        "t",
        "--from",
        "beginning",
        "--exit-at-end",
        "--format",
        "%k=%s %h\\n",
    ];
    let got = server.run(&args);
    assert_eq!(
        String::from_utf8_lossy(&got.stdout),
        "a=1 from=test\nb=2 from=test\n=3 from=test\n",
        "{}",
        stderr(&got)
    );
}

#[test]
fn a_group_goes_on_where_it_left_off() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    server.feed(&["produce", "t"], "1\n2\n3\n");
    let first = server.run(&["consume", "t", "--group", "g", "--count", "2"]);
    assert_eq!(
        String::from_utf8_lossy(&first.stdout),
        "1\n2\n",
        "{}",
        stderr(&first)
    );
    let second = server.run(&["consume", "t", "--group", "g", "--count", "1"]);
    assert_eq!(
        String::from_utf8_lossy(&second.stdout),
        "3\n",
        "{}",
        stderr(&second)
    );
}

#[test]
fn topics_are_made_listed_described_and_deleted() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    let made = server.run(&[
        "topic",
        "create",
        "t",
        "--partitions",
        "3",
        "--config",
        "retention.ms=60000",
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let again = server.run(&["topic", "create", "t"]);
    assert_eq!(again.status.code(), Some(1));
    let listed = server.run(&["topic", "list"]);
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "TOPIC  PARTITIONS  RECORDS\nt      3           0\n"
    );
    let described = server.run(&["topic", "describe", "t"]);
    assert!(
        String::from_utf8_lossy(&described.stdout).contains("retention.ms=60000"),
        "{}",
        stderr(&described)
    );
    assert_eq!(server.run(&["topic", "delete", "t"]).status.code(), Some(0));
    let gone = server.run(&["topic", "describe", "t"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains('t'), "{}", stderr(&gone));
}

#[test]
fn what_a_topic_keeps_is_said_in_words_and_changed_while_it_lives() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    server.run(&["topic", "create", "t", "--config", "retention.ms=-1"]);
    let keeps = || {
        let described = server.run(&["--json", "topic", "describe", "t"]);
        let said: Value = serde_json::from_slice(&described.stdout).unwrap();
        said["keeps"].as_str().unwrap().to_owned()
    };
    assert_eq!(keeps(), "keeps every record for ever");
    let alter = |args: &[&str]| server.run(&[&["topic", "alter", "t"], args].concat());
    let done = alter(&["--config", "retention.ms=3600000", "--partitions", "2"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(stderr(&done).contains("t keeps every record for 1 h;"));
    assert!(keeps().starts_with("keeps every record for 1 h;"));
    alter(&["--config", "cleanup.policy=compact"]);
    assert!(keeps().starts_with("keeps the newest record of each key for ever;"));
    alter(&["-d", "cleanup.policy", "-d", "retention.ms"]);
    assert!(keeps().starts_with("keeps every record for 7 d;"));
    for (args, named) in [
        (&[][..], "--delete-config"),
        (&["--config", "retention.ms"], "name=value"),
        (&["--config", "retention.ms=soon"], "retention.ms=3600000"),
        (
            &["--config", "retention.ms=1", "-d", "retention.ms"],
            "both name",
        ),
        (&["--partitions", "1"], "never fewer"),
    ] {
        let refused = alter(args);
        assert_eq!(refused.status.code(), Some(1), "{args:?}");
        assert!(stderr(&refused).contains(named), "{}", stderr(&refused));
    }
}

#[test]
#[cfg(unix)]
fn a_followed_log_comes_once_line_by_line_through_kill_9_and_rotation() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    server.run(&["topic", "create", "t"]);
    let log = dir.path().join("app.log");
    let append = |from: usize, to: usize| {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        for number in from..to {
            writeln!(file, "line {number}").unwrap();
        }
    };
    let follow = || {
        weir(&[
            "--bootstrap",
            &server.kafka,
            "publish",
            "lines",
            "--topic",
            "t",
        ])
        .args(["--follow", "--from-start"])
        .arg(&log)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
    };
    let lines = |count: usize| {
        let count = count.to_string();
        let args = ["consume", "t", "--from", "beginning", "--count", &count];
        let got = server.run(&args);
        String::from_utf8(got.stdout).unwrap()
    };
    append(0, 50_000);
    let mut follower = follow();
    lines(1);
    for round in 1..5_usize {
        // In the middle of the lines that are there.
        follower.kill().unwrap();
        follower.wait().unwrap();
        append(50_000 * round, 50_000 * round + 10_000);
        if round % 2 == 1 {
            std::fs::rename(&log, log.with_extension(format!("log.{round}"))).unwrap();
        } else {
            std::fs::copy(&log, log.with_extension(format!("log.{round}"))).unwrap();
            std::fs::File::options()
                .write(true)
                .open(&log)
                .unwrap()
                .set_len(0)
                .unwrap();
        }
        append(50_000 * round + 10_000, 50_000 * (round + 1));
        follower = follow();
        lines(50_000 * round);
    }
    let want: Vec<String> = (0..250_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    assert!(
        lines(250_000) == want.concat(),
        "a line is lost, doubled or out of order"
    );
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_consumer_whose_reader_has_gone_ends_without_a_word() {
    let dir = TempDir::new().unwrap();
    let server = Server::broker(dir.path());
    let lines = "a line\n".repeat(100_000);
    server.feed(&["produce", "t"], &lines);
    let mut child = weir(&[
        "--bootstrap",
        &server.kafka,
        "consume",
        "t",
        "--from",
        "beginning",
        "--exit-at-end",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

#[test]
#[cfg(unix)]
fn what_was_acknowledged_survives_kill_9() {
    let dir = TempDir::new().unwrap();
    let mut server = Server::broker(dir.path());
    let sent = server.feed(&["produce", "t"], "kept\n");
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    server.run(&["consume", "t", "--group", "g", "--count", "1"]);
    server.signal(rustix::process::Signal::KILL);
    let server = Server::broker(dir.path());
    let got = server.run(&["consume", "t", "--from", "beginning", "--exit-at-end"]);
    assert_eq!(
        String::from_utf8_lossy(&got.stdout),
        "kept\n",
        "{}",
        stderr(&got)
    );
    server.feed(&["produce", "t"], "next\n");
    let next = server.run(&["consume", "t", "--group", "g", "--count", "1"]);
    assert_eq!(
        String::from_utf8_lossy(&next.stdout),
        "next\n",
        "{}",
        stderr(&next)
    );
}

#[test]
#[cfg(unix)]
fn the_demo_shows_video_numbers_and_words_and_ends_at_ctrl_c_with_130() {
    let dir = TempDir::new().unwrap();
    let mut server = Server::start(
        &[
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "127.0.0.1:0",
        ],
        dir.path(),
    );
    assert!(
        server.get("").contains("<!doctype html>") || server.get("").contains("<!DOCTYPE html>")
    );
    for topic in [
        "demo-video",
        "sensors",
        "sensors-average",
        "sensors-combined",
        "bursty",
        "demo-text",
        "demo-words",
    ] {
        let got = server.run(&[
            "--json",
            "consume",
            topic,
            "--from",
            "beginning",
            "--count",
            "1",
        ]);
        let record: Value = serde_json::from_slice(&got.stdout)
            .unwrap_or_else(|_| panic!("{topic}: {}", stderr(&got)));
        assert_eq!(record["topic"], topic);
    }
    assert_eq!(server.signal(rustix::process::Signal::INT), Some(130));
}

#[test]
fn the_sources_of_the_config_file_run_each_on_its_own_and_say_how_they_are() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("weir.toml");
    let sources = "[[source]]\nkind = 'sensor'\ntopic = 'numbers'\nrate = '50/s'\n\
        [[source]]\nkind = 'video'\ntopic = 'film'\nfile = 'there-is-no-such.mp4'\n";
    std::fs::write(&file, sources).unwrap();
    let server = Server::start(
        &[
            "--config",
            file.to_str().unwrap(),
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "127.0.0.1:0",
        ],
        &folder.path().join("data"),
    );
    let told = loop {
        let told: Value = serde_json::from_str(&server.get("sources")).unwrap();
        let state = |n: usize| told["sources"][n]["state"].as_str().unwrap().to_owned();
        if (state(0), state(1)) == ("running".to_owned(), "waiting".to_owned()) {
            break told;
        }
        std::thread::yield_now();
    };
    assert!(told["sources"][0]["records"].as_u64().unwrap() > 0);
    let note = told["sources"][1]["note"].as_str().unwrap();
    assert!(
        note.contains("there-is-no-such.mp4") && note.contains("starting again in"),
        "{note}"
    );
}

#[test]
#[cfg(unix)]
fn a_server_ends_in_order_at_sigterm_with_0() {
    let dir = TempDir::new().unwrap();
    let mut server = Server::broker(dir.path());
    assert_eq!(server.signal(rustix::process::Signal::TERM), Some(0));
}

#[test]
#[cfg(unix)]
fn a_data_folder_in_use_is_told_by_name() {
    let dir = TempDir::new().unwrap();
    let _server = Server::broker(dir.path());
    let output = run(&[
        "--data-dir",
        dir.path().to_str().unwrap(),
        "broker",
        "--kafka-listen",
        "127.0.0.1:0",
    ]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
}
