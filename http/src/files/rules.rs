//! What is said about files by their names: types, and fields by patterns.

use super::content::FileTags;
use super::glob::PathPattern;
use super::media_types::TypeTable;

/// How the type of a file is found.
#[derive(Debug)]
pub(super) struct TypeRules {
    pub(super) table: TypeTable,
    pub(super) charset: Option<String>,
    pub(super) sniffs: bool,
    pub(super) nosniff: bool,
}

/// Fields that files have by their paths.
#[derive(Debug, Default)]
pub(super) struct FieldRules {
    pub(super) tags: FileTags,
    /// The first that matches counts.
    pub(super) cache_control: Vec<(PathPattern, String)>,
    pub(super) immutable_names: bool,
    pub(super) attachments: Vec<PathPattern>,
}
