//! Syncs that overlap: what is told of is durable, whatever order they are done in.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use support::{NOW, keyed};
use weir_base::fs::{File, Fs, Lock, MemFs, Open};
use weir_base::time::{ManualClock, Timestamp};
use weir_log::{LogConfig, Offset, Origin, PartitionLog, Volume};

/// A disk whose syncs of one file wait until they are let go.
#[derive(Clone)]
struct Slow {
    disk: MemFs,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    /// The end of the file's name whose syncs wait; none when they may go.
    held: Option<&'static str>,
    /// Syncs that wait.
    waiting: usize,
    /// Syncs that are done.
    done: usize,
}

struct SlowFile {
    file: Arc<dyn File>,
    path: PathBuf,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

impl Slow {
    fn until(&self, ready: impl Fn(&Gate) -> bool) {
        let (gate, changed) = &*self.gate;
        let held = gate.lock().unwrap();
        drop(changed.wait_while(held, |gate| !ready(gate)).unwrap());
    }

    fn hold(&self, name: Option<&'static str>) {
        *self.gate.0.lock().unwrap() = Gate {
            held: name,
            ..Gate::default()
        };
        self.gate.1.notify_all();
    }
}

impl File for SlowFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        let (gate, changed) = &*self.gate;
        let is_held = |gate: &mut Gate| gate.held.is_some_and(|name| self.path.ends_with(name));
        let mut held = gate.lock().unwrap();
        if is_held(&mut held) {
            held.waiting += 1;
            changed.notify_all();
            held = changed.wait_while(held, is_held).unwrap();
        }
        drop(held);
        self.file.sync_data()?;
        gate.lock().unwrap().done += 1;
        changed.notify_all();
        Ok(())
    }
    fn sync_file_system(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Fs for Slow {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(SlowFile {
            file: self.disk.open(path, how)?,
            path: path.to_owned(),
            gate: self.gate.clone(),
        }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        self.disk.read_dir(path)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Fs::len(&self.disk, path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
}

#[test]
fn a_sync_that_is_done_early_is_not_told_of_before_those_begun_before_it() {
    let slow = Slow {
        disk: MemFs::new(),
        gate: Arc::default(),
    };
    let clock = Arc::new(ManualClock::new(Timestamp(NOW)));
    let volume = Volume::open(Arc::new(slow.clone()), clock, Path::new("/data")).unwrap();
    let config = LogConfig {
        segment_bytes: 400,
        ..LogConfig::default()
    };
    let log = PartitionLog::open(&volume, "t", 0, config).unwrap();
    log.watch();
    let append = |value: &str| {
        let records = keyed(&[("k", Some(value))], NOW);
        log.append(records, Origin::Client).unwrap();
    };
    let told = |end: i64| {
        while log.offsets().high_watermark < Offset(end) {
            std::thread::yield_now();
        }
    };
    append(&"a".repeat(300));
    told(1);
    // The next one closes the first segment: its sync covers both files, and waits at the first.
    slow.hold(Some("00000000000000000000.log"));
    append("b");
    slow.until(|gate| gate.waiting == 1);
    // A later sync covers the second file alone: this one's, or that of the recovery point.
    append("c");
    slow.until(|gate| gate.done > 0);
    assert_eq!(log.offsets().high_watermark, Offset(1));
    slow.hold(None);
    told(3);
    log.unwatch();
    volume.close().unwrap();
}
