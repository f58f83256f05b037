//! The page over settings, rights and brokers that are not as they should be: it says which, and goes on by itself once they are.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Context;
use super::secure::{ANN, Secured, certificates, login, shown};
use super::server::Weir;
use crate::http;
use crate::process::{Running, free_port, local};

const DEADLINE: Duration = Duration::from_mins(1);
const DORA: &str = "dora-password";

/// Each in turn; how many sentences they were.
pub(super) fn goes_on(context: &Context, kafka: &Secured, topic: &str) -> Result<usize> {
    let mut sentences = login_and_rights(context, kafka, topic).context("login and rights")?;
    sentences += certificate(context, kafka).context("a certificate that is not known")?;
    sentences += nobody(context).context("an address where nobody listens")?;
    Ok(sentences)
}

/// `weir serve` over somebody's settings.
struct Page {
    running: Running,
    web: SocketAddr,
}

impl Page {
    fn start(
        context: &Context,
        name: &str,
        kafka: SocketAddr,
        properties: &[String],
    ) -> Result<Self> {
        let folder = context.folder(name)?;
        let web = local(free_port()?);
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &kafka.to_string()]);
        for property in properties {
            command.args(["-X", property]);
        }
        command
            .args(["serve", "--listen", &web.to_string()])
            .current_dir(&folder);
        let mut running = Running::start(name, &mut command, &folder)?;
        running.until_it_listens(web, DEADLINE)?;
        Ok(Self { running, web })
    }

    /// Waits until what it answers at `path` is as wanted.
    fn until(&mut self, what: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let url = format!("http://{}{path}", self.web);
        let mut last = Value::Null;
        let came = self.running.until(what, DEADLINE, || {
            last = http::json(&url).unwrap_or_default();
            wanted(&last)
        });
        came.with_context(|| format!("{path} is {last}"))?;
        Ok(())
    }

    /// Waits until the banner says this of Kafka.
    fn until_it_says(&mut self, parts: &[&str]) -> Result<()> {
        self.until("the page to say why", "/overview", |overview| {
            let why = overview["kafka"]["why"].as_str().unwrap_or_default();
            parts.iter().all(|part| why.contains(part))
        })
    }

    fn until_it_is_connected(&mut self) -> Result<()> {
        self.until("the page to go on", "/overview", |overview| {
            overview["kafka"]["state"] == "connected"
        })
    }

    /// A refusal of Kafka's, as the page's parts get it.
    fn is_denied(&self, path: &str, topic: &str) -> Result<()> {
        let (status, _, body) = http::get(&format!("http://{}{path}", self.web))?;
        ensure!(
            status == 403
                && [topic, "not allowed", "kafka-acls"]
                    .iter()
                    .all(|part| body.contains(part)),
            "GET {path} answered {status}: {body}"
        );
        Ok(())
    }
}

/// A user who is not known yet, then may see nothing, then may read, then may ask for the controller.
fn login_and_rights(context: &Context, kafka: &Secured, topic: &str) -> Result<usize> {
    let mut properties = vec!["security.protocol=SASL_PLAINTEXT".to_owned()];
    properties.extend(login("SCRAM-SHA-512", "dora", DORA));
    let mut page = Page::start(context, "page-login", kafka.login, &properties)?;
    page.until_it_says(&["refused the login", "sasl.password"])?;
    kafka.add(context, "dora", DORA)?;
    page.until_it_is_connected()?;

    for path in ["", "/records", "/latest"] {
        page.is_denied(&format!("/topics/{topic}{path}"), topic)?;
    }
    kafka.allow(context, "dora", "Read", &["--topic", topic])?;
    let web = page.web;
    page.running.until("the topic on the page", DEADLINE, || {
        shown(web, topic).is_ok()
    })?;
    page.until("the topic in the list", "/overview", |overview| {
        let mut topics = overview["topics"].as_array().into_iter().flatten();
        topics.any(|listed| listed["name"] == topic)
    })?;

    page.until(
        "that the controller may not be asked for",
        "/cluster",
        |now| {
            let note = now["controller_note"].as_str().unwrap_or_default();
            note.contains("kafka-acls")
        },
    )?;
    kafka.allow(context, "dora", "Describe", &["--cluster"])?;
    page.until("the controller", "/cluster", |now| {
        now["controller"] == 1 && now["controller_note"].is_null()
    })?;
    ensure!(
        !page.running.printed().contains(DORA),
        "the password is in what weir printed"
    );
    Ok(3)
}

/// A broker whose certificate is by an authority that this page does not know, until it shows another.
fn certificate(context: &Context, kafka: &Secured) -> Result<usize> {
    let folder = context.folder("another-authority")?;
    let authority = certificates(context, &folder)?;
    let mut properties = vec![
        "security.protocol=SASL_SSL".to_owned(),
        format!("ssl.ca.location={}", authority.display()),
    ];
    properties.extend(login("PLAIN", "ann", ANN));
    let mut page = Page::start(context, "page-certificate", kafka.tls, &properties)?;
    page.until_it_says(&["certificate", "ssl.ca.location"])?;
    kafka.show(context, &folder)?;
    page.until_it_is_connected()?;
    page.until("the controller", "/cluster", |now| now["controller"] == 1)?;
    Ok(1)
}

/// Nobody is there yet.
fn nobody(context: &Context) -> Result<usize> {
    let port = free_port()?;
    let mut page = Page::start(context, "page-nobody", local(port), &[])?;
    page.until_it_says(&["nobody listens", "--bootstrap"])?;
    let broker = Weir::broker(context.weir()?, &context.folder("broker")?, port, &[])?;
    page.until_it_is_connected()?;
    let (status, _) = broker.end()?;
    ensure!(status.success(), "weir broker ended with {status}");
    Ok(1)
}
