//! HTTP as the cases need it: a JSON answer, a status with its body, the events of a stream until one is what we wait
//! for. Every call has a deadline.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE * 2))
        .timeout_recv_response(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Status, content type and body (at most 4 MB).
pub fn get(url: &str) -> Result<(u16, String, String)> {
    let mut answer = agent()
        .get(url)
        .call()
        .with_context(|| format!("asking for {url}"))?;
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let text = answer
        .body_mut()
        .with_config()
        .limit(4 << 20)
        .read_to_string()?;
    Ok((status, kind, text))
}

/// The status that a PUT without a body is answered with.
pub fn put(url: &str) -> Result<u16> {
    let answer = agent()
        .put(url)
        .send_empty()
        .with_context(|| format!("putting {url}"))?;
    Ok(answer.status().as_u16())
}

/// The JSON a route answers with 200.
pub fn json(url: &str) -> Result<Value> {
    let (status, _, text) = get(url)?;
    ensure!(
        status == 200,
        "{url} answered {status}: {}",
        text.chars().take(300).collect::<String>()
    );
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{url} answered no JSON: {}",
            text.chars().take(300).collect::<String>()
        )
    })
}

/// Reads server-sent events and gives each one's data to `enough` until that is true.
pub fn events(url: &str, mut enough: impl FnMut(&Value) -> bool) -> Result<()> {
    let answer = agent()
        .get(url)
        .header("accept", "text/event-stream")
        .call()
        .with_context(|| format!("asking for {url}"))?;
    let status = answer.status().as_u16();
    ensure!(status == 200, "{url} answered {status}");
    let mut lines = BufReader::new(answer.into_body().into_reader());
    let started = Instant::now();
    let mut seen = 0;
    let mut line = String::new();
    while started.elapsed() < PATIENCE {
        line.clear();
        if lines
            .read_line(&mut line)
            .with_context(|| format!("{url} after {seen} events"))?
            == 0
        {
            bail!("{url} ended after {seen} events, and what we waited for was not among them");
        }
        if let Some(data) = line.strip_prefix("data:") {
            seen += 1;
            let value = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
            if enough(&value) {
                return Ok(());
            }
        }
    }
    bail!(
        "{url}: {seen} events within {} s, and what we waited for was not among them",
        PATIENCE.as_secs()
    )
}

/// Status, content type and the first bytes of an answer that need not end.
pub fn beginning(url: &str, len_bytes: u64) -> Result<(u16, String, Vec<u8>)> {
    let answer = agent()
        .get(url)
        .call()
        .with_context(|| format!("asking for {url}"))?;
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut bytes = Vec::new();
    answer
        .into_body()
        .into_reader()
        .take(len_bytes)
        .read_to_end(&mut bytes)?;
    Ok((status, kind, bytes))
}
