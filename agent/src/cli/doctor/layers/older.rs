//! Connections that are older than the protection of where they go.

use super::super::finding::{Area, Finding};
use super::super::stage::Stage;
use super::Layers;
use crate::intercept::Existing;

const CHECK: &str = "older-connections";

/// What becomes of them.
pub(super) fn judge(layers: &Layers<'_>, stage: &Stage) -> Finding {
    match &layers.kernel.sock_destroy {
        Err(unseen) if unseen.denied => {
            stage.unseen(Area::Layers, CHECK, "whether older connections are ended", unseen)
        }
        Err(unseen) => {
            Finding::warning(Area::Layers, CHECK, "connections from before the protection are not ended")
                .why(format!("{}; the guard drops their packets, so that they hang", unseen.why))
                .cure("end the processes that hold them, or reboot once portreeve starts at boot")
        }
        Ok(()) => match layers.config.existing {
            Existing::End => Finding::ok(
                Area::Layers,
                CHECK,
                "connections from before the protection are recorded and ended",
            ),
            Existing::Report => Finding::note(
                Area::Layers,
                CHECK,
                "connections from before the protection are recorded, and go on unjudged",
            )
            .why("intercept.existing is report")
            .cure("intercept: {existing: end}"),
        },
    }
}
