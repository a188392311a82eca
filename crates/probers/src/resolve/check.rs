//! Fresh lookups that show whether the name servers work.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Resolver;
use super::lookup::{self, Answer, Try};
use super::queue::Rank;
use seedwatch_torrent::Host;
use seedwatch_tracker::NameAnswer;

/// The time limit of a lookup.
const CHECK: Try = Try {
    within: Duration::from_secs(5),
    is_last: true,
};

impl Resolver {
    /// Looks up names without regard to the cache. Names of the hosts file say nothing about the
    /// name servers and are left out. `None` if this machine lacked the resources.
    pub async fn ask_all_afresh(&self, names: &[Host]) -> Option<Vec<(Host, NameAnswer)>> {
        let mut asking = JoinSet::new();
        for host in names.iter().cloned() {
            let resolver = self.clone();
            asking.spawn(async move {
                let answer = resolver.ask_afresh(&host).await;
                (host, answer)
            });
        }
        let mut answers = Vec::new();
        let mut is_short = false;
        while let Some(done) = asking.join_next().await {
            match done {
                Ok((host, Fresh::Said(answer))) => answers.push((host, answer)),
                Ok((_, Fresh::NotAsked)) => {}
                Ok((_, Fresh::NoResources)) | Err(_) => is_short = true,
            }
        }
        let resolves = answers.iter().any(|it| it.1 == NameAnswer::Resolved);
        (resolves || !is_short).then_some(answers)
    }

    async fn ask_afresh(&self, host: &Host) -> Fresh {
        let Host::Name(name) = host else {
            return Fresh::NotAsked;
        };
        let Some(_place) = self.inner.queue.enter(Rank::Urgent, 0).await else {
            return Fresh::NoResources;
        };
        match lookup::run(&self.inner.upstream.get(), name, CHECK).await {
            Some(answer) => Fresh::of(&answer),
            None => Fresh::Said(NameAnswer::Failed),
        }
    }
}

/// The end of a fresh lookup.
enum Fresh {
    /// The name servers were asked.
    Said(NameAnswer),
    /// The hosts file has the name.
    NotAsked,
    /// This machine has no descriptors or memory.
    NoResources,
}

impl Fresh {
    fn of(answer: &Answer) -> Self {
        match &answer.addresses {
            Ok(_) if answer.took.is_none() => Self::NotAsked,
            Ok(_) => Self::Said(NameAnswer::Resolved),
            Err(failed) if failed.is_ours => Self::NoResources,
            Err(_) if answer.is_missing => Self::Said(NameAnswer::Missing),
            Err(_) => Self::Said(NameAnswer::Failed),
        }
    }
}
