//! What is said about files by their names: types, and fields by patterns.

use super::content::FileTags;
use super::glob::PathPattern;
use super::media_types::{TypeTable, extension, media_type};
use std::borrow::Cow;

/// Tells the type that goes with an extension, if it knows one.
pub(super) type TypesBy = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How the type of a file is found.
pub(super) struct TypeRules {
    pub(super) table: TypeTable,
    pub(super) by: Option<TypesBy>,
    pub(super) charset: Option<String>,
    pub(super) sniffs: bool,
    pub(super) nosniff: bool,
}

impl TypeRules {
    /// The type of what is called so, if its name tells.
    pub(super) fn of(&self, path: &[u8]) -> Option<Cow<'static, str>> {
        let extension = extension(path)?;
        if let Some(added) = self.table.added(extension) {
            return Some(added.to_owned().into());
        }
        let told = self.by.as_ref().and_then(|by| by(extension)).filter(|told| is_field_value(told));
        told.map(Cow::Owned).or_else(|| media_type(extension).map(Cow::Borrowed))
    }
}

/// Whether that can stand in a field.
pub(super) fn is_field_value(value: &str) -> bool {
    !value.trim().is_empty() && value.bytes().all(|byte| byte >= b' ' && byte != 0x7f)
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
