//! Hooks and checks.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use nix::sys::stat::Mode;
use openproxy_core::io::{CheckId, Completion, Generation, HookId, HookRun, Output};
use openproxy_core::vrrp::{Check, CommandLine, Family, RouterKey, Vrid};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::host::{Host, PATIENCE, ROUTER, vip};
use crate::namespace::isolated;

fn words(words: &[&str]) -> CommandLine {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn host() -> Host {
    Host::new("none", Ipv4Addr::UNSPECIFIED)
}

fn start(host: &mut Host, number: u64, command: &[&str]) -> HookId {
    let id = HookId(ROUTER, Generation(number));
    let vrid = Vrid::new(51).expect("a VRID");
    let router = RouterKey { interface: "eth9".into(), vrid, family: Family::V4 };
    let vips = Arc::from([vip("10.99.0.200/24"), vip("10.99.0.201/24")]);
    let (old_state, new_state) = ("BACKUP", "MASTER");
    let command = words(command);
    host.perform(Output::RunHook(HookRun { id, command, router, vips, old_state, new_state }));
    id
}

async fn ended(host: &mut Host, id: HookId) -> Result<(), String> {
    let is_it = |completion: &Completion| match completion {
        Completion::Hook(of, result) if *of == id => Some(result.clone()),
        _ => None,
    };
    host.until("end of a hook", |seen| seen.take(is_it)).await
}

#[test]
fn a_hook_ends_well_with_status_0_only() {
    isolated(async || {
        let mut host = host();
        let hooks: [(&[&str], bool); 4] = [
            (&["/bin/true"], true),
            (&["/bin/false"], false),
            (&["/nonexistent/program"], false),
            (&["sh", "-c", "kill -9 $$"], false),
        ];
        for (number, (command, is_well)) in (1..).zip(hooks) {
            let id = start(&mut host, number, command);
            let result = ended(&mut host, id).await;
            assert_eq!(result.is_ok(), is_well, "{command:?}: {result:?}");
        }
    });
}

#[test]
fn a_hook_knows_what_it_is_run_for() {
    isolated(async || {
        let mut host = host();
        let file = host.file("environment");
        let script = "env | grep ^OPENPROXY_ | sort > \"$1\"";
        let id = start(&mut host, 1, &["sh", "-c", script, "sh", file.to_str().expect("UTF-8")]);
        ended(&mut host, id).await.expect("it ran");
        let expected = "OPENPROXY_FAMILY=IPv4\nOPENPROXY_INTERFACE=eth9\n\
                        OPENPROXY_NEW_STATE=MASTER\nOPENPROXY_OLD_STATE=BACKUP\n\
                        OPENPROXY_ROUTER_ID=51\nOPENPROXY_VIPS=10.99.0.200/24 10.99.0.201/24\n";
        let text = fs::read_to_string(file).expect("written");
        let ours: Vec<_> =
            text.lines().filter(|line| !line.starts_with("OPENPROXY_TEST_")).collect();
        assert_eq!(ours, expected.lines().collect::<Vec<_>>());
    });
}

/// Whether a process runs; one that ended may wait for its new parent to notice.
fn is_alive(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn a_killed_hook_takes_its_children_along() {
    isolated(async || {
        let mut host = host();
        let path = host.file("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a pipe");
        let mut pipe = pipe::OpenOptions::new().open_receiver(&path).expect("its end");
        // The child keeps the pipe open as long as it lives.
        let script = "exec 3> \"$1\"; sleep 1000 & echo $! >&3; wait";
        let id = start(&mut host, 1, &["sh", "-c", script, "sh", path.to_str().expect("UTF-8")]);
        let mut pid = String::new();
        while !pid.ends_with('\n') {
            let byte = timeout(PATIENCE, pipe.read_u8()).await.expect("it starts").expect("a pid");
            pid.push(byte.into());
        }
        let pid = pid.trim();
        assert!(is_alive(pid));
        host.perform(Output::KillHook(id));
        let result = ended(&mut host, id).await;
        assert!(result.is_err(), "{result:?}");
        let end = timeout(PATIENCE, pipe.read_u8()).await.expect("the child is killed, too");
        assert!(end.is_err(), "nobody is left to write");
        // Files are closed just before the state changes.
        let deadline = host.now() + PATIENCE;
        while is_alive(pid) {
            assert!(host.now() < deadline, "{pid} lives");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_hook_that_floods_its_output_ends_well() {
    isolated(async || {
        let mut host = host();
        let id = start(&mut host, 1, &["sh", "-c", "yes | head -c 10000000"]);
        assert_eq!(ended(&mut host, id).await, Ok(()));
        let id = start(&mut host, 2, &["sh", "-c", "yes | head -c 10000000 >&2; exit 3"]);
        assert!(ended(&mut host, id).await.is_err());
    });
}

#[test]
fn a_hook_may_leave_a_program_behind_that_holds_its_output() {
    isolated(async || {
        let mut host = host();
        let id = start(&mut host, 1, &["sh", "-c", "sleep 20 & exit 0"]);
        assert_eq!(ended(&mut host, id).await, Ok(()));
    });
}

#[test]
fn checks_tell_what_works() {
    isolated(async || {
        let mut host = host();
        host.enter();
        let lo = nix::net::if_::if_nametoindex("lo").expect("lo");
        host.switch(openproxy_core::io::InterfaceIndex(lo), true).await;
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let open = bind();
        let closed: SocketAddr = address(&bind());
        let checks = [
            (Check::Tcp(address(&open)), true),
            (Check::Tcp(closed), false),
            (Check::Command(words(&["/bin/true"])), true),
            (Check::Command(words(&["/bin/false"])), false),
            (Check::Command(words(&["/nonexistent/program"])), false),
        ];
        for (number, (check, is_well)) in (1..).zip(checks) {
            let id = CheckId(ROUTER, Generation(number));
            host.perform(Output::RunCheck(id, check.clone()));
            let is_it = |completion: &Completion| match completion {
                Completion::Check(of, result) if *of == id => Some(result.clone()),
                _ => None,
            };
            let result = host.until("end of a check", |seen| seen.take(is_it)).await;
            assert_eq!(result.is_ok(), is_well, "{check:?}: {result:?}");
        }
    });
}
