//! Sessions between a client that sends what it likes and a model of PostgreSQL.

mod client;
pub(crate) mod fixture;
mod journal;
mod server;
mod world;

mod allocations;
mod copy;
mod ending;
mod facts;
mod hold;
mod masking;
mod names;
mod pipeline;
mod properties;
mod record;
mod start;
mod streamed;
mod time;
