//! A broker and nothing else: `cargo run -p weir-broker --example broker -- 127.0.0.1:9092 /tmp/data [name=value …]`.

use std::net::SocketAddr;
use std::sync::Arc;

use weir_base::fs::RealFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, Settings};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: broker ADDRESS:PORT DATA-FOLDER [name=value …]";
    let listen: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let data_dir = arguments.next().ok_or(usage)?.into();
    let given = arguments
        .map(|argument| match argument.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(usage),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let config = BrokerConfig {
        data_dir,
        listen,
        settings: Settings::parse(given)?,
    };
    let broker = weir_broker::start(config, Arc::new(RealFs), Arc::new(SystemClock::new())).await?;
    println!("listening at {}", broker.addr());
    tokio::select! {
        error = broker.failed() => return Err(error.into()),
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    broker.shutdown().await;
    Ok(())
}
