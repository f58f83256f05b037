//! Why an address cannot be listened at, as a sentence that names the option and what to write instead.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

/// The refusal of `addr`, which `option` gave.
pub fn refusal(option: &str, addr: SocketAddr, error: &Error) -> anyhow::Error {
    let (ip, port) = (addr.ip(), addr.port());
    match error.kind() {
        ErrorKind::AddrInUse => {
            let other = SocketAddr::new(ip, port.checked_add(1).unwrap_or(1024));
            anyhow::anyhow!(
                "port {port} at {ip} is in use: end the program that listens there, or choose another with {option} {other}"
            )
        }
        ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!(
                "{ip} is no address of this machine: choose one with {option}, such as 127.0.0.1:{port}"
            )
        }
        ErrorKind::PermissionDenied => {
            anyhow::anyhow!("port {port} needs privileges: choose one from 1024 up with {option}")
        }
        _ => anyhow::anyhow!("cannot listen at {addr} ({option}): {error}"),
    }
}
