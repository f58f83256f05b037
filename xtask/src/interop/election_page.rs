//! A browser in front of three Apache Kafkas while one of them dies: its pages say what happens, and the pictures go on by themselves.
//!
//! `crates/ui/e2e/interop/election.spec.ts` looks, and asks for what is to be done by a line that begins with `next:`; what it asked for
//! it then sees in the pages.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::failover::{SHORTENED, Three};
use super::{Case, Context};
use crate::process::{Running, free_port, local, run};
use crate::ui_test::playwright;

const DEADLINE: Duration = Duration::from_mins(2);
/// The browser has its own limits, and says what it waited for.
const BROWSER: Duration = Duration::from_mins(7);

/// A little longer, so that a busy machine too gets to look at it before another leads. The last of a name counts.
const SEEN: &str = "broker.session.timeout.ms=6000\n";

pub(super) const CASES: &[Case] = &[Case {
    name: "an election in the browser",
    what: "Chromium in front of Apache Kafka's three, the leader of what it plays killed -9: both pages say so, and it plays on by itself",
    run: watched,
}];

fn watched(context: &Context) -> Result<String> {
    let mut three = Three::start(context, &format!("{SHORTENED}{SEEN}"))?;
    let folder = context.folder("watched")?;
    let bootstrap = three.addresses();
    let weir = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &bootstrap]).args(arguments);
        command.current_dir(&folder);
        Ok(command)
    };
    let create = ["topic", "create", "cam", "--replication", "3", "--config"];
    run(weir(&create)?.arg("min.insync.replicas=2"), b"", DEADLINE)?;
    let publish = ["publish", "testcard", "--topic", "cam", "--size", "640x360"];
    let mut card = Running::start("card", &mut weir(&publish)?, &folder)?;
    let web = local(free_port()?);
    let mut serve = weir(&["serve", "--listen", &web.to_string()])?;
    let mut page = Running::start("page", &mut serve, &folder)?;
    page.until_it_listens(web, DEADLINE)?;

    let mut browser = playwright(context.workspace, &format!("http://{web}"))?;
    browser.arg("election").env("INTEROP", "yes");
    let mut browser = Running::start("browser", &mut browser, &folder)?;
    let broker = asked(&mut browser, "kill broker ")?;
    three.killed(broker)?;
    asked(&mut browser, "start broker ")?;
    three.back(broker)?;
    let printed = browser.output.clone();
    let seen = browser.wait(BROWSER);
    let seen = seen.inspect_err(|_| tell(&printed))?;
    card.still_runs()?;
    page.still_runs()?;
    let mut figures = seen
        .lines()
        .filter_map(|line| line.strip_prefix("figures: "));
    Ok(figures.next().context("the browser's figures")?.to_owned())
}

/// Waits until the browser's side asks for this; which broker it names, from 0 on.
fn asked(browser: &mut Running, what: &str) -> Result<usize> {
    let printed = browser.output.clone();
    let line = format!("next: {what}");
    let mut id = None;
    let came = browser.until(&line, BROWSER, || {
        let text = std::fs::read_to_string(&printed).unwrap_or_default();
        let mut named = text.lines().filter_map(|text| text.strip_prefix(&line));
        id = named.next().and_then(|id| id.parse::<usize>().ok());
        id.is_some()
    });
    came.inspect_err(|_| tell(&printed))?;
    id.and_then(|id| id.checked_sub(1))
        .context("brokers are numbered from 1 on")
}

/// All that the browser's side printed: a remark has room for its end alone.
fn tell(printed: &std::path::Path) {
    println!("{}", std::fs::read_to_string(printed).unwrap_or_default());
}
