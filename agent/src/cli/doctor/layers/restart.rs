//! What becomes of connections that begin while the daemon is restarted.

use super::super::finding::{Area, Finding};
use super::Layers;

const CHECK: &str = "restart";

/// Whether the service manager keeps the listeners meanwhile.
pub(super) fn judge(layers: &Layers<'_>) -> Finding {
    let Some(service) = layers.service else {
        return Finding::note(
            Area::Layers,
            CHECK,
            "no service manager keeps the listeners while the daemon restarts",
        )
        .why("connections that begin meanwhile wait about ten seconds in the client's kernel, then fail");
    };
    match service.stored_most {
        Some(0) => Finding::warning(
            Area::Layers,
            CHECK,
            "systemd does not keep the listeners while the daemon restarts",
        )
        .why(format!("{} has no file descriptor store", service.unit))
        .cure(format!("systemctl edit {}: [Service] FileDescriptorStoreMax=4096", service.unit)),
        Some(most) => {
            let what = format!(
                "systemd keeps the listeners while the daemon restarts: {} of at most {most}",
                service.stored
            );
            let finding = if service.stored >= most { Finding::warning } else { Finding::ok };
            finding(Area::Layers, CHECK, what)
        }
        None => Finding::note(Area::Layers, CHECK, "whether systemd keeps the listeners is not known"),
    }
}
