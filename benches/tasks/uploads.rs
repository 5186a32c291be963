//! Files that come by a form and go in any parts: what our example of that name does, by axum.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceBuilder;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

const BYTES_MAX: usize = 1 << 30;

enum Failure {
    Form(MultipartError),
    NoFile,
    Ours(std::io::Error),
}

impl From<MultipartError> for Failure {
    fn from(error: MultipartError) -> Self {
        Self::Form(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Ours(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Form(error) => error.into_response(),
            Self::NoFile => (StatusCode::BAD_REQUEST, "the form has no file").into_response(),
            Self::Ours(error) => {
                eprintln!("uploads: {error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("uploads: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::var_os("FOLDER").map_or("uploads".into(), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let nosniff = (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let files = ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(nosniff.0, nosniff.1))
        .service(ServeDir::new(&folder));
    let router = Router::new()
        .route("/", post(receive).layer(DefaultBodyLimit::max(BYTES_MAX)))
        .nest_service("/files", files)
        .with_state(Arc::new(folder));
    let address = std::env::var("ADDRESS").unwrap_or("localhost:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended()).await?)
}

async fn ended() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn receive(State(folder): State<Arc<PathBuf>>, mut form: Multipart) -> Result<Response, Failure> {
    while let Some(field) = form.next_field().await? {
        if field.name() != Some("file") {
            continue;
        }
        let name = name(field.file_name().unwrap_or_default());
        let path = folder.join(&name);
        let bytes = match save(field, &path).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let _ = fs::remove_file(&path).await; // half a file
                return Err(error);
            }
        };
        let location = [(header::LOCATION, format!("/files/{name}"))];
        return Ok((StatusCode::CREATED, location, format!("{bytes} bytes\n")).into_response());
    }
    Err(Failure::NoFile)
}

async fn save(mut field: Field<'_>, path: &Path) -> Result<u64, Failure> {
    let mut file = File::create_new(path).await?;
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await? {
        file.write_all(&chunk).await?;
        bytes += chunk.len() as u64;
    }
    file.flush().await?;
    Ok(bytes)
}

/// A name of our own; of the client's, a stranger's, no more than what kind of file it says it is.
fn name(theirs: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let kind = Path::new(theirs).extension().and_then(|kind| kind.to_str());
    let kind =
        kind.filter(|kind| kind.len() <= 8 && kind.bytes().all(|letter| letter.is_ascii_alphanumeric()));
    format!("{now:x}.{}", kind.unwrap_or("bin"))
}
