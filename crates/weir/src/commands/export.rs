//! `weir export`: a stretch of a video topic as an MP4 file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tempfile::NamedTempFile;
use weir_base::progress::{Progress, Snapshot};
use weir_base::units::show_bytes;
use weir_web::export::{Cut, Export, ExportError, Mark, Written};

use crate::context::Context;
use crate::output::write_stdout;
use crate::progress;

/// Options of `weir export`.
#[derive(Debug, Args)]
#[command(after_help = "For example, ten minutes of an afternoon: \
    weir export door door.mp4 --from 2026-01-31T15:00:00+01:00 --to 2026-01-31T15:10:00+01:00\n\
    The last half minute: weir export door door.mp4 --from -30s\n\
    WHERE is a time (the records' own: when the pictures were captured), milliseconds since 1970, 0:30 or 1:02:03 from the first\n\
    picture, -10m before the last, an offset such as 42, -N for the last N records, beginning or end.\n\
    Pictures pass through as they are: H.264, H.265, VP9, AV1; so does sound beside them, AAC or Opus. The file begins where it was asked to, by an edit list in front of\n\
    which the pictures since the last key frame lie; on standard output, as fragmented MP4, it begins at that key frame and has no sound.")]
pub struct ExportArgs {
    /// The topic
    topic: String,
    /// The file to write, or - for standard output; it appears when it is whole
    file: PathBuf,
    /// Where to begin [default: the first picture there is]
    #[arg(short, long, value_name = "WHERE", allow_hyphen_values = true)]
    from: Option<Mark>,
    /// In front of what to end [default: behind the last picture there is now]
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    to: Option<Mark>,
    /// The camera, where several are in the topic: its records' key
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Writes the film that was asked for, and reports.
pub async fn run(args: ExportArgs, context: &Context) -> anyhow::Result<()> {
    let to_stdout = args.file.as_os_str() == "-";
    let beside = if to_stdout {
        None
    } else {
        Some(beside(&args.file, args.force)?)
    };
    let export = Export {
        topic: args.topic.clone(),
        from: args.from,
        to: args.to,
        key: args.key.clone(),
    };
    let kafka = context.kafka()?;
    let cut = tokio::select! {
            cut = export.open(&kafka) => cut?,
            () = context.shutdown.cancelled() => {
     interrupted(context);
     return Ok(());
    }
        };
    let progress = progress::reporter(context);
    let step = step(&cut, progress.clone());
    let written = match beside {
        None => {
            let mut out = BufWriter::with_capacity(1 << 20, io::stdout());
            tokio::select! {
                written = cut.write_fragments(&mut out, step) => written,
                () = context.shutdown.cancelled() => return Ok(()),
            }
            .map_err(|error| of_file(error, "standard output"))?
        }
        Some(beside) => {
            // Dropped on any other way out of here, and with it the file.
            let mut out = BufWriter::with_capacity(1 << 20, beside);
            let written = tokio::select! {
                            written = cut.write_file(&mut out, step) => written,
                            () = context.shutdown.cancelled() => {
             interrupted(context);
             return Ok(());
            }
                        };
            let name = args.file.display().to_string();
            let written = written.map_err(|error| of_file(error, &name))?;
            let beside = out
                .into_inner()
                .map_err(|error| of_io(error.error(), &name))?;
            put_in_place(beside, &args.file, args.force)?;
            written
        }
    };
    drop(progress);
    report(&args, &written, to_stdout, context)
}

/// A file of its own in the folder of the one to come, which is looked at before Kafka is asked for anything.
fn beside(file: &Path, force: bool) -> anyhow::Result<NamedTempFile> {
    let name = file.display();
    if file.is_dir() {
        bail!("{name} is a folder: name a file in it, such as {name}/film.mp4");
    }
    if !force && file.symlink_metadata().is_ok() {
        bail!("{name} is there already: choose another name, or write over it with --force");
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".weir-export-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any new file, less what the umask takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
        .tempfile_in(folder)
        .map_err(|error| of_io(&error, &folder.display().to_string()))
}

/// Gives the whole file its name.
fn put_in_place(beside: NamedTempFile, file: &Path, force: bool) -> anyhow::Result<()> {
    let name = file.display();
    beside
        .as_file()
        .sync_all()
        .map_err(|error| of_io(&error, &name.to_string()))?;
    let placed: Result<File, _> = if force {
        beside.persist(file)
    } else {
        beside.persist_noclobber(file)
    };
    match placed {
        Ok(_) => Ok(()),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name} was made by somebody else meanwhile: write over it with --force")
        }
        Err(failed) => Err(of_io(&failed.error, &name.to_string())),
    }
}

/// Shows where it is.
fn step(cut: &Cut, progress: Arc<dyn Progress>) -> impl FnMut(&Written) + use<> {
    let longest_us = i64::try_from(cut.longest().as_micros()).ok();
    move |written| {
        progress.update(&Snapshot {
            position_us: Some(written.duration_us),
            duration_us: longest_us,
            records: written.pictures,
            bytes: written.bytes,
            ..Snapshot::default()
        });
    }
}

fn report(
    args: &ExportArgs,
    written: &Written,
    to_stdout: bool,
    context: &Context,
) -> anyhow::Result<()> {
    if written.missing > 0 {
        eprintln!(
            "weir: {} records were deleted by the topic's retention while they were read, and are missing",
            written.missing
        );
    }
    let (first, last) = written.offsets;
    let said = if context.json {
        let object = json!({
            "topic": args.topic,
            "file": args.file.display().to_string(),
            "begins_ms": written.begins.map(|time| time.0),
            "duration_ms": written.duration_us / 1_000,
            "first_offset": first,
            "last_offset": last,
            "pictures": written.pictures,
            "bytes": written.bytes,
        });
        format!("{object}\n")
    } else {
        format!(
            "{}: {} of video, {} pictures, {}\n",
            if to_stdout {
                "standard output".to_owned()
            } else {
                args.file.display().to_string()
            },
            progress::clock_time(written.duration_us),
            written.pictures,
            show_bytes(written.bytes)
        )
    };
    match (to_stdout, context.json) {
        // Standard output is the film.
        (true, true) => eprint!("{said}"),
        (false, true) => write_stdout(said.as_bytes())?,
        _ if context.quiet => {}
        _ => eprint!("weir: {said}"),
    }
    Ok(())
}

fn interrupted(context: &Context) {
    if !context.quiet {
        eprintln!("weir: interrupted, there is no file");
    }
}

/// The error of writing to a file or a pipe, which is named; what Kafka or the video has to say stands as it is.
fn of_file(error: ExportError, name: &str) -> anyhow::Error {
    match error {
        ExportError::Io(error) => of_io(&error, name),
        error => error.into(),
    }
}

fn of_io(error: &io::Error, name: &str) -> anyhow::Error {
    let error = io::Error::new(error.kind(), error.to_string());
    anyhow::Error::new(error).context(format!("cannot write {name}"))
}
