//! A login by SASL as Kafka takes it: PLAIN (RFC 4616) and SCRAM (RFC 5802, 7677).
//!
//! Only what is said and answered; who carries it is given. What a broker says is checked before anything is counted by it, and with
//! SCRAM the broker must know the password, too.

use std::io;

use openssl::base64;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// Kafka's own bounds are 4,096 and 16,384.
const MOST_ITERATIONS: usize = 1 << 20;
const NONCE_BYTES: usize = 24;

/// Who logs in, and how.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) mechanism: Mechanism,
    pub(super) user: String,
    pub(super) password: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Sha256,
    Sha512,
}

impl Mechanism {
    /// As it is written in `sasl.mechanism`.
    pub(super) fn read(name: &str) -> Option<Self> {
        let all = [Self::Plain, Self::Sha256, Self::Sha512];
        all.into_iter().find(|mechanism| mechanism.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

/// A broker that does not let us in, or is not who it should be.
pub(super) fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

impl Login {
    /// Logs in; `exchange` says something and gives the answer.
    pub(super) fn run(
        &self,
        exchange: &mut dyn FnMut(&[u8]) -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let digest = match self.mechanism {
            Mechanism::Plain => {
                exchange(format!("\0{}\0{}", self.user, self.password).as_bytes())?;
                return Ok(());
            }
            Mechanism::Sha256 => MessageDigest::sha256(),
            Mechanism::Sha512 => MessageDigest::sha512(),
        };
        let mut nonce = [0; NONCE_BYTES];
        openssl::rand::rand_bytes(&mut nonce)?;
        self.scram(digest, &base64::encode_block(&nonce), exchange)
    }

    fn scram(
        &self,
        digest: MessageDigest,
        nonce: &str,
        exchange: &mut dyn FnMut(&[u8]) -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let user = self.user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        let challenge = text(exchange(format!("n,,{first}").as_bytes())?)?;
        let Challenge {
            nonce,
            salt,
            iterations,
        } = Challenge::read(&challenge, nonce).ok_or_else(|| refused("no SCRAM challenge"))?;
        let mut salted = vec![0; digest.size()];
        let password = self.password.as_bytes();
        pbkdf2_hmac(password, &salt, iterations, digest, &mut salted)?;
        let last = format!("c=biws,r={nonce}");
        let all = format!("{first},{challenge},{last}");
        let client_key = hmac(digest, &salted, b"Client Key")?;
        let signature = hmac(digest, &hash(digest, &client_key)?, all.as_bytes())?;
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let proof = base64::encode_block(&proof);
        let verdict = text(exchange(format!("{last},p={proof}").as_bytes())?)?;
        let wanted = hmac(
            digest,
            &hmac(digest, &salted, b"Server Key")?,
            all.as_bytes(),
        )?;
        if attribute(&verdict, "v=") == Some(base64::encode_block(&wanted).as_str()) {
            Ok(())
        } else {
            Err(refused("the broker does not know the password"))
        }
    }
}

struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: usize,
}

impl<'a> Challenge<'a> {
    fn read(said: &'a str, ours: &str) -> Option<Self> {
        let nonce = attribute(said, "r=").filter(|nonce| nonce.starts_with(ours))?;
        let iterations = attribute(said, "i=")?.parse().ok()?;
        Some(Self {
            nonce,
            salt: base64::decode_block(attribute(said, "s=")?).ok()?,
            iterations: Some(iterations).filter(|n| (1..=MOST_ITERATIONS).contains(n))?,
        })
    }
}

fn attribute<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.split(',').find_map(|part| part.strip_prefix(name))
}

fn text(said: Vec<u8>) -> io::Result<String> {
    String::from_utf8(said).map_err(|_| refused("no text"))
}

fn hmac(digest: MessageDigest, key: &[u8], of: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(digest, &key)?;
    signer.update(of)?;
    signer.sign_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: Mechanism) -> Login {
        Login {
            mechanism,
            user: "user".to_owned(),
            password: "pencil".to_owned(),
        }
    }

    /// RFC 7677 §3, with this as the broker's last word.
    fn example(verdict: &str) -> (io::Result<()>, Vec<String>) {
        let mut answers = [
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            verdict,
        ]
        .into_iter();
        let mut said = Vec::new();
        let ended = login(Mechanism::Sha256).scram(
            MessageDigest::sha256(),
            "rOprNGfwEbeRWgbNEkqO",
            &mut |bytes| {
                said.push(String::from_utf8(bytes.to_vec()).unwrap());
                Ok(answers.next().unwrap().as_bytes().to_vec())
            },
        );
        (ended, said)
    }

    #[test]
    fn scram_says_what_the_rfcs_example_says() {
        let (ended, said) = example("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        ended.unwrap();
        assert_eq!(
            said,
            [
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            ]
        );
    }

    #[test]
    fn a_broker_that_does_not_know_the_password_is_none() {
        for verdict in [
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
            "v=",
            "e=other",
            "",
        ] {
            let (ended, _) = example(verdict);
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_challenge_that_is_none_is_not_counted_by() {
        for challenge in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=oursandtheirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            "r=oursandtheirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999",
            "r=oursandtheirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
            "r=oursandtheirs,s=*,i=4096",
            "r=oursandtheirs,i=4096",
        ] {
            assert!(Challenge::read(challenge, "ours").is_none(), "{challenge}");
        }
        let good = "r=oursandtheirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(Challenge::read(good, "ours").unwrap().iterations, 4096);
    }

    #[test]
    fn plain_says_user_and_password_once() {
        let mut said = Vec::new();
        let ended = login(Mechanism::Plain).run(&mut |bytes| {
            said.push(bytes.to_vec());
            Ok(Vec::new())
        });
        ended.unwrap();
        assert_eq!(said, [b"\0user\0pencil"]);
    }
}
