//! What texts mean, as tables: the catalog of a shop, and one line for each case.

mod attacks;
mod cascades;
mod code;
mod definitions;
mod details;
mod effects;
mod fixture;
mod lineage;
mod migrations;
mod plpgsql;
mod properties;
mod rewrites;
mod shapes;
mod statements;
mod steering;
mod strayed;
mod utilities;
