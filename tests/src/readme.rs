//! The programs of the front page; see `build.rs`.
#![allow(clippy::print_stdout, clippy::needless_question_mark, clippy::type_complexity)]

include!(concat!(env!("OUT_DIR"), "/readme.rs"));
