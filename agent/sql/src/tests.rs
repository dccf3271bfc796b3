//! What texts mean, as tables: the catalog of a shop, and one line for each case.

mod attacks;
mod fixture;
mod lineage;
mod properties;
mod statements;
mod utilities;
