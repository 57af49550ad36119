//! What is answered when a thread hangs.

use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::sync::oneshot;

use super::*;
use crate::discovery::driver::Request as Wish;
use crate::driver::Lateness;

/// What is said of a path while one thread answers and the other doesn't, or both do.
async fn ask(path: &str, routers_answer: bool, discovery_answers: bool) -> String {
    let (looks, mut looked) = mpsc::channel::<oneshot::Sender<Look>>(8);
    let (commands, _) = mpsc::channel(8);
    let (wishes, mut wished) = mpsc::channel(8);
    let (changes, _) = broadcast::channel(8);
    let sources = Sources {
        process: Process::new("openproxy.toml".into()),
        routers: Routers::new(looks, commands),
        history: History::default(),
        topologies: Topologies::new(wishes, changes),
    };
    let (mut ours, theirs) = duplex(1 << 16);
    let threads = async {
        // What isn't answered is kept: whoever waits for it would do so for ever.
        let mut unanswered = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                Some(look) = looked.recv() => {
                    if routers_answer {
                        let none = Supervisor::new(Vec::new());
                        let _ = look.send(Look::at(&none, Lateness::default(), Instant::ZERO));
                    } else {
                        unanswered.0.push(look);
                    }
                }
                Some(wish) = wished.recv() => match wish {
                    Wish::Look(answer) if discovery_answers => {
                        let (shards, endpoints) = (Vec::new(), Vec::new());
                        let (at, changes) = (Instant::ZERO, [].into());
                        let _ = answer.send(Snapshot { at, shards, changes, endpoints });
                    }
                    Wish::Look(_)
                    | Wish::LookAt(..)
                    | Wish::Forget(..)
                    | Wish::Reconfigure(_) => unanswered.1.push(wish),
                },
                // Nobody can ask any more; the answer is on its way.
                else => std::future::pending().await,
            }
        }
    };
    let asks = async {
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        ours.write_all(request.as_bytes()).await.expect("it reads");
        let mut text = String::new();
        ours.read_to_string(&mut text).await.expect("an answer");
        text
    };
    tokio::select! {
        ((), text) = async { tokio::join!(serve(theirs, Caller::Network, sources), asks) } => text,
        () = threads => unreachable!("it has no end"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_hangs_is_told_of_and_holds_up_nobody() {
    let (routers, discovery) = ("the virtual routers doesn't", "discovery doesn't");
    for (path, answer, expected, text) in [
        ("/health", (true, true), "200", "all threads answer"),
        ("/health", (false, true), "503", routers),
        ("/health", (true, false), "503", discovery),
        ("/ready", (false, true), "503", routers),
        ("/routers/eth0/50/master", (false, true), "503", routers),
        ("/pools/p/shards/0/any", (true, false), "503", discovery),
        ("/metrics", (false, true), "200", "openproxy_thread_answers{thread=\"vrrp\"} 0"),
        ("/status", (true, false), "200", discovery),
    ] {
        let said = ask(path, answer.0, answer.1).await;
        assert!(said.starts_with(&format!("HTTP/1.0 {expected}")), "{path}: {said}");
        assert!(said.contains(text), "{path}: {said}");
    }
}
