//! hyper-util's legacy client, with its defaults: what most clients on tokio are made of.

use super::stage::Stage;
use super::{Question, by_tasks};
use crate::latency::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::CONNECTION;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;

pub(super) fn play(callers: usize, question: &Question, stage: &Arc<Stage>) -> Result<Histogram, String> {
    by_tasks(callers, stage, || {
        let mut connector = HttpConnector::new();
        // As all the others have it.
        connector.set_nodelay(true);
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let url: Uri = question.url().parse().map_err(|error| format!("{error}"))?;
        let question = Arc::new(question.clone());
        Ok(Arc::new(move || {
            let (client, url, question) = (client.clone(), url.clone(), question.clone());
            async move {
                let method = if question.body.is_some() { "POST" } else { "GET" };
                let mut request = Request::builder().method(method).uri(url);
                if question.is_last {
                    request = request.header(CONNECTION, "close");
                }
                let request = request.body(Full::new(question.body.clone().unwrap_or_default()));
                let request = request.map_err(|error| error.to_string())?;
                let response = client.request(request).await.map_err(|error| error.to_string())?;
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
                question.judge(status, &body.to_bytes())
            }
        }))
    })
}
