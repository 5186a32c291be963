//! reqwest, both of its clients, with their defaults.

use super::stage::Stage;
use super::{Question, by_tasks, by_threads};
use crate::latency::Histogram;
use std::sync::Arc;

pub(super) fn play_blocking(callers: usize, question: &Question, stage: &Stage) -> Result<Histogram, String> {
    let client = reqwest::blocking::Client::builder().no_proxy().build();
    let client = client.map_err(|error| error.to_string())?;
    let url = question.url();
    by_threads(callers, stage, || {
        let (client, url) = (client.clone(), &url);
        Ok(move || {
            let request = match &question.body {
                Some(body) => client.post(url).body(body.clone()),
                None if question.is_last => client.get(url).header("Connection", "close"),
                None => client.get(url),
            };
            let response = request.send().map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            question.judge(status, &response.bytes().map_err(|error| error.to_string())?)
        })
    })
}

pub(super) fn play(callers: usize, question: &Question, stage: &Arc<Stage>) -> Result<Histogram, String> {
    by_tasks(callers, stage, || {
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let (url, question) = (question.url(), Arc::new(question.clone()));
        Ok(Arc::new(move || {
            let request = match &question.body {
                Some(body) => client.post(&url).body(body.clone()),
                None if question.is_last => client.get(&url).header("Connection", "close"),
                None => client.get(&url),
            };
            let question = question.clone();
            async move {
                let response = request.send().await.map_err(|error| error.to_string())?;
                let status = response.status().as_u16();
                question.judge(status, &response.bytes().await.map_err(|error| error.to_string())?)
            }
        }))
    })
}
