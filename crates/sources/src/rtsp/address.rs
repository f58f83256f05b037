//! An RTSP address, and the sign-in that may stand in it: kept apart, so that no log line and no error repeats a password.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// `rtsp://[USER[:PASSWORD]@]HOST[:PORT]/PATH`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    user: Option<String>,
    password: Option<String>,
}

impl Address {
    /// The same with another sign-in, where one is given.
    #[must_use]
    pub fn sign_in(mut self, user: Option<String>, password: Option<String>) -> Self {
        self.user = user.or(self.user);
        self.password = password.or(self.password);
        self
    }

    /// Without the sign-in.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Who signs in.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The host's name: what its records are keyed by, unless somebody says otherwise.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("camera")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The text may hold a password: what is refused is not repeated.
        let mut url = Url::parse(text).map_err(|error| {
            format!("{error}: write rtsp://HOST[:PORT]/PATH, such as rtsp://192.168.1.20/stream1")
        })?;
        match url.scheme() {
            "rtsp" => {}
            "rtsps" => {
                return Err(
                    "RTSP over TLS is not read; use the camera's rtsp:// address in a network you trust"
                        .to_owned(),
                );
            }
            _ if !text.contains("://") => {
                return Err(
                    "write rtsp://HOST[:PORT]/PATH, such as rtsp://192.168.1.20/stream1".to_owned(),
                );
            }
            other => {
                return Err(format!(
                    "{other}:// is no RTSP address; `weir publish video` reads other addresses through ffmpeg"
                ));
            }
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("there is no host in it: write rtsp://HOST[:PORT]/PATH".to_owned());
        }
        let plain = |text: &str| percent_decoded(text).ok_or("its sign-in is no UTF-8".to_owned());
        let user = match url.username() {
            "" => None,
            user => Some(plain(user)?),
        };
        let password = url.password().map(plain).transpose()?;
        // Neither fails where there is a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self {
            url,
            user,
            password,
        })
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_in_the_address_is_taken_out_of_it_and_shown_nowhere() {
        let address: Address = "rtsp://me:s%40cret@10.0.0.9:8554/a?b=c".parse().unwrap();
        assert_eq!(address.to_string(), "rtsp://10.0.0.9:8554/a?b=c");
        assert_eq!(address.user(), Some("me"));
        assert_eq!(address.password(), Some("s@cret"));
        assert_eq!(address.host(), "10.0.0.9");
        assert!(!format!("{address:?}").contains("cret"));
    }

    #[test]
    fn a_sign_in_beside_the_address_wins_over_the_one_in_it() {
        let address: Address = "rtsp://me:old@h/".parse().unwrap();
        let address = address.sign_in(None, Some("new".to_owned()));
        assert_eq!(
            (address.user(), address.password()),
            (Some("me"), Some("new"))
        );
    }

    #[test]
    fn what_is_no_rtsp_address_is_refused_with_the_remedy_and_without_repeating_it() {
        for (text, word) in [
            ("rtsps://me:secret@h/", "rtsp://"),
            ("http://me:secret@h/", "publish video"),
            ("me:secret@h", "rtsp"),
            ("secret", "rtsp://HOST"),
            ("rtsp://", "HOST"),
            ("rtsp://me:%zzsecret@h/", "UTF-8"),
        ] {
            let refusal = Address::from_str(text).unwrap_err();
            assert!(refusal.contains(word), "{text}: {refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
