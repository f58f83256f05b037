//! Made-up records, each sent when it is due.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::Clock;
use weir_client::NewRecord;

use crate::outlet::Outlet;
use crate::pace::{Pacer, sleep};
use crate::{Ended, Snapshot, SourceError};

/// What is overdue by more than this is not made up for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Records that come one after another.
pub(crate) trait Material {
    /// When the next one is due, since the start; `None` when there is no more.
    fn due(&self) -> Option<Duration>;
    /// The next one. The pacer knows the time on the wall.
    fn take(&mut self, pacer: &Pacer) -> NewRecord;
    /// How many there will be, where that is known.
    fn total(&self) -> Option<u64>;
}

/// Sends all of it, until its end or `shutdown`.
pub(crate) async fn send_when_due(
    material: &mut impl Material,
    outlet: &mut Outlet,
    clock: &dyn Clock,
    shutdown: &CancellationToken,
) -> Result<Ended, SourceError> {
    let mut pacer = Pacer::start(clock);
    while let Some(due) = material.due() {
        let late = pacer.late(due, clock);
        if late > PATIENCE {
            pacer.forgive(late);
        }
        if !sleep(pacer.wait(due, clock), shutdown).await
            || !outlet.send(material.take(&pacer), shutdown).await?
        {
            return Ok(Ended::Shutdown);
        }
        let total = material.total();
        outlet.tell(|| Snapshot {
            total,
            ..Snapshot::default()
        });
    }
    Ok(Ended::Finished)
}
