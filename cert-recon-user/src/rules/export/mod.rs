//! Packs in other forms: the Sentinel query with a user's lists in it, Sigma rules, and one TOML file for each pack.
//!
//! Owns what each form can say; never judges and never writes a file.

mod kql;
mod sigma;
mod toml;

pub use self::kql::kql_query;
pub use self::sigma::sigma_rules;
pub use self::toml::toml_packs;
