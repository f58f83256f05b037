//! How one is let in at a broker, as the client library's properties say it, for what weir asks a broker by itself.
//!
//! Properties that are not known here are not guessed at: then nothing is asked.

use std::fs;
use std::io;
use std::path::Path;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509;

use super::login::{Login, Mechanism};

/// What is known of the properties that begin with `ssl.`.
const KNOWN: [&str; 8] = [
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.endpoint.identification.algorithm",
];

/// TLS or none, a login or none.
#[derive(Clone)]
pub(super) struct Security {
    pub(super) tls: Option<Tls>,
    pub(super) login: Option<Login>,
}

/// Who is believed to be a broker, and who we are.
#[derive(Clone)]
pub(super) struct Tls {
    properties: Vec<(String, String)>,
}

const MECHANISM: &str = "weir asks for it only with sasl.mechanism PLAIN and SCRAM";
const SETTING: &str = "weir does not ask for it where TLS is set up by other properties than files of certificates and keys";

fn last<'a>(properties: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    let found = properties.iter().rfind(|(key, _)| names.contains(&&**key));
    found.map(|(_, value)| value.as_str())
}

impl Security {
    /// Reads the properties; an error is why it cannot be asked for, for people.
    pub(super) fn of(properties: &[(String, String)]) -> Result<Self, &'static str> {
        let protocol = last(properties, &["security.protocol"])
            .unwrap_or("plaintext")
            .to_ascii_lowercase();
        let login = if protocol.starts_with("sasl_") {
            let mechanism = last(properties, &["sasl.mechanism", "sasl.mechanisms"]);
            let mechanism = mechanism.and_then(Mechanism::read).ok_or(MECHANISM)?;
            let text = |name| last(properties, &[name]).unwrap_or_default().to_owned();
            Some(Login {
                mechanism,
                user: text("sasl.username"),
                password: text("sasl.password"),
            })
        } else {
            None
        };
        let tls = if protocol.ends_with("ssl") {
            let mut of_tls = properties.iter().filter(|(key, _)| key.starts_with("ssl."));
            if of_tls.any(|(key, _)| !KNOWN.contains(&&**key)) {
                return Err(SETTING);
            }
            Some(Tls {
                properties: properties.to_vec(),
            })
        } else {
            None
        };
        Ok(Self { tls, login })
    }
}

impl Tls {
    /// What makes connections as the properties say, and whether the broker must be the one of the name that was connected to.
    pub(super) fn connector(&self) -> io::Result<(SslConnector, bool)> {
        let get = |name| last(&self.properties, &[name]).filter(|value| !value.is_empty());
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        trust(&mut builder, get("ssl.ca.location"), get("ssl.ca.pem"))?;
        if let Some(path) = get("ssl.keystore.location") {
            let password = get("ssl.keystore.password").unwrap_or_default();
            let store = Pkcs12::from_der(&fs::read(path)?)?.parse2(password)?;
            if let (Some(certificate), Some(key)) = (store.cert, store.pkey) {
                builder.set_certificate(&certificate)?;
                builder.set_private_key(&key)?;
            }
            for further in store.ca.into_iter().flatten() {
                builder.add_extra_chain_cert(further)?;
            }
        }
        if let Some(path) = get("ssl.certificate.location") {
            builder.set_certificate_chain_file(path)?;
        }
        if let Some(path) = get("ssl.key.location") {
            let password = get("ssl.key.password").unwrap_or_default();
            let key = PKey::private_key_from_pem_passphrase(&fs::read(path)?, password.as_bytes())?;
            builder.set_private_key(&key)?;
        }
        let verified = get("enable.ssl.certificate.verification") != Some("false");
        if !verified {
            builder.set_verify(SslVerifyMode::NONE);
        }
        let named = get("ssl.endpoint.identification.algorithm") != Some("none");
        Ok((builder.build(), verified && named))
    }
}

/// Whose certificates are believed: those given, else the system's.
fn trust(
    builder: &mut SslConnectorBuilder,
    location: Option<&str>,
    pem: Option<&str>,
) -> io::Result<()> {
    match location.filter(|location| *location != "probe") {
        Some(location) if Path::new(location).is_dir() => {
            builder.load_verify_locations(None, Some(Path::new(location)))?;
        }
        Some(location) => builder.set_ca_file(location)?,
        None if pem.is_some() => {}
        None => {
            let found = openssl_probe::probe();
            if let Some(file) = found.cert_file {
                builder.set_ca_file(file)?;
            }
            for folder in found.cert_dir {
                builder.load_verify_locations(None, Some(&folder))?;
            }
        }
    }
    for certificate in X509::stack_from_pem(pem.unwrap_or_default().as_bytes())? {
        builder.cert_store_mut().add_cert(certificate)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(properties: &[(&str, &str)]) -> Result<Security, &'static str> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Security::of(&properties.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_properties_say_whether_there_is_tls_and_who_logs_in() {
        let plain = of(&[("client.id", "me")]).unwrap();
        assert!(plain.tls.is_none() && plain.login.is_none());
        let both = of(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "ann"),
            ("sasl.password", "secret"),
        ])
        .unwrap();
        let login = both.login.unwrap();
        assert!(both.tls.is_some());
        assert_eq!(
            login.mechanism,
            Mechanism::Sha512,
            "the last of a name counts"
        );
        assert_eq!(
            (login.user.as_str(), login.password.as_str()),
            ("ann", "secret")
        );
    }

    #[test]
    fn what_is_not_known_here_is_not_guessed_at() {
        let kerberos = of(&[("security.protocol", "sasl_plaintext")]);
        assert_eq!(kerberos.err(), Some(MECHANISM));
        let revoked = of(&[("security.protocol", "ssl"), ("ssl.crl.location", "f")]);
        assert_eq!(revoked.err(), Some(SETTING));
    }
}
