//! Three members and etcd, and what is done to them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::machine::{Machine, Program, Switch, address, now, wait};

/// The last bytes of their addresses.
pub(crate) const MEMBERS: [u8; 3] = [11, 12, 13];
const ETCD: u8 = 20;
const OBSERVER: u8 = 30;
/// Patroni's limits: a leader key lasts no less, and a failover waits for its end.
const TTL_SECS: u32 = 20;
const LOOP_WAIT_SECS: u32 = 5;
const RETRY_TIMEOUT_SECS: u32 = 5;
/// Starting all of it on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// The cluster, and a machine that looks at it.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: Vec<Program>,
    etcd: Option<Program>,
    switch: Switch,
    machines: Vec<Machine>,
    etcd_machine: Machine,
    pub(crate) observer: Machine,
    folder: TempDir,
}

impl Cluster {
    /// Starts it, and waits until it is whole.
    pub(crate) fn start(failsafe: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("openproxy-patroni-").tempdir();
        let folder = folder.expect("a folder");
        own(folder.path());
        let switch = Switch::new();
        let (etcd_machine, observer) = (switch.plug(ETCD), switch.plug(OBSERVER));
        let machines = MEMBERS.map(|last| switch.plug(last)).into();
        let programs = Vec::new();
        let mut cluster =
            Self { programs, etcd: None, switch, machines, etcd_machine, observer, folder };
        cluster.start_etcd();
        for member in 0..MEMBERS.len() {
            let program = cluster.start_member(member, failsafe);
            cluster.programs.push(program);
            if member == 0 {
                // The first one makes the database, the others copy it.
                wait("a leader", START_MAX, || cluster.leader());
            }
        }
        wait("a whole cluster", START_MAX, || cluster.is_whole().then_some(()));
        cluster
    }

    /// A member's machine.
    pub(crate) fn machine(&self, member: usize) -> &Machine {
        &self.machines[member]
    }

    pub(crate) fn start_etcd(&mut self) {
        let data = self.folder.path().join("etcd");
        let url = format!("http://{}:2379", address(ETCD));
        let line = format!(
            "etcd --data-dir {} --listen-client-urls {url} --advertise-client-urls {url} \
             --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync",
            data.display()
        );
        self.etcd = Some(Program::start(&self.etcd_machine, &line, "etcd"));
    }

    pub(crate) fn stop_etcd(&mut self) {
        self.etcd = None;
    }

    fn start_member(&self, member: usize, failsafe: bool) -> Program {
        let file = self.folder.path().join(format!("member{member}.yml"));
        fs::write(&file, self.member_file(member, failsafe)).expect("a file");
        let log = self.folder.path().join(format!("member{member}.log"));
        let (shown, log) = (file.display(), log.display());
        let line = format!(
            "setpriv --reuid=postgres --regid=postgres --clear-groups {PATRONI} {shown} > {log} 2>&1"
        );
        let mark = file.to_str().expect("UTF-8");
        Program::start(&self.machines[member], &line, mark)
    }

    fn member_file(&self, member: usize, failsafe: bool) -> String {
        let host = address(MEMBERS[member]);
        let (folder, bin) = (self.folder.path().display(), postgres_bin());
        let (name, etcd, bin) = (name(member), address(ETCD), bin.display());
        format!(
            "scope: demo\nname: {name}\n\
             restapi: {{listen: '{host}:8008', connect_address: '{host}:8008'}}\n\
             etcd3: {{host: '{etcd}:2379'}}\n\
             bootstrap:\n  \
               dcs: {{ttl: {TTL_SECS}, loop_wait: {LOOP_WAIT_SECS}, \
                      retry_timeout: {RETRY_TIMEOUT_SECS}, failsafe_mode: {failsafe}, \
                      postgresql: {{use_pg_rewind: true}}}}\n  \
               initdb: [{{encoding: UTF8}}, {{auth: trust}}, no-sync]\n\
             postgresql:\n  \
               listen: '0.0.0.0:5432'\n  connect_address: '{host}:5432'\n  \
               data_dir: {folder}/{name}\n  bin_dir: {bin}\n  pgpass: {folder}/{name}.pgpass\n  \
               authentication:\n    superuser: {{username: postgres}}\n    \
                 replication: {{username: postgres}}\n  \
               parameters: {{unix_socket_directories: '{folder}', fsync: 'off', \
                             shared_buffers: 16MB, wal_log_hints: 'on'}}\n  \
               pg_hba: ['local all all trust', 'host all all all trust', \
                        'host replication all all trust']\n"
        )
    }

    /// Whom the first member that answers gives the leader key, if that runs.
    pub(crate) fn leader(&self) -> Option<usize> {
        let is_leader = |member: &Value| member["role"] == "leader" && member["state"] == "running";
        let leader = self.members()?.into_iter().find(is_leader)?;
        (0..MEMBERS.len()).find(|place| leader["name"] == name(*place))
    }

    pub(crate) fn is_whole(&self) -> bool {
        let members = self.members().unwrap_or_default();
        let streaming = members.iter().filter(|member| member["state"] == "streaming");
        streaming.count() == 2 && self.leader().is_some()
    }

    fn members(&self) -> Option<Vec<Value>> {
        let answers = MEMBERS.iter().filter_map(|last| self.ask(*last, "GET /cluster", ""));
        let answer = answers.into_iter().next()?;
        answer["members"].as_array().cloned()
    }

    /// Asks a member's API something.
    fn ask(&self, last: u8, request: &str, body: &str) -> Option<Value> {
        self.observer.run(|| {
            let target = format!("{}:8008", address(last)).parse().expect("an address");
            let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(1)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
            let length = body.len();
            write!(stream, "{request} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            let (_, body) = answer.split_once("\r\n\r\n")?;
            serde_json::from_str(body).ok()
        })
    }

    /// Begins to hand the leadership over.
    pub(crate) fn switch_over(&self, from: usize, to: usize) {
        let body = format!("{{\"leader\": \"{}\", \"candidate\": \"{}\"}}", name(from), name(to));
        // It answers when it is done, with words.
        let _ = self.ask(MEMBERS[from], "POST /switchover", &body);
    }

    /// When a member began to demote itself, in the last minute, by its log.
    pub(crate) fn demoted(&self, member: usize) -> Option<Duration> {
        let log =
            fs::read_to_string(self.folder.path().join(format!("member{member}.log"))).ok()?;
        let line = log.lines().rfind(|line| line.contains("Demoting self"))?;
        // 2026-11-30 03:43:15,123 INFO: Demoting self (offline)
        let (secs, millis) = line.get(17..23)?.split_once(',')?;
        let at = secs.parse::<f64>().ok()? + millis.parse::<f64>().ok()? / 1e3;
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
        Some(now().saturating_sub(Duration::from_secs_f64((wall - at).rem_euclid(60.0))))
    }

    /// A member's machine loses its power.
    pub(crate) fn kill_machine(&mut self, member: usize) {
        self.programs[member].kill();
    }

    /// Patroni alone gets a signal; PostgreSQL goes on.
    pub(crate) fn signal_patroni(&self, member: usize, signal: Signal) {
        self.programs[member].signal(signal);
    }

    pub(crate) fn set_cable(&self, member: usize, is_well: bool) {
        self.switch.set_cable(MEMBERS[member], is_well);
    }

    /// What a member sends to etcd goes nowhere: no refusal, no reset.
    pub(crate) fn cut_from_etcd(&self, member: usize) {
        let etcd = address(ETCD);
        let nowhere =
            format!("neigh replace {etcd} lladdr 02:00:00:00:00:99 dev eth0 nud permanent");
        self.machines[member].ip(&nowhere);
    }
}

/// A member's name in Patroni.
pub(crate) fn name(member: usize) -> String {
    format!("n{}", member + 1)
}

/// Where `.ci/patroni-packages` puts Patroni.
const PATRONI: &str = "/opt/openproxy-patroni/bin/patroni";

/// PostgreSQL's programs, of the newest version.
fn postgres_bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let bins = versions.flatten().map(|version| version.path().join("bin"));
    bins.filter(|bin| bin.join("postgres").exists()).max().expect("a server")
}

/// Gives a folder to PostgreSQL's user.
fn own(path: &Path) {
    let status = Command::new("chown").arg("postgres:postgres").arg(path).status();
    assert!(status.expect("chown is there").success());
}
