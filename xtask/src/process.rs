//! Child processes that never outlive us: each is killed when its handle is dropped, its output goes to a file, it is
//! ready when it answers (we never sleep for luck), and it has a deadline.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often we look whether something has happened yet.
const LOOK: Duration = Duration::from_millis(5);

/// A child process running beside us.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    /// Both its outputs, in one file.
    pub output: PathBuf,
}

impl Running {
    /// Starts it with its output in `folder/NAME.out`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let output = folder.join(format!("{name}.out"));
        let file = File::options().create(true).append(true).open(&output)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            output,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read(&self.output)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// An error when it has ended already.
    pub fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended ({status}) and should be running: {}",
                self.name,
                tail(&self.printed())
            );
        }
        Ok(())
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `ready` is true, the process ends or the deadline passes.
    pub fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        loop {
            if ready() {
                return Ok(started.elapsed());
            }
            self.still_runs()?;
            if started.elapsed() > deadline {
                bail!(
                    "{}: {what} did not come within {} s; it printed: {}",
                    self.name,
                    deadline.as_secs(),
                    tail(&self.printed())
                );
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until something listens at the address.
    pub fn until_it_listens(
        &mut self,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<Duration> {
        self.until(&format!("a listener at {address}"), deadline, || {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        })
    }

    /// SIGSTOP: it is there and answers nothing, until [`Running::go_on`].
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("process id 0")?, signal)?)
    }

    /// SIGKILL: what a crash of the process does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and its exit status; an error when it takes longer than the deadline.
    pub fn end(mut self, deadline: Duration) -> Result<(ExitStatus, Duration)> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, started.elapsed()));
            }
            if started.elapsed() > deadline {
                bail!(
                    "{} did not end within {} s of SIGTERM",
                    self.name,
                    deadline.as_secs()
                );
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits for its end by itself.
    pub fn wait(mut self, deadline: Duration) -> Result<String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let printed = self.printed();
                if status.success() {
                    return Ok(printed);
                }
                bail!("{} ended with {status}: {}", self.name, tail(&printed));
            }
            if started.elapsed() > deadline {
                bail!(
                    "{} took longer than {} s; it printed: {}",
                    self.name,
                    deadline.as_secs(),
                    tail(&self.printed())
                );
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, bytes as they came.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a command to its end, feeding it `input`, killing it at the deadline. A non-zero exit is no error here.
pub fn run_any(command: &mut Command, input: &[u8], deadline: Duration) -> Result<Ended> {
    let shown = show(command);
    let mut child = command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {shown}"))?;
    let writer = child.stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        thread::spawn(move || {
            let _ = stdin.write_all(&input);
        })
    });
    let stdout = child.stdout.take().map(drain);
    let stderr = child.stderr.take().map(drain);
    let started = Instant::now();
    let mut late = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > deadline {
            late = true;
            let _ = child.kill();
            break child.wait()?;
        }
        thread::sleep(LOOK);
    };
    if late {
        // A grandchild may still hold the pipes: the readers are left to end with it.
        bail!(
            "`{shown}` took longer than {} s and was killed",
            deadline.as_secs()
        );
    }
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    let collect = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    Ok(Ended {
        status,
        stdout: collect(stdout),
        stderr: String::from_utf8_lossy(&collect(stderr)).into_owned(),
    })
}

/// Runs a command to its end; a non-zero exit is an error with the end of what it printed.
pub fn run(command: &mut Command, input: &[u8], deadline: Duration) -> Result<Ended> {
    let shown = show(command);
    let ended = run_any(command, input, deadline)?;
    if !ended.status.success() {
        let said = if ended.stderr.trim().is_empty() {
            ended.text()
        } else {
            ended.stderr
        };
        bail!("`{shown}` ended with {}: {}", ended.status, tail(&said));
    }
    Ok(ended)
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// A command as one would type it, for messages; long arguments are cut.
pub fn show(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.extend(argument.to_string_lossy().chars().take(60));
    }
    text.chars().take(160).collect()
}

/// The end of a long output, on one line: what fits a table's remark.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(6);
    let joined = lines.get(from..).unwrap_or_default().join(" / ");
    let skip = joined.chars().count().saturating_sub(600);
    joined.chars().skip(skip).collect()
}

/// A port that nobody listens on now. (Kafka needs its port in its settings, so it cannot pick one itself.)
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Loopback at that port.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Resident memory of a process in bytes, from `/proc`; none where there is no `/proc`.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Processor time a process has used, user and system (`proc_pid_stat(5)`, in ticks of 1/100 s).
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_past_its_deadline_is_killed_and_says_so() {
        let error = run(
            Command::new("sleep").arg("60"),
            b"",
            Duration::from_millis(20),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("`sleep 60` took longer"),
            "{error}"
        );
    }

    #[test]
    fn what_goes_in_comes_out() {
        let ended = run(
            &mut Command::new("cat"),
            b"some bytes",
            Duration::from_secs(20),
        )
        .unwrap();
        assert_eq!(ended.stdout, b"some bytes");
    }

    #[test]
    fn a_process_that_ends_instead_of_listening_is_reported_with_what_it_printed() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(
            "teller",
            Command::new("sh").args(["-c", "echo no luck; exit 3"]),
            folder.path(),
        )
        .unwrap();
        let error = running
            .until("its answer", Duration::from_secs(20), || false)
            .unwrap_err();
        assert!(error.to_string().contains("no luck"), "{error}");
    }

    #[test]
    fn the_tail_of_an_output_is_one_line() {
        assert_eq!(tail("a\n\n  b\n"), "a / b");
    }
}
