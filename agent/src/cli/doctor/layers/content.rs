//! What is done about PostgreSQL on ports that are not protected.

use super::super::finding::{Area, Finding};
use super::Layers;
use crate::intercept::Content;

const CHECK: &str = "content-guard";

/// What the content guard comes to: as it is in force, else as it is configured.
pub(super) fn judge(layers: &Layers<'_>) -> Finding {
    let settings = layers.pinned().and_then(|pinned| pinned.settings);
    let content = match (settings, layers.config.content) {
        (Some(settings), _) if !settings.looks => Content::Off,
        (Some(settings), _) if settings.refuses => Content::Refuse,
        // The kernel side reports, whatever is made of it.
        (Some(_), Content::Adopt) => Content::Adopt,
        (Some(_), _) => Content::Report,
        (None, configured) => configured,
    };
    match content {
        Content::Off => Finding::note(Area::Layers, CHECK, "nobody looks for PostgreSQL on ports that are not protected")
            .why("intercept.content is off: a database behind another port, or behind a tunnel in clear text, goes past")
            .cure("intercept: {content: report}, or refuse"),
        Content::Report => {
            Finding::ok(Area::Layers, CHECK, "PostgreSQL on ports that are not protected is recorded, and passes")
        }
        Content::Refuse => {
            Finding::ok(Area::Layers, CHECK, "PostgreSQL on ports that are not protected is recorded, and ended")
        }
        Content::Adopt => Finding::ok(
            Area::Layers,
            CHECK,
            "PostgreSQL on ports that are not protected is recorded, and protected from its next connection on",
        ),
    }
}
