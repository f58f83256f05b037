//! A bucket: `s3://BUCKET/PREFIX`, at Amazon or anything that speaks S3.
//!
//! A small file is made with `If-None-Match: *`, of which S3 says that one of several succeeds. A name is given by a copy within the
//! store and the removal of the old name. Large files are sent in parts, and are there when the last part is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
    WriteMultipart,
};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Entry, Store, StoreError, Writer};

/// Parts of a file that is sent before its end is known; S3 wants 5 MiB at least, and 10,000 at most.
const PART_BYTES: usize = 16 << 20;
/// Parts under way at once.
const PARTS: usize = 2;
/// How long a connection may take to be made, and a request to be answered.
const CONNECT: Duration = Duration::from_secs(3);
const REQUEST: Duration = Duration::from_secs(30);
/// How long the look at the start may take in all, but for removing its object again, and that.
const LOOK: Duration = Duration::from_secs(4);
const TIDY: Duration = Duration::from_millis(500);

/// A bucket, or a folder in it.
#[derive(Clone)]
pub struct S3 {
    store: Arc<dyn ObjectStore>,
    bucket: String,
    prefix: Path,
    endpoint: String,
}

impl S3 {
    /// Whether there is an option `aws_…` of this name, in small letters.
    pub fn knows_option(name: &str) -> bool {
        name.starts_with("aws_") && name.parse::<AmazonS3ConfigKey>().is_ok()
    }

    /// The folder `prefix` of `bucket`, with options by `object_store`'s names (`aws_endpoint`, `aws_access_key_id`, …).
    pub fn new(
        bucket: &str,
        prefix: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, StoreError> {
        let remedy = |text: String| StoreError::Remedy(text);
        let mut builder = AmazonS3Builder::new();
        let mut endpoint = None;
        for (name, value) in options {
            let key: AmazonS3ConfigKey = name.to_lowercase().parse().map_err(|_| {
                remedy(format!(
                    "--store-option {name}: S3 has no option of this name; there are aws_endpoint, aws_region, aws_access_key_id, aws_secret_access_key, aws_session_token, aws_allow_http, aws_virtual_hosted_style_request and others of object_store's"
                ))
            })?;
            if key == AmazonS3ConfigKey::Endpoint {
                endpoint = Some(value.trim_end_matches('/').to_owned());
            }
            builder = builder.with_config(key, value);
        }
        if let Some(endpoint) = &endpoint
            && let Some(rest) = endpoint.strip_prefix("http://")
        {
            if is_loopback(rest) {
                builder = builder.with_allow_http(true);
            } else if !options
                .iter()
                .any(|(name, value)| name.eq_ignore_ascii_case("aws_allow_http") && value == "true")
            {
                return Err(remedy(format!(
                    "{endpoint} is not encrypted: use https://, or allow it with --store-option aws_allow_http=true"
                )));
            }
        }
        let given = |key| builder.get_config_value(&key).is_some();
        if given(AmazonS3ConfigKey::AccessKeyId) != given(AmazonS3ConfigKey::SecretAccessKey) {
            return Err(remedy(
                "S3 needs both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and one of them is missing".to_owned(),
            ));
        }
        // `with_client_options` sets all of them.
        let allow_http = builder
            .get_config_value(&AmazonS3ConfigKey::Client(
                object_store::ClientConfigKey::AllowHttp,
            ))
            .is_some_and(|value| value == "true");
        let store = builder
            .with_bucket_name(bucket)
            .with_client_options(
                ClientOptions::new()
                    .with_allow_http(allow_http)
                    .with_connect_timeout(CONNECT)
                    .with_timeout(REQUEST),
            )
            .with_retry(RetryConfig {
                max_retries: 2,
                retry_timeout: CONNECT,
                ..RetryConfig::default()
            })
            .build()
            .map_err(|error| remedy(format!("s3://{bucket}: {}", words(&error))))?;
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| {
            remedy(format!(
                "s3://{bucket}/{prefix} cannot name a folder: {error}"
            ))
        })?;
        Ok(Self {
            store: Arc::new(store),
            bucket: bucket.to_owned(),
            prefix,
            endpoint: endpoint.unwrap_or_else(|| "Amazon S3".to_owned()),
        })
    }

    /// Whether the bucket can be written to, or what is in the way.
    pub async fn check(&self) -> Result<(), StoreError> {
        let probe = format!("_weir-probe-{}", Uuid::new_v4().simple());
        let probe = self.path(&probe);
        let put = |content: &'static str| {
            self.store
                .put_opts(&probe, content.into(), PutMode::Create.into())
        };
        let until = Instant::now() + LOOK;
        let silent = || {
            StoreError::Remedy(format!(
                "{} does not answer; check the network and aws_endpoint (and the credentials: without AWS_ACCESS_KEY_ID those of the machine are asked for)",
                self.endpoint
            ))
        };
        let first = timeout_at(until, put("probe")).await;
        first
            .map_err(|_| silent())?
            .map_err(|error| self.remedy(&error))?;
        let second = timeout_at(until, put("again")).await;
        let deleted = timeout_at(until + TIDY, self.store.delete(&probe)).await;
        let second = second.map_err(|_| silent())?;
        if !matches!(
            second,
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. })
        ) {
            return Err(StoreError::Remedy(format!(
                "{} does not keep to If-None-Match, by which S3 makes an object only once (Amazon does since 2024, MinIO too): two archives at once could keep records twice; use a newer version of it",
                self.endpoint
            )));
        }
        match deleted {
            Ok(Err(error)) => Err(self.remedy(&error)),
            _ => Ok(()),
        }
    }

    fn remedy(&self, error: &Error) -> StoreError {
        let (bucket, said) = (&self.bucket, words(error));
        let has = |word: &str| said.contains(word);
        StoreError::Remedy(if has("NoSuchBucket") {
            format!(
                "{} has no bucket {bucket:?}: make it (aws s3 mb s3://{bucket}), or name another with --to",
                self.endpoint
            )
        } else if has("InvalidAccessKeyId")
            || has("SignatureDoesNotMatch")
            || has("InvalidToken")
            || has("ExpiredToken")
        {
            format!(
                "{} does not accept the credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
                self.endpoint
            )
        } else if has("169.254.169.254") {
            "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give them as --store-option aws_access_key_id=…".to_owned()
        } else if matches!(
            error,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
        ) || has("AccessDenied")
        {
            format!(
                "these credentials may not write to s3://{bucket}/{}: they need s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket there",
                self.prefix
            )
        } else if has("PermanentRedirect") || has("AuthorizationHeaderMalformed") || has("redirect")
        {
            format!("bucket {bucket:?} is in another region: name it with AWS_REGION ({said})")
        } else if ["error sending request", "connect", "refused", "dns"]
            .iter()
            .any(|word| said.contains(word))
        {
            format!(
                "nobody answers at {}: start it, or check aws_endpoint ({said})",
                self.endpoint
            )
        } else {
            format!("cannot write to s3://{bucket}/{}: {said}", self.prefix)
        })
    }

    fn path(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), Path::join)
    }

    fn failed(&self, what: &'static str, path: &str, error: &Error) -> StoreError {
        StoreError::Failed {
            what,
            url: self.url(path),
            why: words(error),
        }
    }
}

/// The innermost of an error's reasons, in one line.
fn words(error: &Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    let mut said = vec![error.to_string()];
    while let Some(source) = inner.source() {
        said.push(source.to_string());
        inner = source;
    }
    // What S3 itself said, in XML.
    for text in &said {
        if let Some(code) = between(text, "<Code>", "</Code>") {
            let message = between(text, "<Message>", "</Message>").unwrap_or_default();
            return format!("{code} {message}").trim_end().to_owned();
        }
    }
    let address = said.iter().any(|text| text.contains("169.254.169.254"));
    let last = said.pop().unwrap_or_default();
    let last = last.split_whitespace().collect::<Vec<_>>().join(" ");
    match (address, inner.to_string().contains("169.254.169.254")) {
        (true, false) => format!("169.254.169.254: {last}"),
        _ => last,
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inner, _)| inner)
}

fn is_loopback(address: &str) -> bool {
    let host = address.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost" || host.starts_with("127.") || host == "[::1]"
}

#[async_trait]
impl Store for S3 {
    async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let path = self.path(folder);
        let found = self.store.list_with_delimiter(Some(&path)).await;
        let found = found.map_err(|error| self.failed("list", folder, &error))?;
        let entry = |path: &Path, folder| {
            Some(Entry {
                name: path.filename()?.to_owned(),
                folder,
            })
        };
        let files = found.objects.iter();
        let files = files.filter_map(|object| entry(&object.location, false));
        let folders = found.common_prefixes.iter();
        Ok(files
            .chain(folders.filter_map(|path| entry(path, true)))
            .collect())
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let read = async { self.store.get(&self.path(path)).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", path, &error)),
        }
    }

    async fn create(&self, path: &str, content: Bytes) -> Result<bool, StoreError> {
        let made = self
            .store
            .put_opts(&self.path(path), content.into(), PutMode::Create.into())
            .await;
        match made {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed("create", path, &error)),
        }
    }

    async fn write(&self, path: &str) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(S3Writer {
            store: self.clone(),
            path: path.to_owned(),
            waiting: Vec::new(),
            upload: None,
        }))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        match self.store.copy(&self.path(from), &self.path(to)).await {
            Ok(()) => {}
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.failed("rename", from, &error)),
        }
        self.delete(from).await?;
        Ok(true)
    }

    async fn len(&self, path: &str) -> Result<Option<u64>, StoreError> {
        match self.store.head(&self.path(path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", path, &error)),
        }
    }

    async fn append(&self, _from: &str, to: &str, _at: u64) -> Result<bool, StoreError> {
        Err(StoreError::Remedy(format!(
            "{} cannot be appended to: a file in S3 is written once, whole",
            self.url(to)
        )))
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", path, &error)),
        }
    }

    fn piece_bytes(&self) -> usize {
        PART_BYTES
    }

    fn url(&self, path: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.path(path))
    }
}

struct S3Writer {
    store: S3,
    path: String,
    /// The first piece, while it may be the only one.
    waiting: Vec<Bytes>,
    upload: Option<WriteMultipart>,
}

impl S3Writer {
    async fn send(&mut self, bytes: Bytes) -> Result<(), Error> {
        let upload = if let Some(upload) = &mut self.upload {
            upload
        } else {
            let path = self.store.path(&self.path);
            let upload = self.store.store.put_multipart(&path).await?;
            self.upload
                .insert(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
        };
        upload.wait_for_capacity(PARTS).await?;
        upload.put(bytes);
        Ok(())
    }
}

#[async_trait]
impl Writer for S3Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.upload.is_none() && self.waiting.is_empty() {
            self.waiting.push(bytes);
            return Ok(());
        }
        for bytes in std::mem::take(&mut self.waiting).into_iter().chain([bytes]) {
            let sent = self.send(bytes).await;
            sent.map_err(|error| self.store.failed("write", &self.path, &error))?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        let path = self.store.path(&self.path);
        let finished = if let Some(upload) = self.upload.take() {
            upload.finish().await.map(drop)
        } else {
            let content = PutPayload::from_iter(std::mem::take(&mut self.waiting));
            self.store.store.put(&path, content).await.map(drop)
        };
        finished.map_err(|error| self.store.failed("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &[(&str, &str)]) -> String {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        S3::new("b", "p", &options).err().unwrap().to_string()
    }

    #[test]
    fn an_option_that_is_none_and_half_a_login_are_refused_by_name() {
        assert!(refused(&[("aws_endpiont", "x")]).contains("aws_endpiont"));
        assert!(refused(&[("aws_access_key_id", "x")]).contains("AWS_SECRET_ACCESS_KEY"));
        assert!(refused(&[("aws_endpoint", "http://10.0.0.1:9000")]).contains("aws_allow_http"));
    }

    #[test]
    fn what_s3_itself_said_is_what_is_shown() {
        let error = Error::Generic {
            store: "S3",
            source: "Server returned non-2xx status code: 404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>".into(),
        };
        assert_eq!(
            words(&error),
            "NoSuchBucket The specified bucket does not exist"
        );
    }
}
