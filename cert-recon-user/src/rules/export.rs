//! Packs in other forms.

use super::pack::Pack;

/// x
pub fn kql_query(_packs: &[Pack]) -> String {
    String::new()
}
/// x
pub fn sigma_rules(_packs: &[Pack]) -> String {
    String::new()
}
/// x
pub fn toml_packs(_packs: &[Pack]) -> String {
    String::new()
}
