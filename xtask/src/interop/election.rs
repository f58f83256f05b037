//! Three Apache Kafkas, and what weir says while one of them dies: `GET /cluster` tells it as it happens, and who writes to a topic that
//! wants all three in sync is told so at once and goes on by himself. The settings are those of docs/cluster.md.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::failover::{SHORTENED, Three};
use super::{Case, Context};
use crate::http;
use crate::process::{Running, free_port, local, run};

const DEADLINE: Duration = Duration::from_mins(2);

pub(super) const CASES: &[Case] = &[Case {
    name: "an election",
    what: "Apache Kafka's three: GET /cluster tells of a leader killed -9, its successor and its return; too few in sync is said at once",
    run: election,
}];

fn election(context: &Context) -> Result<String> {
    // The last of a name counts: as Kafka comes, so that there is time to see that the broker is silent before it is gone.
    let settings = format!("{SHORTENED}broker.session.timeout.ms=9000\n");
    let mut three = Three::start(context, &settings)?;
    let folder = context.folder("election")?;
    let bootstrap = three.addresses();
    let weir = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &bootstrap]).args(arguments);
        command.current_dir(&folder);
        Ok(command)
    };
    for (topic, min_in_sync) in [("watched", "2"), ("strict", "3")] {
        let setting = format!("min.insync.replicas={min_in_sync}");
        let create = ["topic", "create", topic, "--replication", "3", "--config"];
        run(weir(&create)?.arg(setting), b"", DEADLINE)?;
    }
    let web = local(free_port()?);
    let mut serve = weir(&["serve", "--listen", &web.to_string()])?;
    let mut page = Running::start("page", &mut serve, &folder)?;
    page.until_it_listens(web, DEADLINE)?;
    let cluster = format!("http://{web}/cluster");
    page.until("a cluster all in sync", DEADLINE, || {
        http::json(&cluster).is_ok_and(|now| is_whole(&now))
    })?;

    let leader = three.leader("watched")?;
    let id = leader as u64 + 1;
    three.killed(leader)?;
    let killed = Instant::now();
    let mut silent = Duration::ZERO;
    http::events(&cluster, |now| {
        if happened(now, "broker_silent", "broker", id) && silent.is_zero() {
            silent = killed.elapsed();
        }
        happened(now, "broker_gone", "broker", id) && moved(now, "watched", id)
    })
    .context("the leader's death on /cluster")?;
    let elected = killed.elapsed();
    ensure!(!silent.is_zero(), "that it was silent first was not told");

    let mut writer = Command::new("sh");
    writer
        .args(["-c", "echo one | exec \"$0\" \"$@\""])
        .arg(context.weir()?)
        .args(["--bootstrap", &bootstrap, "produce", "strict"]);
    let mut writer = Running::start("writer", &mut writer, &folder)?;
    let said = ["\"strict\"", "min.insync.replicas=3", "start the brokers"];
    let mut printed = String::new();
    page.until("produce says what it waits for", DEADLINE, || {
        printed = writer.printed();
        said.iter().all(|part| printed.contains(part))
    })
    .with_context(|| format!("it printed {:?}", writer.printed()))?;
    writer.still_runs()?;
    for path in ["ingest/strict", "topics/strict"] {
        let (status, body) = post(&format!("http://{web}/{path}"))?;
        ensure!(
            status == 503
                && said
                    .iter()
                    .all(|part| body.contains(&part.replace('"', "\\\""))),
            "POST {path} answered {status}: {body}"
        );
    }

    three.back(leader)?;
    page.until("everything in sync again", DEADLINE, || {
        http::json(&cluster).is_ok_and(|now| {
            is_whole(&now)
                && happened(&now, "broker_back", "broker", id)
                && happened(&now, "in_sync", "broker", id)
        })
    })?;
    writer.wait(DEADLINE).context("the writer goes on")?;
    let read = ["consume", "strict", "--from", "beginning", "--count", "1"];
    let read = run(&mut weir(&read)?, b"", DEADLINE)?.text();
    ensure!(read == "one\n", "the first record is {read:?}");
    let (status, body) = post(&format!("http://{web}/ingest/strict"))?;
    ensure!(status == 204, "after its return: {status}: {body}");
    Ok(format!(
        "silent after {:.1} s, another led after {:.1} s; too few in sync said by produce and both POSTs",
        silent.as_secs_f64(),
        elected.as_secs_f64()
    ))
}

/// All brokers up, every partition in sync, what is required known.
fn is_whole(now: &Value) -> bool {
    let brokers = now["brokers"].as_array().map_or(0, |brokers| {
        brokers.iter().filter(|b| b["state"] == "up").count()
    });
    let mut topics = now["topics"].as_array().into_iter().flatten();
    brokers == 3
        && now["controller"].is_u64()
        && now["partitions"]["under_replicated"] == 0
        && now["partitions"]["leaderless"] == 0
        && topics.any(|topic| topic["topic"] == "strict" && topic["min_in_sync"] == 3)
}

fn happened(now: &Value, kind: &str, field: &str, value: u64) -> bool {
    let mut events = now["events"].as_array().into_iter().flatten();
    events.any(|event| event["what"]["kind"] == kind && event["what"][field] == value)
}

/// Another broker leads the topic, and the page says so.
fn moved(now: &Value, topic: &str, from: u64) -> bool {
    let mut events = now["events"].as_array().into_iter().flatten();
    let told = events.any(|event| {
        let what = &event["what"];
        what["kind"] == "leader" && what["topic"] == topic && what["to"].is_u64()
    });
    let mut topics = now["topics"].as_array().into_iter().flatten();
    let leader = topics
        .find(|found| found["topic"] == topic)
        .and_then(|found| found["partitions"][0]["leader"].as_u64());
    told && leader.is_some_and(|leader| leader != from)
}

/// A record to be taken: status and body.
fn post(url: &str) -> Result<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(40)))
        .build()
        .into();
    let kind = if url.contains("/ingest/") {
        "application/json"
    } else {
        "application/vnd.kafka.json.v2+json"
    };
    let mut answer = agent
        .post(url)
        .header("content-type", kind)
        .send(r#"{"records":[{"value":1}]}"#)?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_to_string()?))
}
