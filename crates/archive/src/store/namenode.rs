//! Who answers at the address given for HDFS.
//!
//! Most who cannot write to HDFS have given the port of the NameNode's web pages (9870) in place of its RPC port. Both can be told apart by
//! an HTTP request: the RPC port answers it with a sentence of its own (`org.apache.hadoop.ipc.Server`), and the web port knows under
//! which port the other listens.

use std::time::Duration;

use serde_json::Value;

use super::StoreError;

/// How long a connection and an answer may take.
const CONNECT: Duration = Duration::from_millis(1500);
const ANSWER: Duration = Duration::from_secs(2);

/// Passes where a NameNode takes calls at `host` and `port`, and says what else is there if not.
pub(super) async fn look(host: &str, port: u16, folder: &str) -> Result<(), StoreError> {
    let address = format!("{host}:{port}");
    let remedy = |text: String| Err(StoreError::Remedy(text));
    let client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .build();
    let Ok(client) = client else { return Ok(()) };
    let asked = client
        .get(format!(
            "http://{address}/jmx?qry=Hadoop:service=NameNode,name=*"
        ))
        .send();
    let answer = match asked.await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(error) if error.is_connect() => {
            return remedy(unreachable(&address, &error));
        }
        Err(error) if error.is_timeout() => {
            return remedy(format!(
                "{address} accepts connections but does not answer; is that the NameNode's RPC port? It is in fs.defaultFS of its core-site.xml"
            ));
        }
        // It answered with something that is no HTTP: not what a NameNode does.
        Err(_) => {
            return remedy(format!(
                "what listens at {address} is no NameNode; its RPC port is in fs.defaultFS of its core-site.xml"
            ));
        }
    };
    match who(&answer) {
        Who::Rpc => Ok(()),
        Who::Web(Some(rpc)) => remedy(format!(
            "{address} is the port of the NameNode's web pages; files go through its RPC port: --to hdfs://{host}:{rpc}{folder}"
        )),
        Who::Web(None) => remedy(format!(
            "{address} is the port of the NameNode's web pages; files go through its RPC port, which is in fs.defaultFS of its core-site.xml (often 8020 or 9000)"
        )),
        Who::Other => remedy(format!(
            "what listens at {address} speaks HTTP and is no NameNode; the NameNode's RPC port is in fs.defaultFS of its core-site.xml (often 8020 or 9000)"
        )),
    }
}

fn unreachable(address: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!(
            "{address} cannot be reached from here: a connection is neither made nor refused; check the address (fs.defaultFS of the NameNode's core-site.xml) and whether a firewall is in between"
        );
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let why = inner.to_string();
    if why.contains("lookup") || why.contains("resolve") {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        return format!(
            "there is no host {host:?} ({why}); check the name, or use the NameNode's IP address"
        );
    }
    format!(
        "nobody listens at {address} ({why}); start HDFS (start-dfs.sh), or check the NameNode's address: it is in fs.defaultFS of its core-site.xml"
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Who {
    /// A NameNode's RPC port, or that of another Hadoop daemon.
    Rpc,
    /// A NameNode's web port, and its RPC port.
    Web(Option<u16>),
    /// Something else.
    Other,
}

fn who(answer: &str) -> Who {
    if answer.contains("Hadoop IPC port") {
        return Who::Rpc;
    }
    let beans = serde_json::from_str::<Value>(answer).ok();
    let beans = beans
        .as_ref()
        .and_then(|answer| answer.get("beans")?.as_array());
    let names: Vec<&str> = beans
        .into_iter()
        .flatten()
        .filter_map(|bean| bean.get("name")?.as_str())
        .collect();
    if !names.iter().any(|name| name.contains("service=NameNode")) {
        return Who::Other;
    }
    Who::Web(names.iter().find_map(|name| {
        let (_, port) = name.split_once("name=RpcActivityForPort")?;
        port.parse().ok()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namenodes_two_ports_are_told_apart_and_the_web_port_knows_the_other() {
        let rpc = "It looks like you are making an HTTP request to a Hadoop IPC port. This is not the correct port for the web interface on this daemon.\r\n";
        assert_eq!(who(rpc), Who::Rpc);
        let web = r#"{"beans":[{"name":"Hadoop:service=NameNode,name=FSNamesystem"},{"name":"Hadoop:service=NameNode,name=RpcActivityForPort9000"}]}"#;
        assert_eq!(who(web), Who::Web(Some(9000)));
        let bare = r#"{"beans":[{"name":"Hadoop:service=NameNode,name=FSNamesystem"}]}"#;
        assert_eq!(who(bare), Who::Web(None));
        for other in ["", "{}", "{\"beans\":[]}", "{\"beans\":[{}]}", "<html>"] {
            assert_eq!(who(other), Who::Other, "{other}");
        }
    }
}
