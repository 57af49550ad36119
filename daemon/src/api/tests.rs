//! What is answered when a thread hangs.

use openproxy_core::io::Command;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{Report, StateName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::document::tests::{look, report};
use super::*;
use crate::discovery::document::tests::snapshot;
use crate::discovery::driver::Request as Wish;

/// A daemon of which a thread may hang: one virtual router, `eth0/50/IPv4`, and one shard, `p/0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    pub(super) routers_answer: bool,
    pub(super) discovery_answers: bool,
    pub(super) state: StateName,
}

/// All threads answer.
pub(super) const WELL: World =
    World { routers_answer: true, discovery_answers: true, state: StateName::Master };
/// The thread of the virtual routers hangs.
pub(super) const NO_ROUTERS: World = World { routers_answer: false, ..WELL };
/// That of discovery does.
pub(super) const NO_DISCOVERY: World = World { discovery_answers: false, ..WELL };

impl World {
    /// The answer to a request in HTTP/1.0, which has no body and ends before the empty line.
    pub(super) async fn ask(self, request: &str, caller: Caller) -> String {
        let (looks, looked) = mpsc::channel(8);
        let (to_routers, commands) = mpsc::channel(8);
        let (wishes, wished) = mpsc::channel(8);
        let (changes, _) = broadcast::channel(8);
        let sources = Sources {
            process: Process::new("openproxy.toml".into()),
            routers: Routers::new(looks, to_routers),
            history: History::default(),
            topologies: Topologies::new(wishes, changes),
        };
        let (mut ours, theirs) = duplex(1 << 16);
        let asks = async {
            ours.write_all(format!("{request}\r\n\r\n").as_bytes()).await.expect("it reads");
            let mut text = String::new();
            // Who watches gets no end, so the first line of the body is all that is waited for.
            while !text.ends_with("}\n") || !text.contains("ndjson") {
                let mut bytes = [0; 1 << 12];
                match ours.read(&mut bytes).await.expect("an answer") {
                    0 => break,
                    len => text += &String::from_utf8_lossy(&bytes[..len]),
                }
            }
            drop(ours);
            text
        };
        let serves = serve(theirs, caller, sources);
        tokio::select! {
            ((), text) = async { tokio::join!(serves, asks) } => text,
            () = self.routers(looked, commands) => unreachable!("it has no end"),
            () = self.discovery(wished) => unreachable!("it has no end"),
            () = tokio::time::sleep(2 * ANSWER_TIME_MAX) => panic!("{request}: it waits"),
        }
    }

    async fn routers(
        self,
        mut looked: mpsc::Receiver<oneshot::Sender<Look>>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        // What isn't answered is kept: whoever waits for it would do so for ever.
        let mut unanswered = Vec::new();
        let mut routers: Vec<Report> = vec![report(self.state)];
        loop {
            tokio::select! {
                Some(answer) = looked.recv() => {
                    if self.routers_answer {
                        let _ = answer.send(look(routers.clone()));
                    } else {
                        unanswered.push(answer);
                    }
                }
                Some(command) = commands.recv() => if let Command::SetDuty(keys, duty) = command {
                    let told = routers.iter_mut().filter(|r| keys.contains(&r.config.key));
                    told.for_each(|router| router.duty = duty);
                },
                // Nobody can ask any more; the answer is on its way.
                else => std::future::pending().await,
            }
        }
    }

    async fn discovery(self, mut wished: mpsc::Receiver<Wish>) {
        let mut unanswered = Vec::new();
        let known = snapshot();
        while let Some(wish) = wished.recv().await {
            let shard = |id: &ShardId| known.shards.iter().find(|(shard, _)| shard == id);
            match wish {
                Wish::Look(answer) if self.discovery_answers => {
                    let _ = answer.send(known.clone());
                }
                Wish::LookAt(id, answer) if self.discovery_answers => {
                    let _ =
                        answer.send(shard(&id).map(|(_, known)| (known.clone(), Instant::ZERO)));
                }
                Wish::Forget(id, answer) if self.discovery_answers => {
                    let _ = answer.send(shard(&id).is_some());
                }
                Wish::Look(_) | Wish::LookAt(..) | Wish::Forget(..) | Wish::Reconfigure(_) => {
                    unanswered.push(wish);
                }
            }
        }
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_hangs_is_told_of_and_holds_up_nobody() {
    let (routers, discovery) = ("the virtual routers doesn't", "discovery doesn't");
    for (request, world, expected, text) in [
        ("GET /health", WELL, "200", "all threads answer"),
        ("GET /health", NO_ROUTERS, "503", routers),
        ("GET /health", NO_DISCOVERY, "503", discovery),
        ("GET /ready", NO_ROUTERS, "503", routers),
        ("GET /routers/eth0/50/master", NO_ROUTERS, "503", routers),
        ("GET /pools/p/shards/0/any", NO_DISCOVERY, "503", discovery),
        ("GET /metrics", NO_ROUTERS, "200", "openproxy_thread_answers{thread=\"vrrp\"} 0"),
        ("GET /status", NO_DISCOVERY, "200", discovery),
        ("GET /status?watch", NO_DISCOVERY, "503", discovery),
        ("GET /status?watch", NO_ROUTERS, "503", routers),
        ("GET /status?watch", WELL, "200", "\"10.0.0.1\""),
        ("GET /topology", NO_DISCOVERY, "503", discovery),
        ("GET /topology", NO_ROUTERS, "200", "\"10.0.0.1\""),
        ("GET /topology?watch", NO_DISCOVERY, "503", discovery),
        ("GET /topology?watch", NO_ROUTERS, "200", "\"10.0.0.1\""),
        ("POST /forget/p/0", NO_DISCOVERY, "503", discovery),
        ("POST /stepdown", NO_ROUTERS, "503", routers),
        ("POST /maintenance/on", NO_ROUTERS, "503", routers),
    ] {
        let said = world.ask(&format!("{request} HTTP/1.0"), Caller::Socket).await;
        assert!(said.starts_with(&format!("HTTP/1.0 {expected}")), "{request}: {said}");
        assert!(said.contains(text), "{request}: {said}");
    }
}
