//! `weir archive` into a real HDFS while archive, broker and `DataNode` are killed (`kill -9`) at random: then every record that
//! was acknowledged is in the store once, nothing else is, and each file's name says what it holds.
//!
//! Two instances archive the same topic. At each start a throw decides whether one shares the work in the common group or is in a
//! group of its own; then both want the same ranges, and only the claims keep them apart. The throws come from a seed, which the
//! remark names and `WEIR_TORTURE_SEED` sets: it repeats who is killed and after how long, though not what they were doing.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use super::archive::{Archive, committed};
use super::hdfs::Hdfs;
use super::server::Weir;
use super::{Case, Context};
use crate::process::{Running, free_port, tail};

const DEADLINE: Duration = Duration::from_mins(2);

/// How many are killed.
const KILLS: usize = 110;
/// Of so many kills this many are of the broker and of the `DataNode`; the others are of an archive, whose restart is quick.
const OF: u64 = 20;
const BROKER: u64 = 3;
const DATANODE: u64 = 1;
/// How long somebody may work before the next kill, in milliseconds.
const BETWEEN_MS: u64 = 900;
/// After so many kills the archive must have got on.
const GOT_ON: usize = 10;

const PARTITIONS: u32 = 3;
const FORMAT: &str = "jsonl";

pub(super) const CASES: &[Case] = &[Case {
    name: "archive, 110 kills",
    what: "two archives, broker and DataNode killed at random under load: what was acknowledged is in HDFS once, whole",
    run: |context| {
        let seed = seed();
        torture(context, seed).with_context(|| format!("WEIR_TORTURE_SEED={seed}"))
    },
}];

fn seed() -> u64 {
    let given = std::env::var("WEIR_TORTURE_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_secs()
    })
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// The two archives, and whoever starts them again.
struct Archives<'a> {
    archive: &'a Archive<'a>,
    topic: &'a str,
    to: String,
    folder: PathBuf,
    running: Vec<Running>,
    starts: u32,
}

impl Archives<'_> {
    fn start(&mut self, number: usize, dice: &mut Dice) -> Result<Running> {
        self.starts += 1;
        let own = format!("torture-{}", self.starts);
        let mut more = vec!["--roll-time", "500ms", "--roll-size", "128KiB"];
        if dice.below(3) > 0 {
            more.extend(["--group", &own]);
        }
        let mut command = self.archive.command(self.topic, &self.to, FORMAT, &more)?;
        Running::start(&format!("archive-{number}"), &mut command, &self.folder)
    }

    /// Kills one and starts it again. One that has ended by itself is started again too (`false`): it may find nobody there when
    /// it begins, and says so; anything else is its own fault.
    fn kill(&mut self, number: usize, dice: &mut Dice) -> Result<bool> {
        let ended = self.running[number].ended()?;
        if let Some(end) = ended {
            ensure!(
                end.code() == Some(1),
                "archive {number} ended with {end}: {}",
                tail(&self.running[number].printed())
            );
        }
        let next = self.start(number, dice)?;
        std::mem::replace(&mut self.running[number], next).kill()?;
        Ok(ended.is_none())
    }

    /// Files that were announced.
    fn files(&self) -> usize {
        let printed = self.running.iter().map(Running::printed);
        printed.map(|printed| committed(&printed)).sum()
    }

    /// Waits until there are more files than there were.
    fn got_on(&mut self, before: usize, dice: &mut Dice) -> Result<()> {
        let started = Instant::now();
        while self.files() <= before {
            for number in 0..self.running.len() {
                if self.running[number].ended()?.is_some() {
                    self.kill(number, dice)?;
                }
            }
            ensure!(
                started.elapsed() < DEADLINE,
                "no file was archived for {} s: {}",
                DEADLINE.as_secs(),
                tail(&self.running[0].printed())
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn torture(context: &Context, seed: u64) -> Result<String> {
    let folder = context.folder("torture")?;
    let port = free_port()?;
    // Small segments, so that what is recovered and read has rolled ones.
    let settings = ["--set", "log.segment.bytes=1048576"];
    let start = || Weir::broker(context.weir()?, &folder, port, &settings);
    let mut broker = start()?;
    let mut hdfs = Hdfs::start(context.workspace, &folder)?;
    let archive = Archive::of(context, broker.kafka.to_string());
    let topic = archive.topic("kept", PARTITIONS)?;
    let journal = folder.join("journal.txt").display().to_string();
    let mut write = archive.script("write", &topic, &[&PARTITIONS.to_string(), &journal])?;
    let writer = Running::start("writer", &mut write, &folder)?;

    let mut dice = Dice(seed);
    let mut archives = Archives {
        archive: &archive,
        topic: &topic,
        to: hdfs.url("/live"),
        folder: folder.clone(),
        running: Vec::new(),
        starts: 0,
    };
    for number in 0..2 {
        let running = archives.start(number, &mut dice)?;
        archives.running.push(running);
    }
    let mut killed = [0; 3];
    let mut files = 0;
    loop {
        let kills: usize = killed.iter().sum();
        if kills.is_multiple_of(GOT_ON) {
            archives
                .got_on(files, &mut dice)
                .with_context(|| format!("after {kills} kills"))?;
            files = archives.files();
        }
        if kills == KILLS {
            break;
        }
        thread::sleep(Duration::from_millis(dice.below(BETWEEN_MS)));
        match dice.below(OF) {
            throw if throw < BROKER => {
                broker.kill()?;
                broker = start().with_context(|| format!("the broker after {kills} kills"))?;
                killed[1] += 1;
            }
            throw if throw < BROKER + DATANODE => {
                hdfs.kill_datanode()?;
                hdfs.start_datanode()
                    .with_context(|| format!("the DataNode after {kills} kills"))?;
                killed[2] += 1;
            }
            throw => {
                let number = usize::from(throw % 2 == 0);
                killed[0] += usize::from(archives.kill(number, &mut dice)?);
            }
        }
    }
    let (status, _) = writer.end(DEADLINE)?;
    ensure!(
        status.success(),
        "the writer ended with {status}: {}",
        fs::read_to_string(folder.join("writer.out"))?
    );
    for running in std::mem::take(&mut archives.running) {
        running.end(Duration::from_secs(30))?;
    }
    archive.to_the_end(&topic, &hdfs.url("/live"), FORMAT)?;
    let again = archive.to_the_end(&topic, &hdfs.url("/live"), FORMAT)?;
    ensure!(
        again == 0,
        "after all was archived there were {again} files more"
    );
    let beside = folder.join("beside");
    hdfs.fetch_topic("/live", &topic, &beside)?;
    let said = archive.check(&topic, FORMAT, &beside, &[&journal])?;
    broker.kill()?;
    Ok(format!(
        "{said}; killed {} archives, {} brokers, {} DataNodes; seed {seed}",
        killed[0], killed[1], killed[2]
    ))
}
