//! TEMPORARY
use super::{Range, coverage::Coverage, summary::Summary};
use std::{io, time::SystemTime};
/// T
#[derive(Debug)]
pub struct Head;
impl Head {
    /// T
    #[must_use]
    pub fn new(_: &str, _: SystemTime, _: &Coverage, _: Range) -> Self {
        Self
    }
}
/// T
/// # Errors
/// T
pub fn write(
    _: &mut impl io::Write,
    _: &Head,
    _: &Summary,
    _: impl Iterator<Item = io::Result<Vec<u8>>>,
) -> io::Result<()> {
    Ok(())
}
