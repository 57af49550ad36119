//! HAProxy's own checks, set up as `docs/checks.md` has it, between the daemon and real balancing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Lines};
use crate::machines::{listening, until_settled};
use crate::patroni::Patroni;

const DOCS: &str = include_str!("../../../docs/checks.md");
/// Half a second for the daemon to ask, half a second for HAProxy, and room for a busy machine.
const SWITCHED_WITHIN: Duration = Duration::from_secs(10);

/// A process of the test's own, which ends with this.
struct Haproxy {
    child: Child,
    log: Lines,
    socket: std::path::PathBuf,
}

impl Haproxy {
    /// Starts it with the documentation's configuration, for these servers and that port.
    fn start(daemon: &Daemon, port: u16) -> Self {
        let example = DOCS.split("```haproxy\n").nth(1).and_then(|rest| rest.split("```").next());
        let mut example = example.expect("the example").replace("my_pool", "p");
        for (documented, ours) in [("8", "1"), ("9", "2"), ("10", "3")] {
            for end in [" ", ":"] {
                let host = |network: &str, number: &str| format!("{network}{number}{end}");
                example = example.replace(&host("192.168.0.", documented), &host("127.0.0.", ours));
            }
        }
        let example = example.replace("port 9127", &format!("port {port}"));
        let (socket, path) = (daemon.path("haproxy.sock"), daemon.path("haproxy.cfg"));
        let timeouts = "timeout connect 1s\n    timeout client 1s\n    timeout server 1s";
        let text = format!(
            "global\n    stats socket {}\ndefaults\n    {timeouts}\n{example}",
            socket.display()
        );
        fs::write(&path, text).expect("a file");
        let mut command = Command::new("haproxy");
        let command = command.arg("-db").arg("-f").arg(path).stderr(Stdio::piped());
        let mut child = command.spawn().expect("haproxy is installed");
        let log = Lines::of(child.stderr.take().expect("a pipe"));
        Self { child, log, socket }
    }

    /// Waits until it says that a server of a backend is so.
    fn until(&self, server: &str, state: &str) {
        let words = format!("Server {server} is {state}");
        self.log.until(&words, |line| line.contains(&words));
    }

    /// The state and the last check of each server.
    fn states(&self) -> Vec<(String, String, String)> {
        let mut stream = UnixStream::connect(&self.socket).expect("its socket");
        stream.write_all(b"show stat\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let rows = rows.filter(|row| row.len() > 36 && row[1].starts_with("127."));
        let state =
            |row: &Vec<&str>| (format!("{}/{}", row[0], row[1]), row[17].into(), row[36].into());
        rows.map(|row| state(&row)).collect()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_follows_a_switchover() {
    let patroni = Patroni::start();
    let (file, port) = listening(&patroni);
    let daemon = Daemon::start(&file);
    let watch = daemon.watch();
    until_settled(&watch, "127.0.0.1");
    let haproxy = Haproxy::start(&daemon, port);
    haproxy.until("primary/127.0.0.3", "DOWN");
    let switched = Instant::now();
    patroni.promote(Some(1));
    haproxy.until("primary/127.0.0.2", "UP");
    let took = switched.elapsed();
    println!(
        "HAProxy sends writes to the new primary {} ms after the switchover",
        took.as_millis()
    );
    assert!(took < SWITCHED_WITHIN, "{took:?}");
    haproxy.until("replicas/127.0.0.1", "UP");
    let states = haproxy.states();
    for (server, expected) in [
        ("primary/127.0.0.1", ("DOWN", "L7STS")),
        ("primary/127.0.0.2", ("UP", "L7OK")),
        ("primary/127.0.0.3", ("DOWN", "L7STS")),
        ("replicas/127.0.0.1", ("UP", "L7OK")),
        ("replicas/127.0.0.2", ("DOWN", "L7STS")),
        ("replicas/127.0.0.3", ("UP", "L7OK")),
    ] {
        let found = states.iter().find(|(name, ..)| name == server).expect(server);
        assert_eq!((&*found.1, &*found.2), expected, "{server}");
    }
}
