//! actix-web with a worker per lane; everything else is its default.

use super::routes::{self, Chore};
use super::{LANES, compressing};
use actix_web::middleware::Compress;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::collections::HashMap;
use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

pub(super) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let app = || {
        App::new()
            .route("/", web::get().to(hello))
            .service(web::resource([routes::SLEEP, routes::SPIN]).route(web::get().to(work)))
    };
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(app).workers(LANES).disable_signals().listen(listener)?.run().await?;
        Ok(())
    })
}

/// The files of a folder, as actix-files serves them.
pub(super) fn serve_files(listener: TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    let root = root.to_owned();
    let app = move || App::new().service(actix_files::Files::new("/", &root));
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(app).workers(LANES).disable_signals().listen(listener)?.run().await?;
        Ok(())
    })
}

/// Bodies that are compressed for each request, as actix-web does it.
pub(super) fn serve_compressing(listener: TcpListener, root: &Path) -> Result<(), Box<dyn Error>> {
    let bodies: Bodies =
        Arc::new(compressing::bodies(root)?.into_iter().map(|(path, body)| (path, body.into())).collect());
    let app = move || {
        let bodies = web::Data::from(bodies.clone());
        App::new().wrap(Compress::default()).app_data(bodies).default_service(web::get().to(body))
    };
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(app).workers(LANES).disable_signals().listen(listener)?.run().await?;
        Ok(())
    })
}

type Bodies = Arc<HashMap<String, web::Bytes>>;

async fn body(request: HttpRequest, bodies: web::Data<HashMap<String, web::Bytes>>) -> HttpResponse {
    match bodies.get(request.path()) {
        Some(body) => HttpResponse::Ok().content_type(compressing::CONTENT_TYPE).body(body.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().content_type(routes::CONTENT_TYPE).body(routes::HELLO)
}

async fn work(request: HttpRequest) -> HttpResponse {
    let Some(chore) = Chore::of(request.path(), request.query_string()) else {
        return HttpResponse::BadRequest().finish();
    };
    match web::block(move || chore.run()).await {
        Ok(body) => HttpResponse::Ok().content_type(routes::CONTENT_TYPE).body(body),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
