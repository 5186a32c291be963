//! Our clients, for the benchmarks: that of any host as its documentation has it, and that of one host, with what can
//! be used again used again.

use crate::clients::{Question, Stage, by_threads};
use crate::latency::Histogram;
use anthill_http::Request;
use anthill_http::client::{Client, ClientResponse, HostClient, SendBody};

pub(crate) fn play(callers: usize, question: &Question, stage: &Stage) -> Result<Histogram, String> {
    let client = Client::builder().build().map_err(|error| error.to_string())?;
    let url = question.url();
    by_threads(callers, stage, || {
        let (client, url) = (client.clone(), &url[..]);
        Ok(move || {
            let request = match &question.body {
                Some(body) => client.post(url).send_body(SendBody::sized(&body[..], body.len() as u64)),
                None if question.is_last => client.get(url).header("Connection", "close"),
                None => client.get(url),
            };
            let mut response = request.send().map_err(|error| error.to_string())?;
            let body = response.read_body().map_err(|error| error.to_string())?;
            question.judge(response.status_code(), &body)
        })
    })
}

pub(crate) fn play_kept(callers: usize, question: &Question, stage: &Stage) -> Result<Histogram, String> {
    let client = HostClient::new(question.address.to_string()).map_err(|error| error.to_string())?;
    by_threads(callers, stage, || {
        let method = if question.body.is_some() { "POST" } else { "GET" };
        let mut request = Request::new(method, question.path).map_err(|error| error.to_string())?;
        if question.is_last {
            request.set_header("Connection", "close");
        }
        if let Some(body) = &question.body {
            request.set_body_vec(body.to_vec());
        }
        let client = client.clone();
        let (mut kept, mut body): (Option<ClientResponse>, _) = (None, Vec::new());
        Ok(move || {
            let sent = match &mut kept {
                Some(kept) => client.send_into(&request, kept),
                None => client.send(&request).map(|first| kept = Some(first)),
            };
            sent.map_err(|error| error.to_string())?;
            let Some(response) = &mut kept else { return Err("there is no response".to_owned()) };
            body.clear();
            response.read_body_into(&mut body).map_err(|error| error.to_string())?;
            question.judge(response.status_code(), &body)
        })
    })
}
