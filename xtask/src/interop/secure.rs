//! An Apache Kafka behind TLS, logins and access rules, as real ones are: weir gets in by `-X` and by `weir.toml`, and what is wrong
//! with the settings is said in a sentence that names the one to change, on the command line and in the page.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::{ApacheKafka, KAFKA, Weir};
use super::{Case, Context};
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
const ANN: &str = "ann-password";
const BOB: &str = "bob-password";
const DORA: &str = "dora-password";

/// A Kafka that may be reached over TLS with a login, over a login alone, and, for its own tools, without either.
struct Secured {
    kafka: ApacheKafka,
    tls: SocketAddr,
    login: SocketAddr,
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

    /// Makes a user of SCRAM.
    fn add(&self, context: &Context, user: &str, password: &str) -> Result<()> {
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

    /// Lets a user read a topic.
    fn allow(&self, context: &Context, user: &str, topic: &str) -> Result<()> {
        let tool = [
            "org.apache.kafka.tools.AclCommand",
            "--bootstrap-server",
            &self.kafka.kafka.to_string(),
            "--add",
            "--allow-principal",
            &format!("User:{user}"),
            "--operation",
            "Read",
            "--topic",
            topic,
        ];
        run(java(context.workspace, KAFKA)?.args(tool), b"", DEADLINE)?;
        Ok(())
    }
}

/// A certificate authority of the test's own, and a broker's certificate for 127.0.0.1 by it: the authority's, as PEM.
fn certificates(context: &Context, folder: &Path) -> Result<PathBuf> {
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
    let sentences = wrong(context, &kafka, topic)?;
    page_goes_on(context, &kafka, topic).context("the page")?;
    Ok(format!("{sentences} sentences"))
}

/// What follows `-X` for somebody.
fn login(mechanism: &str, user: &str, password: &str) -> [String; 3] {
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
    ensure!(
        !page.printed().contains(ANN),
        "the password is in what weir printed"
    );
    Ok(())
}

/// The page has the two records.
fn shown(web: SocketAddr, topic: &str) -> Result<()> {
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
        let ended = run_any(command.args(self.command), b"", DEADLINE)?;
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

/// Each thing that may be wrong.
fn wrong(context: &Context, kafka: &Secured, topic: &str) -> Result<usize> {
    let list: &[&str] = &["topic", "list"];
    let read = ["consume", topic, "--from", "beginning", "--count", "1"];
    let nobody = local(free_port()?);
    let folder = context.folder("web")?;
    let page = Weir::page(context.weir()?, &folder, kafka.kafka.kafka)?;
    let tls = |more: [String; 3]| {
        let authority = format!("ssl.ca.location={}", kafka.authority.display());
        let mut all = vec!["security.protocol=SASL_SSL".to_owned(), authority];
        all.extend(more);
        all
    };
    let ann = || login("PLAIN", "ann", ANN);
    let mut unknown = tls(ann());
    unknown.remove(1);
    let case = |what, address, properties, command, said| Wrong {
        what,
        address,
        properties,
        command,
        said,
    };
    let denied = ["not allowed", topic, "kafka-acls"];
    let password: &[&str] = &["refused the login", "sasl.password"];
    let cases = [
        case(
            "password",
            kafka.tls,
            tls(login("PLAIN", "ann", "x")),
            list,
            password,
        ),
        case(
            "SCRAM password",
            kafka.tls,
            tls(login("SCRAM-SHA-512", "carl", "x")),
            list,
            password,
        ),
        case(
            "mechanism",
            kafka.tls,
            tls(login("SCRAM-SHA-256", "ann", ANN)),
            list,
            &["sasl.mechanism"],
        ),
        case(
            "authority",
            kafka.tls,
            unknown,
            list,
            &["certificate", "ssl.ca.location"],
        ),
        case(
            "no TLS",
            kafka.tls,
            Vec::new(),
            list,
            &["speaks TLS", "security.protocol"],
        ),
        case(
            "TLS",
            kafka.login,
            tls(ann()),
            list,
            &["does not speak TLS", "security.protocol"],
        ),
        case(
            "no login",
            kafka.login,
            Vec::new(),
            list,
            &["wants a login", "SASL_PLAINTEXT"],
        ),
        case(
            "right",
            kafka.tls,
            tls(login("PLAIN", "bob", BOB)),
            &read,
            &denied,
        ),
        case(
            "port",
            nobody,
            Vec::new(),
            list,
            &["nobody listens", "--bootstrap"],
        ),
        case(
            "web server",
            page.web,
            Vec::new(),
            list,
            &["web server", "--bootstrap"],
        ),
    ];
    for case in &cases {
        case.check(context)
            .with_context(|| format!("the wrong {}", case.what))?;
    }
    Ok(cases.len())
}

/// A page over a login that does not work yet says so, and shows the topic once it does, and once it may be read.
fn page_goes_on(context: &Context, kafka: &Secured, topic: &str) -> Result<()> {
    let folder = context.folder("goes-on")?;
    let web = local(free_port()?);
    let mut command = Command::new(context.weir()?);
    command
        .args(["--bootstrap", &kafka.login.to_string()])
        .args(["-X", "security.protocol=SASL_PLAINTEXT"]);
    for property in login("SCRAM-SHA-512", "dora", DORA) {
        command.args(["-X", &property]);
    }
    command
        .args(["serve", "--listen", &web.to_string()])
        .current_dir(&folder);
    let mut page = Running::start("page-goes-on", &mut command, &folder)?;
    page.until_it_listens(web, DEADLINE)?;
    let overview = || http::json(&format!("http://{web}/overview"));
    page.until("the page to say why", DEADLINE, || {
        overview().is_ok_and(|answer| {
            answer["kafka"]["why"]
                .as_str()
                .is_some_and(|why| why.contains("sasl.password"))
        })
    })?;
    kafka.add(context, "dora", DORA)?;
    page.until("the page to go on", DEADLINE, || {
        overview().is_ok_and(|answer| answer["kafka"]["state"] == "connected")
    })?;
    kafka.allow(context, "dora", topic)?;
    page.until("the topic on the page", DEADLINE, || {
        shown(web, topic).is_ok()
    })?;
    Ok(())
}
