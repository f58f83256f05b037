//! An Apache Kafka behind TLS, logins and access rules, as real ones are: weir gets in by `-X` and by `weir.toml`, and what is wrong
//! with the settings is said in a sentence that names the one to change, on the command line and in the page.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::{ApacheKafka, KAFKA, Weir};
use super::{Case, Context, secure_page};
use crate::http;
use crate::install::{java, program};
use crate::process::{Running, free_port, local, run, run_any, tail};

const DEADLINE: Duration = Duration::from_mins(1);

pub(super) const CASES: &[Case] = &[Case {
    name: "weir on a secured Kafka",
    what: "SASL PLAIN and SCRAM over TLS by -X and weir.toml; what is wrong is named at once, and the page goes on when it is mended",
    run: secured,
}];

const STORE_PASSWORD: &str = "store-password";
pub(super) const ANN: &str = "ann-password";
const BOB: &str = "bob-password";

/// A Kafka that may be reached over TLS with a login, over a login alone, and, for its own tools, without either.
pub(super) struct Secured {
    kafka: ApacheKafka,
    pub(super) tls: SocketAddr,
    pub(super) login: SocketAddr,
    authority: PathBuf,
}

impl Secured {
    fn start(context: &Context) -> Result<Self> {
        let folder = context.folder("secured")?;
        let authority = certificates(context, &folder)?;
        let (tls, login) = (local(free_port()?), local(free_port()?));
        let jaas = "org.apache.kafka.common.security";
        let plain = format!(
            "{jaas}.plain.PlainLoginModule required user_ann=\"{ANN}\" user_bob=\"{BOB}\";"
        );
        let kafka = ApacheKafka::start(
            context.workspace,
            &folder.join("kafka"),
            &format!(
                "listeners=PLAINTEXT://{{kafka}},CONTROLLER://{{controller}},TLS://{tls},LOGIN://{login}\n\
                 advertised.listeners=PLAINTEXT://{{kafka}},TLS://{tls},LOGIN://{login}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SASL_SSL,LOGIN:SASL_PLAINTEXT\n\
                 ssl.keystore.type=PKCS12\nssl.keystore.location={}\nssl.keystore.password={STORE_PASSWORD}\n\
                 sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
                 listener.name.tls.plain.sasl.jaas.config={plain}\nlistener.name.login.plain.sasl.jaas.config={plain}\n\
                 listener.name.tls.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;\n\
                 listener.name.login.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;\n\
                 authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 super.users=User:ann;User:ANONYMOUS",
                folder.join("broker.p12").display()
            ),
        )?;
        Ok(Self {
            kafka,
            tls,
            login,
            authority,
        })
    }

    /// What follows `-X` over TLS for somebody; the authority comes second.
    fn over_tls(&self, login: [String; 3]) -> Vec<String> {
        let authority = format!("ssl.ca.location={}", self.authority.display());
        let mut all = vec!["security.protocol=SASL_SSL".to_owned(), authority];
        all.extend(login);
        all
    }

    /// Makes a user of SCRAM.
    pub(super) fn add(&self, context: &Context, user: &str, password: &str) -> Result<()> {
        let tool = [
            "kafka.admin.ConfigCommand",
            "--bootstrap-server",
            &self.kafka.kafka.to_string(),
            "--alter",
            "--entity-type",
            "users",
            "--entity-name",
            user,
            "--add-config",
            &format!("SCRAM-SHA-512=[password={password}]"),
        ];
        run(java(context.workspace, KAFKA)?.args(tool), b"", DEADLINE)?;
        Ok(())
    }

    /// Lets a user do something with what is named.
    pub(super) fn allow(
        &self,
        context: &Context,
        user: &str,
        operation: &str,
        of: &[&str],
    ) -> Result<()> {
        let tool = [
            "org.apache.kafka.tools.AclCommand",
            "--bootstrap-server",
            &self.kafka.kafka.to_string(),
            "--add",
            "--allow-principal",
            &format!("User:{user}"),
            "--operation",
            operation,
        ];
        let mut tool_of = java(context.workspace, KAFKA)?;
        run(tool_of.args(tool).args(of), b"", DEADLINE)?;
        Ok(())
    }

    /// Has the running broker show the certificate in another folder, as one does before the old one runs out.
    pub(super) fn show(&self, context: &Context, folder: &Path) -> Result<()> {
        let store = "listener.name.tls.ssl.keystore";
        let tool = [
            "kafka.admin.ConfigCommand",
            "--bootstrap-server",
            &self.kafka.kafka.to_string(),
            "--alter",
            "--entity-type",
            "brokers",
            "--entity-name",
            "1",
            "--add-config",
            &format!(
                "{store}.type=PKCS12,{store}.location={},{store}.password={STORE_PASSWORD}",
                folder.join("broker.p12").display()
            ),
        ];
        run(java(context.workspace, KAFKA)?.args(tool), b"", DEADLINE)?;
        Ok(())
    }
}

/// A certificate authority of the test's own, and a broker's certificate for 127.0.0.1 by it: the authority's, as PEM.
pub(super) fn certificates(context: &Context, folder: &Path) -> Result<PathBuf> {
    let keytool = |arguments: &[&str], input: &[u8]| -> Result<Vec<u8>> {
        let java = program(context.workspace, "java")?;
        let java = fs::canonicalize(&java).unwrap_or(java);
        let mut command = Command::new(java.with_file_name("keytool"));
        command
            .args(arguments)
            .args(["-storetype", "PKCS12", "-storepass", STORE_PASSWORD])
            .current_dir(folder);
        Ok(run(&mut command, input, DEADLINE)?.stdout)
    };
    let pair = ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048"];
    let for_a_week = ["-validity", "7"];
    let made = |store, alias, name, more: &[&str]| {
        let whose = ["-keystore", store, "-alias", alias, "-dname", name];
        keytool(&[&pair[..], &for_a_week, &whose, more].concat(), b"")
    };
    made("ca.p12", "ca", "CN=the test's own", &["-ext", "bc:c"])?;
    made("broker.p12", "broker", "CN=localhost", &[])?;
    let authority = keytool(
        &["-exportcert", "-rfc", "-keystore", "ca.p12", "-alias", "ca"],
        b"",
    )?;
    let request = keytool(
        &["-certreq", "-keystore", "broker.p12", "-alias", "broker"],
        b"",
    )?;
    let sign = ["-gencert", "-rfc", "-keystore", "ca.p12", "-alias", "ca"];
    let names = ["-ext", "san=ip:127.0.0.1,dns:localhost"];
    let signed = keytool(&[&sign[..], &for_a_week, &names].concat(), &request)?;
    let keep = ["-importcert", "-noprompt", "-keystore", "broker.p12"];
    keytool(&[&keep[..], &["-alias", "ca"]].concat(), &authority)?;
    keytool(&[&keep[..], &["-alias", "broker"]].concat(), &signed)?;
    let path = folder.join("authority.pem");
    fs::write(&path, authority)?;
    Ok(path)
}

fn secured(context: &Context) -> Result<String> {
    let kafka = Secured::start(context)?;
    let topic = &context.topic("secured");
    by_file(context, &kafka, topic).context("by weir.toml")?;
    by_options(context, &kafka, topic).context("by -X")?;
    let sentences = wrong(context, &kafka, topic)?;
    let on_the_page = secure_page::goes_on(context, &kafka, topic).context("the page")?;
    Ok(format!(
        "four ways in; {sentences} sentences on the command line, {on_the_page} on the page, which went on by itself from each"
    ))
}

/// Each mechanism with and without TLS.
fn by_options(context: &Context, kafka: &Secured, topic: &str) -> Result<()> {
    kafka.add(context, "ann", ANN)?;
    let authority = format!("ssl.ca.location={}", kafka.authority.display());
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        for (address, protocol) in [(kafka.tls, "SASL_SSL"), (kafka.login, "SASL_PLAINTEXT")] {
            let mut weir = Command::new(context.weir()?);
            weir.args(["--bootstrap", &address.to_string()]);
            weir.args(["-X", &format!("security.protocol={protocol}")]);
            weir.args(["-X", &authority]);
            for property in login(mechanism, "ann", ANN) {
                weir.args(["-X", &property]);
            }
            let all = ["consume", topic, "--from", "beginning", "--count", "2"];
            let read = run(weir.args(all), b"", DEADLINE)
                .with_context(|| format!("{mechanism}, {protocol}"))?
                .text();
            ensure!(
                read == "one\ntwo\n",
                "{mechanism}, {protocol}: read {read:?}"
            );
        }
    }
    Ok(())
}

/// What follows `-X` for somebody.
pub(super) fn login(mechanism: &str, user: &str, password: &str) -> [String; 3] {
    [
        format!("sasl.mechanism={mechanism}"),
        format!("sasl.username={user}"),
        format!("sasl.password={password}"),
    ]
}

fn by_file(context: &Context, kafka: &Secured, topic: &str) -> Result<()> {
    let folder = context.folder("by-file")?;
    fs::write(
        folder.join("weir.toml"),
        format!(
            "bootstrap = \"{}\"\n\n[X]\nsecurity.protocol = \"SASL_SSL\"\nssl.ca.location = \"{}\"\nsasl.mechanism = \"PLAIN\"\n\
             sasl.username = \"ann\"\nsasl.password = \"{ANN}\"\n",
            kafka.tls,
            kafka.authority.display()
        ),
    )?;
    let weir = |arguments: &[&str], input: &str| -> Result<String> {
        let mut command = Command::new(context.weir()?);
        command.args(arguments).current_dir(&folder);
        Ok(run(&mut command, input.as_bytes(), DEADLINE)?.text())
    };
    weir(&["topic", "create", topic], "")?;
    weir(&["produce", topic], "one\ntwo\n")?;
    let read = weir(
        &["consume", topic, "--from", "beginning", "--count", "2"],
        "",
    )?;
    ensure!(read.contains("one") && read.contains("two"), "read {read}");
    let web = local(free_port()?);
    let mut command = Command::new(context.weir()?);
    command
        .args(["serve", "--listen", &web.to_string()])
        .current_dir(&folder);
    let mut page = Running::start("page-by-file", &mut command, &folder)?;
    page.until_it_listens(web, DEADLINE)?;
    shown(web, topic)?;
    let cluster = format!("http://{web}/cluster");
    page.until(
        "the controller, asked for over TLS and a login",
        DEADLINE,
        || http::json(&cluster).is_ok_and(|now| now["controller"] == 1),
    )?;
    ensure!(
        !page.printed().contains(ANN),
        "the password is in what weir printed"
    );
    Ok(())
}

/// The page has the two records.
pub(super) fn shown(web: SocketAddr, topic: &str) -> Result<()> {
    let records = format!("http://{web}/topics/{topic}/records?from=start&limit=2");
    http::events(&records, |record| record.to_string().contains("two"))
}

/// Settings with something wrong in them, and what weir says of it.
struct Wrong<'a> {
    what: &'a str,
    address: SocketAddr,
    properties: Vec<String>,
    command: &'a [&'a str],
    said: &'a [&'a str],
}

impl Wrong<'_> {
    fn check(&self, context: &Context) -> Result<()> {
        let mut command = Command::new(context.weir()?);
        command.args(["--bootstrap", &self.address.to_string()]);
        for property in &self.properties {
            command.args(["-X", property]);
        }
        // For the one that writes.
        let ended = run_any(command.args(self.command), b"three\n", DEADLINE)?;
        let stderr = &ended.stderr;
        ensure!(
            ended.status.code() == Some(1) && stderr.lines().count() == 1,
            "ended with {}: {}",
            ended.status,
            tail(stderr)
        );
        // What takes as long as the limit ends with that: it was not found out.
        ensure!(
            self.said.iter().all(|said| stderr.contains(said))
                && !stderr.contains("no answer within"),
            "said {}",
            tail(stderr)
        );
        ensure!(
            [ANN, BOB].iter().all(|word| !stderr.contains(word)),
            "a password is in {}",
            tail(stderr)
        );
        Ok(())
    }
}

/// A way of being wrong, as a row of a table.
fn row<'a>(
    what: &'a str,
    address: SocketAddr,
    properties: Vec<String>,
    command: &'a [&'a str],
    said: &'a [&'a str],
) -> Wrong<'a> {
    Wrong {
        what,
        address,
        properties,
        command,
        said,
    }
}

const LIST: &[&str] = &["topic", "list"];

/// Each thing that may be wrong.
fn wrong(context: &Context, kafka: &Secured, topic: &str) -> Result<usize> {
    let listening = wrong_address(context, kafka)?;
    Ok(listening + wrong_login(context, kafka, topic)?)
}

fn check(context: &Context, rows: &[Wrong]) -> Result<usize> {
    for row in rows {
        row.check(context)
            .with_context(|| format!("the wrong {}", row.what))?;
    }
    Ok(rows.len())
}

/// What listens is not spoken to as it wants, or is none of Kafka.
fn wrong_address(context: &Context, kafka: &Secured) -> Result<usize> {
    let folder = context.folder("web")?;
    let page = Weir::page(context.weir()?, &folder, kafka.kafka.kafka)?;
    let nobody = local(free_port()?);
    let tls = kafka.over_tls(login("PLAIN", "ann", ANN));
    let no_tls = ["speaks TLS", "security.protocol"];
    let no_login = ["wants a login", "SASL_PLAINTEXT"];
    let needless = ["does not speak TLS", "security.protocol"];
    let rows = [
        row("no TLS", kafka.tls, Vec::new(), LIST, &no_tls),
        row("TLS", kafka.login, tls, LIST, &needless),
        row("no login", kafka.login, Vec::new(), LIST, &no_login),
        row(
            "port",
            nobody,
            Vec::new(),
            LIST,
            &["nobody listens", "--bootstrap"],
        ),
        row(
            "web server",
            page.web,
            Vec::new(),
            LIST,
            &["web server", "--bootstrap"],
        ),
    ];
    check(context, &rows)
}

/// Who comes is not let in, or may not do it.
fn wrong_login(context: &Context, kafka: &Secured, topic: &str) -> Result<usize> {
    let read = ["consume", topic, "--from", "beginning", "--count", "1"];
    let write = ["produce", topic];
    let denied = ["not allowed", topic, "kafka-acls"];
    let password = ["refused the login", "sasl.password"];
    let mechanism = ["sasl.mechanism"];
    let unknown = ["certificate", "ssl.ca.location"];
    let by = |mechanism, user, password| kafka.over_tls(login(mechanism, user, password));
    let mut without_authority = by("PLAIN", "ann", ANN);
    without_authority.remove(1);
    let rows = [
        row(
            "password",
            kafka.tls,
            by("PLAIN", "ann", "x"),
            LIST,
            &password,
        ),
        row(
            "SCRAM password",
            kafka.tls,
            by("SCRAM-SHA-512", "ann", "x"),
            LIST,
            &password,
        ),
        row(
            "mechanism",
            kafka.tls,
            by("SCRAM-SHA-256", "ann", ANN),
            LIST,
            &mechanism,
        ),
        row("authority", kafka.tls, without_authority, LIST, &unknown),
        row("right", kafka.tls, by("PLAIN", "bob", BOB), &read, &denied),
        row(
            "right to write",
            kafka.tls,
            by("PLAIN", "bob", BOB),
            &write,
            &denied,
        ),
    ];
    check(context, &rows)
}
