//! The pictures of the guide, drawn from what they are to say: `cargo run -p anthill-tests --bin pictures` writes them,
//! and a test compares.

mod lease;
mod request;
mod svg;

/// The files of `http/docs`, with what is in them.
pub fn all() -> [(&'static str, String); 2] {
    [("request.svg", request::picture()), ("lease.svg", lease::picture())]
}
