//! bench.

use std::path::Path;

use anyhow::Result;

use crate::workspace::Workspace;

pub fn run(_: &Workspace, _: Option<&Path>, _: &[String], _: bool) -> Result<()> {
    anyhow::bail!("not written yet")
}
