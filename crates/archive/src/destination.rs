//! Where to archive to: `file:///DIR`, `s3://BUCKET/PREFIX`, `hdfs://HOST:PORT/DIR`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use weir_base::fs::{Fs, RealFs};

use crate::ArchiveError;
use crate::store::{Folder, Hdfs, S3, Store, StoreError};

/// A place for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A folder on a disk.
    Folder(PathBuf),
    /// A folder in a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The folder; empty: the bucket itself.
        prefix: String,
    },
    /// A folder in HDFS.
    Hdfs {
        /// The NameNode's host, or a service that Hadoop's configuration names.
        host: String,
        /// Its RPC port.
        port: Option<u16>,
        /// The folder.
        folder: String,
    },
}

impl FromStr for Destination {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        let bad = |why: &str| ArchiveError::BadDestination {
            given: text.to_owned(),
            why: why.to_owned(),
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("that is no address"))?;
        if rest.contains("/../") || rest.ends_with("/..") {
            return Err(bad("`..` is none of an address"));
        }
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            "file" => match rest.strip_prefix("localhost").unwrap_or(rest) {
                path if path.starts_with('/') => Ok(Self::Folder(PathBuf::from(path))),
                _ => Err(bad(
                    "a file's address has three slashes and the folder's whole path",
                )),
            },
            "s3" | "s3a" if !place.is_empty() => Ok(Self::S3 {
                bucket: place.to_owned(),
                prefix: path.to_owned(),
            }),
            "hdfs" if !place.is_empty() => {
                let (host, port) = match place.rsplit_once(':') {
                    None => (place, None),
                    Some((host, port)) => {
                        let port = port.parse().map_err(|_| bad("its port is no number"))?;
                        (host, Some(port))
                    }
                };
                Ok(Self::Hdfs {
                    host: host.to_owned(),
                    port,
                    folder: path.to_owned(),
                })
            }
            "s3" | "s3a" => Err(bad("the bucket is missing")),
            "hdfs" => Err(bad("the NameNode's address is missing")),
            "http" | "https" | "webhdfs" => Err(bad(
                "HDFS is written through its RPC port, and S3's address is --store-option aws_endpoint=…",
            )),
            _ => Err(bad("that is no kind of store known here")),
        }
    }
}

impl Destination {
    /// The store, after a look whether it can be written to. What keeps it waiting is told to `note`.
    pub async fn open(
        &self,
        options: &BTreeMap<String, String>,
        note: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<dyn Store>, ArchiveError> {
        match self {
            Self::Folder(path) => {
                if let Some(name) = options.keys().next() {
                    return Err(StoreError::Remedy(format!(
                        "--store-option {name}: a folder on a disk has no options"
                    ))
                    .into());
                }
                let fs: Arc<dyn Fs> = Arc::new(RealFs);
                let folder = Folder::new(fs, path);
                folder.check().await?;
                Ok(Arc::new(folder))
            }
            Self::S3 { bucket, prefix } => {
                let s3 = S3::new(bucket, prefix, options)?;
                s3.check().await?;
                Ok(Arc::new(s3))
            }
            Self::Hdfs { host, port, folder } => {
                let hdfs = Hdfs::new(host, *port, folder, options)?;
                hdfs.check(note).await?;
                Ok(Arc::new(hdfs))
            }
        }
    }

    /// Whether it is in S3, whose options the environment names `AWS_…`.
    pub fn is_s3(&self) -> bool {
        matches!(self, Self::S3 { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_address_is_read() {
        let hdfs = |host: &str, port, folder: &str| Destination::Hdfs {
            host: host.to_owned(),
            port,
            folder: folder.to_owned(),
        };
        let s3 = |bucket: &str, prefix: &str| Destination::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (text, want) in [
            ("file:///srv/a b", Destination::Folder("/srv/a b".into())),
            ("file://localhost/srv", Destination::Folder("/srv".into())),
            (
                "hdfs://nn:9000/user/data",
                hdfs("nn", Some(9000), "user/data"),
            ),
            ("hdfs://nn", hdfs("nn", None, "")),
            ("s3://b/p/q", s3("b", "p/q")),
            ("s3://b", s3("b", "")),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_those_that_are() {
        for text in [
            "",
            "/srv/archive",
            "file://srv/archive",
            "hdfs:///data",
            "hdfs://nn:port/data",
            "s3:///x",
            "http://nn:9870/data",
            "ftp://x",
            "file:///srv/../etc",
        ] {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
            assert!(error.contains("hdfs://HOST:PORT/DIR"), "{error}");
        }
    }
}
