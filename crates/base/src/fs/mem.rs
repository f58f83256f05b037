//! Files in memory, on a disk that forgets: what a crash test runs on.
//!
//! A sync makes a file's bytes, or a folder's names, durable. Everything since is lost, kept, torn or reordered when the power goes,
//! as a seed says. Operations can be made to fail, the power to go after so many of them, and the disk to be full.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Fs, Lock, Open};

/// Files in memory that forget what was not synced. Clones share the files.
#[derive(Clone, Default)]
pub struct MemFs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    nodes: Vec<Node>,
    locks: HashSet<PathBuf>,
    /// Operations so far that changed something, or tried to.
    operations: u64,
    syncs: u64,
    fail_at: Option<(u64, io::ErrorKind)>,
    power_off_after: Option<u64>,
    capacity_bytes: Option<u64>,
}

/// Node 0 is the root.
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Default)]
struct FileNode {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Default)]
struct DirNode {
    now: BTreeMap<OsString, usize>,
    durable: BTreeMap<OsString, usize>,
    pending: Vec<NameChange>,
}

enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

enum NameChange {
    Set(OsString, usize),
    Remove(OsString),
    Rename(OsString, OsString, usize),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<OsString, usize>) {
        match self {
            Self::Set(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl DirNode {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }
}

impl MemFs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations have changed something so far, syncs included.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// How many of them were syncs.
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    /// Makes the operation number `number` (the first is 1) fail; a write fails half way. `None` lets all succeed.
    pub fn fail_at(&self, failure: Option<(u64, io::ErrorKind)>) {
        self.disk().fail_at = failure;
    }

    /// Lets the power go after so many operations: whatever comes later fails. [`MemFs::crash`] shows what is left.
    pub fn power_off_after(&self, operations: Option<u64>) {
        self.disk().power_off_after = operations;
    }

    /// Bounds the bytes of all files together: a write past it writes what fits and fails.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().capacity_bytes = bytes;
    }

    /// The bytes of all files together.
    pub fn used_bytes(&self) -> u64 {
        self.disk().used_bytes()
    }

    /// The disk as it may be found after the power went now. What was synced is there; of what was not, `seed` says what is lost,
    /// kept or torn. Seed 0 loses all of it. This disk stays as it is.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let disk = self.disk();
        let mut dice = Dice(seed);
        let nodes = disk
            .nodes
            .iter()
            .map(|node| match node {
                Node::File(file) => Node::File(file.after_crash(&mut dice)),
                Node::Dir(dir) => Node::Dir(dir.after_crash(&mut dice)),
            })
            .collect();
        let left = Disk {
            nodes,
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(left)),
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileNode {
    fn after_crash(&self, dice: &mut Dice) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (change, dice.roll(4)) {
                (_, 0) => {}
                (Change::SetLen(len), _) => bytes.resize(*len as usize, 0),
                (Change::Write(at, written), 1) => {
                    // Torn: some of the sectors arrived, in no order.
                    for (number, sector) in written.chunks(512).enumerate() {
                        if dice.roll(2) == 0 {
                            write(&mut bytes, *at as usize + number * 512, sector);
                        }
                    }
                }
                (Change::Write(at, written), 2) => {
                    // Cut off; where the length arrived and the bytes did not, there are zeros.
                    let keep = dice.roll(written.len() as u64 + 1) as usize;
                    write(&mut bytes, *at as usize, &written[..keep]);
                    if dice.roll(2) == 0 {
                        let end = *at as usize + written.len();
                        bytes.resize(bytes.len().max(end), 0);
                    }
                }
                (Change::Write(at, written), _) => write(&mut bytes, *at as usize, written),
            }
        }
        Self {
            now: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        }
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.pending.clear();
    }
}

impl DirNode {
    /// A journal keeps names in order: of the changes in one folder the first so many arrived.
    fn after_crash(&self, dice: &mut Dice) -> Self {
        let arrived = dice.roll(self.pending.len() as u64 + 1) as usize;
        let mut names = self.durable.clone();
        for change in &self.pending[..arrived] {
            change.apply(&mut names);
        }
        Self {
            now: names.clone(),
            durable: names,
            pending: Vec::new(),
        }
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.pending.clear();
    }
}

fn write(bytes: &mut Vec<u8>, at: usize, written: &[u8]) {
    if written.is_empty() {
        return;
    }
    let end = at + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(written);
}

impl Disk {
    /// Counts an operation that changes something.
    fn step(&mut self) -> io::Result<()> {
        self.powered()?;
        self.operations += 1;
        match self.fail_at {
            Some((number, kind)) if number == self.operations => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn powered(&self) -> io::Result<()> {
        if self
            .power_off_after
            .is_some_and(|last| self.operations >= last)
        {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// Of the files that still have a name.
    fn used_bytes(&self) -> u64 {
        let mut total = 0;
        let mut left = vec![0];
        while let Some(node) = left.pop() {
            match self.nodes.get(node) {
                Some(Node::File(file)) => total += file.now.len() as u64,
                Some(Node::Dir(dir)) => left.extend(dir.now.values()),
                None => {}
            }
        }
        total
    }

    fn root(&mut self) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::Dir(DirNode::default()));
        }
        0
    }

    fn dir(&mut self, node: usize) -> io::Result<&mut DirNode> {
        match self.nodes.get_mut(node) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file(&mut self, node: usize) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn find(&mut self, path: &Path) -> io::Result<usize> {
        let mut node = self.root();
        for name in names(path) {
            let next = self.dir(node)?.now.get(name).copied();
            node = next.ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The folder a path is in, and its name there.
    fn parent<'a>(&mut self, path: &'a Path) -> io::Result<(usize, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        Ok((parent, name))
    }
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

struct MemFile {
    fs: MemFs,
    node: usize,
    writable: bool,
}

impl MemFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl File for MemFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut disk = self.fs.disk();
        disk.powered()?;
        let bytes = &disk.file(self.node)?.now;
        let start = usize::try_from(position)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let read = buffer.len().min(bytes.len() - start);
        buffer[..read].copy_from_slice(&bytes[start..start + read]);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut disk = self.fs.disk();
        let stepped = disk.step();
        if stepped.is_err() && disk.powered().is_err() {
            return stepped;
        }
        let mut fits = bytes.len();
        let mut outcome = Ok(());
        if let Err(error) = stepped {
            fits /= 2;
            outcome = Err(error);
        }
        if let Some(capacity) = disk.capacity_bytes {
            let len = disk.file(self.node)?.now.len() as u64;
            let room = capacity.saturating_sub(disk.used_bytes() - len);
            let room = usize::try_from(room.saturating_sub(position)).unwrap_or(usize::MAX);
            if room < fits {
                fits = room;
                outcome = Err(io::ErrorKind::StorageFull.into());
            }
        }
        let file = disk.file(self.node)?;
        write(&mut file.now, position as usize, &bytes[..fits]);
        file.pending
            .push(Change::Write(position, bytes[..fits].to_vec()));
        outcome
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.fs.disk();
        disk.powered()?;
        Ok(disk.file(self.node)?.now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut disk = self.fs.disk();
        disk.step()?;
        let file = disk.file(self.node)?;
        file.now.resize(len as usize, 0);
        file.pending.push(Change::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.step()?;
        disk.syncs += 1;
        disk.file(self.node)?.sync();
        Ok(())
    }

    fn sync_file_system(&self) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.step()?;
        disk.syncs += 1;
        for node in &mut disk.nodes {
            match node {
                Node::File(file) => file.sync(),
                Node::Dir(dir) => dir.sync(),
            }
        }
        Ok(())
    }
}

struct MemLock {
    fs: MemFs,
    path: PathBuf,
}

impl Lock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.fs.disk().locks.remove(&self.path);
    }
}

impl Fs for MemFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.powered()?;
        let writable = how == Open::ReadWrite;
        let node = match disk.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && writable => {
                disk.step()?;
                let (parent, name) = disk.parent(path)?;
                disk.nodes.push(Node::File(FileNode::default()));
                let node = disk.nodes.len() - 1;
                disk.dir(parent)?.change(NameChange::Set(name.into(), node));
                node
            }
            found => found?,
        };
        disk.file(node)?;
        Ok(Arc::new(MemFile {
            fs: self.clone(),
            node,
            writable,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.powered()?;
        let mut node = disk.root();
        for name in names(path) {
            let there = disk.dir(node)?.now.get(name).copied();
            node = if let Some(there) = there {
                there
            } else {
                disk.step()?;
                disk.nodes.push(Node::Dir(DirNode::default()));
                let made = disk.nodes.len() - 1;
                disk.dir(node)?.change(NameChange::Set(name.into(), made));
                made
            };
        }
        disk.dir(node).map(drop)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let mut disk = self.disk();
        disk.powered()?;
        let node = disk.find(path)?;
        let entries = disk.dir(node)?.now.clone();
        Ok(entries
            .into_iter()
            .map(|(name, node)| (name.into(), matches!(disk.nodes[node], Node::Dir(_))))
            .collect())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let mut disk = self.disk();
        disk.powered()?;
        let node = disk.find(path)?;
        Ok(disk.file(node)?.now.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let node = disk.find(from)?;
        let (from_dir, from_name) = disk.parent(from)?;
        let (to_dir, to_name) = disk.parent(to)?;
        if from_dir != to_dir {
            // Its two halves would have to be kept or lost together; nobody needs it.
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let change = NameChange::Rename(from_name.into(), to_name.into(), node);
        disk.dir(from_dir)?.change(change);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let node = disk.find(from)?;
        disk.file(node)?;
        if disk.find(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (parent, name) = disk.parent(to)?;
        disk.dir(parent)?.change(NameChange::Set(name.into(), node));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let node = disk.find(path)?;
        disk.file(node)?;
        let (parent, name) = disk.parent(path)?;
        disk.dir(parent)?.change(NameChange::Remove(name.into()));
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let node = disk.find(path)?;
        disk.dir(node)?;
        let (parent, name) = disk.parent(path)?;
        disk.dir(parent)?.change(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        disk.syncs += 1;
        let node = disk.find(path)?;
        disk.dir(node)?.sync();
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut disk = self.disk();
        disk.powered()?;
        if !disk.locks.insert(path.into()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock {
            fs: self.clone(),
            path: path.into(),
        }))
    }
}

/// Numbers from a seed (splitmix64); seed 0 rolls nothing but 0.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        if self.0 == 0 {
            return 0;
        }
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15).max(1);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_new(fs: &MemFs, path: &str, bytes: &[u8]) -> Arc<dyn File> {
        let file = fs.open(Path::new(path), Open::ReadWrite).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    fn read(fs: &MemFs, path: &str) -> Option<Vec<u8>> {
        let file = fs.open(Path::new(path), Open::Read).ok()?;
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_was_not_synced_is_lost() {
        let fs = MemFs::new();
        let kept = write_new(&fs, "kept", b"abc");
        kept.sync_data().unwrap();
        fs.sync_dir(Path::new("")).unwrap();
        kept.write_all_at(b"XY", 1).unwrap();
        write_new(&fs, "nameless", b"abc").sync_data().unwrap();
        assert_eq!(read(&fs, "kept").unwrap(), b"aXY");
        let after = fs.crash(0);
        assert_eq!(read(&after, "kept").unwrap(), b"abc");
        assert_eq!(read(&after, "nameless"), None);
    }

    #[test]
    fn what_was_synced_survives_whatever_the_dice_say() {
        let fs = MemFs::new();
        fs.create_dir_all(Path::new("a/b")).unwrap();
        let file = write_new(&fs, "a/b/f", &[7; 2000]);
        file.sync_file_system().unwrap();
        file.write_all_at(&[8; 3000], 2000).unwrap();
        let mut outcomes = HashSet::new();
        for seed in 0..64 {
            let bytes = read(&fs.crash(seed), "a/b/f").unwrap();
            assert_eq!(bytes[..2000], [7; 2000]);
            outcomes.insert(bytes);
        }
        assert!(outcomes.len() > 10, "lost, kept and torn in many ways");
    }

    #[test]
    fn a_rename_is_kept_or_lost_as_one() {
        let fs = MemFs::new();
        write_new(&fs, "old", b"1").sync_data().unwrap();
        fs.sync_dir(Path::new("")).unwrap();
        fs.rename(Path::new("old"), Path::new("new")).unwrap();
        for seed in 0..16 {
            let after = fs.crash(seed);
            assert!(read(&after, "old").is_some() != read(&after, "new").is_some());
        }
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let fs = MemFs::new();
        let file = write_new(&fs, "f", b"12345");
        fs.set_capacity(Some(8));
        let error = file.write_all_at(b"67890", 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.len().unwrap(), 8);
        file.set_len(5).unwrap();
        fs.set_capacity(None);
        file.write_all_at(b"67890", 5).unwrap();
        assert_eq!(read(&fs, "f").unwrap(), b"1234567890");
    }

    #[test]
    fn operations_fail_when_they_are_told_to() {
        let fs = MemFs::new();
        let file = write_new(&fs, "f", b"1");
        let so_far = fs.operations();
        fs.fail_at(Some((so_far + 2, io::ErrorKind::Other)));
        file.sync_data().unwrap();
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        fs.power_off_after(Some(fs.operations()));
        assert!(file.sync_data().is_err());
        assert!(file.len().is_err());
        assert!(fs.open(Path::new("f"), Open::Read).is_err());
    }

    #[test]
    fn a_lock_is_held_once() {
        let fs = MemFs::new();
        let held = fs.lock(Path::new(".lock")).unwrap();
        assert!(fs.lock(Path::new(".lock")).is_err());
        drop(held);
        assert!(fs.lock(Path::new(".lock")).is_ok());
    }
}
