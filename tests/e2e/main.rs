//! The stories: what a job, a reviewer, an operator and an auditor live through, from outside.
//!
//! Each runs in a [`e2e::World`] of its own; `cargo xtask e2e` runs them, as root.

mod asking;
mod attempts;
mod audit;
mod backend;
mod bodies;
mod called;
mod cascades;
mod claims;
mod code;
mod conditions;
mod container_servers;
mod containers;
mod conversations;
mod crash;
mod cursors;
mod demo;
mod doctor;
mod effects;
mod encryption;
mod ends;
mod errors;
mod hold;
mod honest;
mod interception;
mod majors;
mod masking;
mod meaning;
mod observing;
mod operation;
mod plans;
mod protected;
mod protocol;
mod refusal;
mod relay;
mod replication;
mod restart;
mod search_path;
mod states;
mod steps;
mod store;
mod streams;
mod suggesting;
mod transactions;
mod unseen;
