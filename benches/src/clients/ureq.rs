//! ureq: one agent, whose pool is as large as there are callers.

use super::stage::Stage;
use super::{BODY_BYTES, Question, by_threads};
use crate::latency::Histogram;
use ureq::Agent;

pub(super) fn play(callers: usize, question: &Question, stage: &Stage) -> Result<Histogram, String> {
    let config = Agent::config_builder()
        .max_idle_connections(callers)
        .max_idle_connections_per_host(callers)
        .proxy(None)
        .build();
    let agent = Agent::new_with_config(config);
    let url = question.url();
    by_threads(callers, stage, || {
        let (agent, url) = (agent.clone(), &url);
        Ok(move || {
            let asked = match &question.body {
                Some(body) => agent.post(url).send(&body[..]),
                None if question.is_last => agent.get(url).header("Connection", "close").call(),
                None => agent.get(url).call(),
            };
            let mut response = asked.map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(2 * BODY_BYTES as u64).read_to_vec();
            question.judge(status, &body.map_err(|error| error.to_string())?)
        })
    })
}
