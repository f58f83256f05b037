//! Who this broker is: `meta.properties` in the data folder, in the form Kafka gives it.

use std::io;
use std::path::Path;

use uuid::Uuid;
use weir_base::fs::Fs;

use crate::files;

/// The cluster's id, made and kept if there is none; fails if the folder belongs to another node.
pub(crate) fn cluster_id(fs: &dyn Fs, data_dir: &Path, node_id: i32) -> io::Result<String> {
    let path = data_dir.join("meta.properties");
    if let Some(bytes) = files::read(fs, &path)? {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let property = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        if let Some(owner) = property("node.id").filter(|owner| *owner != node_id.to_string()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} says that the folder is of node {owner}, this is node {node_id}: set node.id={owner} or use another data folder",
                    path.display()
                ),
            ));
        }
        return property("cluster.id").ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} has no line cluster.id=…", path.display()),
            )
        });
    }
    let cluster_id = base64_url(Uuid::new_v4().as_bytes());
    let text = format!(
        "version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={}\n",
        base64_url(Uuid::new_v4().as_bytes())
    );
    files::replace(fs, &path, text.as_bytes())?;
    Ok(cluster_id)
}

/// The text Kafka gives an id: base 64 of its bytes, for URLs, without padding (RFC 4648 §5).
fn base64_url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..=chunk.len() {
            let letter = bits >> (18 - 6 * place) & 63;
            text.push(char::from(LETTERS.get(letter).copied().unwrap_or(b'A')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        assert_eq!(base64_url(&[0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(base64_url(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
        assert_eq!(base64_url(&[0xff; 16]), "_____________________w");
    }
}
