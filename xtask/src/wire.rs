//! The little of Kafka's wire protocol that the tasks speak themselves: an `ApiVersions` request by hand, so that "it
//! answers" and "it still answers" need no client library, and raw bytes that no library would send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long an answer may take before it counts as none.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A frame: its length, then its bytes.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// A request header of version 1: API key, API version, correlation id, client id.
pub fn header(api_key: i16, version: i16, correlation: i32) -> Vec<u8> {
    let mut bytes = api_key.to_be_bytes().to_vec();
    bytes.extend(version.to_be_bytes());
    bytes.extend(correlation.to_be_bytes());
    bytes.extend(5i16.to_be_bytes());
    bytes.extend(b"xtask");
    bytes
}

/// Connects with our patience on reads and writes.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads one answer; its length is bounded before anything is allocated for it.
pub fn answer(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    stream
        .read_exact(&mut length)
        .context("reading an answer's length")?;
    let length = i32::from_be_bytes(length);
    if !(0..=1_000_000).contains(&length) {
        bail!("an answer of {length} bytes");
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).context("reading an answer")?;
    Ok(body)
}

/// True when the broker at the address answers `ApiVersions` version 0.
pub fn answers(address: SocketAddr) -> bool {
    let ask = || -> Result<()> {
        let mut stream = connect(address)?;
        stream.write_all(&frame(&header(18, 0, 7)))?;
        let body = answer(&mut stream)?;
        if body.get(..6) != Some(&[0, 0, 0, 7, 0, 0]) {
            bail!("not an ApiVersions answer: {:?}", body.get(..6));
        }
        Ok(())
    };
    ask().is_ok()
}
