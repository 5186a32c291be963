//! actix-web with a worker per lane; everything else is its default.

use super::{LANES, routes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::error::Error;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

pub(super) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let app = || App::new().route("/", web::get().to(hello)).route(routes::SLEEP, web::get().to(sleep));
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(app).workers(LANES).disable_signals().listen(listener)?.run().await?;
        Ok(())
    })
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().content_type(routes::CONTENT_TYPE).body(routes::HELLO)
}

async fn sleep(request: HttpRequest) -> HttpResponse {
    let Some(millis) = routes::millis(request.query_string()) else {
        return HttpResponse::BadRequest().finish();
    };
    match web::block(move || thread::sleep(Duration::from_millis(millis))).await {
        Ok(()) => HttpResponse::Ok().content_type(routes::CONTENT_TYPE).body(millis.to_string()),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
