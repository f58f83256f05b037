//! S3 as moto has it: a server on a loopback port with one bucket, in memory. It can be frozen; killed it would forget.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::http;
use crate::install::python;
use crate::process::{Running, free_port, local, run};
use crate::workspace::Workspace;

const DEADLINE: Duration = Duration::from_mins(2);
const BUCKET: &str = "live";

/// A running server.
pub(crate) struct S3 {
    /// The process, to freeze it.
    pub running: Running,
    address: SocketAddr,
    python: std::path::PathBuf,
    fetch: std::path::PathBuf,
}

impl S3 {
    /// Starts it and makes the bucket.
    pub fn start(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let python = python(workspace, "archive")?;
        let address = local(free_port()?);
        let mut command = Command::new(python.with_file_name("moto_server"));
        command
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .env("PYTHONWARNINGS", "ignore");
        let mut running = Running::start("moto", &mut command, folder)?;
        running.until_it_listens(address, DEADLINE)?;
        let status = http::put(&format!("http://{address}/{BUCKET}"))?;
        ensure!(status == 200, "making the bucket was answered {status}");
        Ok(Self {
            running,
            address,
            python,
            fetch: workspace.path("interop/python/s3_get.py"),
        })
    }

    /// A folder in the bucket as its users write it.
    pub fn url(prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What a client needs to know to find it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Copies what is under a prefix beside us.
    pub fn fetch(&self, prefix: &str, to: &Path) -> Result<()> {
        run(
            Command::new(&self.python)
                .arg(&self.fetch)
                .args([&format!("http://{}", self.address), BUCKET, prefix])
                .arg(to),
            b"",
            DEADLINE,
        )
        .map(drop)
    }
}
