//! One word, one thing: no two types of one name in a library.
//!
//! The exception is a type whose users say where it is from (`form::Error`, `multipart::Limits`): one that is public
//! behind a public module. However many of those there are, of the others, private or at the library's root, there is
//! one at most.

use std::collections::BTreeMap;

use super::findings;
use super::layers::{FLOORS, library};
use super::library::Library;

/// Names with more than one type that nothing qualifies, and where they are.
fn repeated(library: &Library) -> BTreeMap<&str, Vec<&str>> {
    let qualified = library.qualified_types();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (found, place) in &library.types {
        if !qualified.contains(&(found.by.clone(), found.name.clone())) {
            places.entry(&found.name).or_default().push(place);
        }
    }
    places.retain(|_, places| places.len() > 1);
    places
}

#[test]
fn no_type_name_is_there_twice() {
    let mut found = Vec::new();
    for (name, _) in FLOORS {
        let library = library(name);
        assert!(library.types.len() > 50, "only {} types were found in {name}", library.types.len());
        let repeated = repeated(&library);
        found.extend(repeated.into_iter().map(|(word, at)| (format!("{name}: {word}"), at.join(", "))));
    }
    findings::none("a name of two types", &found);
}

#[test]
fn only_public_modules_qualify() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let library = Library::new("ours", files);
        assert_eq!(library.complaints, [""; 0]);
        assert_eq!(repeated(&library).into_keys().collect::<Vec<_>>(), expected, "{files:?}");
    };
    let own = ("a.rs", "pub struct Error;");
    // One at the root, one behind a public module, one more behind another one.
    check(
        &[
            ("lib.rs", "mod a; pub mod b; pub mod c; pub use a::Error;"),
            own,
            ("b.rs", "pub struct Error;"),
            ("c.rs", "pub enum Error {}"),
        ],
        &[],
    );
    // Passed on by public modules, also under names that the root gives them.
    let inner = ("v/b/error.rs", "pub struct Error;");
    check(
        &[
            ("lib.rs", "mod a; mod v; pub use v::b;"),
            own,
            ("v/mod.rs", "pub mod b;"),
            ("v/b/mod.rs", "mod error; pub use error::Error;"),
            inner,
        ],
        &[],
    );
    check(
        &[
            ("lib.rs", "mod a; mod v; pub mod b { pub use crate::v::b::error::Error; }"),
            own,
            ("v/mod.rs", "pub mod b;"),
            ("v/b/mod.rs", "pub(crate) mod error;"),
            inner,
        ],
        &[],
    );
    // Private, in private modules, at the root twice, or not passed on.
    check(&[("lib.rs", "mod a; mod b;"), own, ("b.rs", "pub struct Error;")], &["Error"]);
    check(&[("lib.rs", "mod a; pub mod b;"), own, ("b.rs", "struct Error;")], &["Error"]);
    check(&[("lib.rs", "mod a; pub mod b;"), own, ("b.rs", "pub(crate) struct Error;")], &["Error"]);
    check(&[("lib.rs", "mod a; pub(crate) mod b;"), own, ("b.rs", "pub struct Error;")], &["Error"]);
    check(
        &[
            ("lib.rs", "mod a; mod b; pub use a::Error; pub use b::Error as Other;"),
            own,
            ("b.rs", "pub struct Error;"),
        ],
        &["Error"],
    );
    check(
        &[("lib.rs", "mod a; pub mod b;"), own, ("b.rs", "mod c { pub struct Error; } use c::Error;")],
        &["Error"],
    );
    check(
        &[
            ("lib.rs", "mod a;"),
            ("a.rs", "type Error = u8; mod b { trait Error {} } mod c { enum Error {} }"),
        ],
        &["Error"],
    );
}
