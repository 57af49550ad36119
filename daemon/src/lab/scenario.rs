//! The scenarios: what is done to the cluster, in order, and what is measured after each.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::clock;
use super::cluster::Cluster;
use super::error::LabError;
use super::judge::{Kind, Measure};
use super::node::Spec;

/// The best node, MASTER whenever nothing is wrong.
const MASTER: usize = 0;
/// The node that takes over from it.
const SUCCESSOR: usize = 1;
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long a script before promotion takes, where there is one.
const PROMOTES_IN: Duration = Duration::from_secs(2);

/// What the user can ask for. Each leaves the cluster as it found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// All daemons start (always runs first).
    Election,
    /// kill -9 of the MASTER's daemon, whose guard hands over, and its return.
    Kill,
    /// kill -9 of the MASTER's daemon, which is started again at once.
    Restart,
    /// The MASTER's daemon executes its program anew (SIGUSR2).
    Upgrade,
    /// kill -9 of the MASTER's daemon and its guard together, and their return.
    Crash,
    /// A planned stop (SIGTERM) of the MASTER, and its return.
    Stop,
    /// A planned stop whose successor has a pre_promote_script that takes two seconds.
    Hook,
    /// The better node comes back after a planned stop (the same as `stop`).
    Return,
    /// The MASTER's cable is pulled, and put back.
    Pull,
    /// A partition with the client on the lesser side, and its healing.
    Partition,
    /// The MASTER is frozen (SIGSTOP), and thawed (SIGCONT).
    Freeze,
    /// Primary and replicas change places, as a stand-in for Patroni tells.
    Roles,
}

impl Scenario {
    /// All of them but the first, in the order in which they run.
    pub(crate) const AFTER_ELECTION: [Self; 9] = [
        Self::Kill,
        Self::Restart,
        Self::Upgrade,
        Self::Crash,
        Self::Stop,
        Self::Hook,
        Self::Pull,
        Self::Partition,
        Self::Freeze,
    ];

    /// The one that does the same.
    pub(crate) fn canonical(self) -> Self {
        if self == Self::Return { Self::Stop } else { self }
    }
}

/// What one run of a scenario gives: the fault's measure and, mostly, that of its undoing.
pub(crate) type Measures = Vec<(Kind, Measure)>;

/// Runs one scenario once, hitting the protocol at this phase of an advert interval (0 to 1). A
/// MASTER that is frozen stays so this long after its successor took over.
pub(crate) fn run(
    cluster: &mut Cluster,
    scenario: Scenario,
    phase: f64,
    frozen: Duration,
) -> Result<Measures, LabError> {
    match scenario.canonical() {
        Scenario::Election => election(cluster),
        Scenario::Kill => kill(cluster, phase),
        Scenario::Restart => restart(cluster, phase),
        Scenario::Upgrade => upgrade(cluster, phase),
        Scenario::Crash => crash(cluster, phase),
        Scenario::Stop | Scenario::Return => stop(cluster, phase),
        Scenario::Hook => hook(cluster, phase),
        Scenario::Pull => pull(cluster, phase),
        Scenario::Partition => partition(cluster, phase),
        Scenario::Freeze => freeze(cluster, phase, frozen),
        // No virtual router is concerned.
        Scenario::Roles => Ok(vec![]),
    }
}

fn election(cluster: &mut Cluster) -> Result<Measures, LabError> {
    let begin = clock::now();
    for node in 0..cluster.nodes.len() {
        cluster.start(node)?;
    }
    let failure = cluster.settle(MASTER, begin)?;
    let priority = cluster.nodes[MASTER].priority();
    let theory = cluster.timing.master_down(priority);
    let first = cluster.recorder.lock().first_advert(MASTER, begin);
    let measure = Measure {
        gap_theory: theory,
        takeover: first.map(|at| (at.saturating_sub(begin), theory)),
        failure,
        ..cluster.measure(begin)
    };
    Ok(vec![(Kind::Election, measure)])
}

fn kill(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    cluster.connect(MASTER)?;
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.signal(MASTER, Signal::SIGKILL)?;
    cluster.nodes[MASTER].reap(STOP_WITHIN)?;
    let mut killed = takeover(cluster, fault)?;
    killed.fate = Some(cluster.fate_at_takeover(fault, SUCCESSOR)?);
    if cluster.nodes[MASTER].has_guard() {
        // Counted from its death, not from the guard's word.
        let theory = cluster.timing.skew(cluster.nodes[SUCCESSOR].priority());
        killed.takeover = killed.takeover.map(|(actual, _)| (actual, theory));
        killed.gap_theory = Duration::ZERO;
    }
    let returned = comes_back(cluster)?;
    Ok(vec![(Kind::Kill, killed), (Kind::Return, returned)])
}

fn restart(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    cluster.connect(MASTER)?;
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.signal(MASTER, Signal::SIGKILL)?;
    cluster.nodes[MASTER].reap(STOP_WITHIN)?;
    cluster.start(MASTER)?;
    Ok(vec![(Kind::Restart, serves_on(cluster, fault)?)])
}

fn upgrade(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    let Some(before) = cluster.nodes[MASTER].guard() else { return Ok(vec![]) };
    cluster.connect(MASTER)?;
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.signal(MASTER, Signal::SIGUSR2)?;
    let mut upgraded = serves_on(cluster, fault)?;
    if cluster.nodes[MASTER].guard().is_none_or(|guard| guard == before) {
        fail(&mut upgraded, "the daemon went on as it was".to_owned());
    }
    Ok(vec![(Kind::Upgrade, upgraded)])
}

fn crash(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.crash(MASTER)?;
    cluster.nodes[MASTER].reap(STOP_WITHIN)?;
    let crashed = takeover(cluster, fault)?;
    let returned = comes_back(cluster)?;
    Ok(vec![(Kind::Crash, crashed), (Kind::Return, returned)])
}

fn stop(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    let stopped = stopped(cluster, phase)?;
    let returned = comes_back(cluster)?;
    Ok(vec![(Kind::Stop, stopped), (Kind::Return, returned)])
}

fn hook(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    if !cluster.nodes[MASTER].is_ours() {
        return Ok(vec![]);
    }
    let begin = clock::now();
    let with_hook = |spec: &mut Spec| spec.promotes_in = Some(PROMOTES_IN);
    for node in [SUCCESSOR, MASTER] {
        cluster.restart(node, STOP_WITHIN, with_hook)?;
    }
    let failure = cluster.settle(MASTER, begin)?;
    let mut stopped = stopped(cluster, phase)?;
    stopped.failure = failure.or(stopped.failure);
    let without = |spec: &mut Spec| spec.promotes_in = None;
    cluster.nodes[MASTER].rewrite(without)?;
    comes_back(cluster)?;
    cluster.restart(SUCCESSOR, STOP_WITHIN, without)?;
    Ok(vec![(Kind::Hook, stopped)])
}

/// The MASTER's planned stop.
fn stopped(cluster: &mut Cluster, phase: f64) -> Result<Measure, LabError> {
    cluster.connect(MASTER)?;
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.signal(MASTER, Signal::SIGTERM)?;
    let status = cluster.nodes[MASTER].reap(STOP_WITHIN)?;
    let mut stopped = takeover(cluster, fault)?;
    stopped.fate = Some(cluster.fate_at_takeover(fault, SUCCESSOR)?);
    stopped.gap_theory = Duration::ZERO;
    match status {
        Some(status) if status.success() => {}
        Some(status) => fail(&mut stopped, format!("the daemon ended with {status}")),
        None => fail(&mut stopped, "the daemon did not end in 5 s".to_owned()),
    }
    Ok(stopped)
}

fn pull(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.plug(MASTER, false)?;
    let pulled = takeover(cluster, fault)?;
    let back = cluster.plug(MASTER, true)?;
    let failure = cluster.settle(MASTER, back)?;
    let measure = Measure { failure, ..cluster.measure(back) };
    Ok(vec![(Kind::Pull, pulled), (Kind::Back, measure)])
}

fn partition(cluster: &mut Cluster, phase: f64) -> Result<Measures, LabError> {
    cluster.wait_phase(MASTER, 0.5)?;
    let fault = cluster.join(false)?;
    let mut failure = None;
    if !cluster.wait_takeover(SUCCESSOR, fault)? {
        failure = Some("nobody took over on the client's side".to_owned());
    }
    let within = cluster.timing.advert_int + Duration::from_secs(1);
    let served = cluster.wait("the client must be served on its side", within, |record| {
        record.last_answer().filter(|(at, node)| *at > fault && *node == SUCCESSOR)
    })?;
    if served.is_none() {
        failure.get_or_insert_with(|| "the client was not served on its side".to_owned());
    }
    // The phase is that of the winner, whose next advert ends the loser's reign.
    cluster.wait_phase(MASTER, phase)?;
    let mut cut = Measure { failure, ..cluster.measure(fault) };
    cluster.measure_takeover(&mut cut, MASTER, fault);

    let healing = cluster.join(true)?;
    let failure = cluster.settle(MASTER, healing)?;
    let mut healed = Measure { failure, ..cluster.measure(healing) };
    healed.healed = cluster.healed_after(healing).filter(|_| healed.failure.is_none());
    healed.gap_theory = cluster.timing.advert_int;
    Ok(vec![(Kind::Partition, cut), (Kind::Healing, healed)])
}

fn freeze(cluster: &mut Cluster, phase: f64, frozen: Duration) -> Result<Measures, LabError> {
    cluster.wait_phase(MASTER, phase)?;
    let fault = cluster.signal(MASTER, Signal::SIGSTOP)?;
    let taken = cluster.wait_takeover(SUCCESSOR, fault)?;
    // Long enough to see the lease end, where that comes after the takeover.
    let lease = cluster.timing.two_holders_max(cluster.nodes[SUCCESSOR].priority());
    let frozen = frozen.max(lease + Duration::from_millis(500));
    cluster.wait_until("the MASTER is frozen", clock::now() + frozen)?;
    let thaw = cluster.signal(MASTER, Signal::SIGCONT)?;
    // A daemon that doesn't notice how late it is would act at once; one that does waits for
    // longer than this before it takes the VIP back.
    let priority = cluster.nodes[MASTER].priority();
    let noticed = thaw + cluster.timing.master_down(priority) / 2;
    cluster.wait_until("the MASTER goes on", noticed)?;
    let failure = (!taken).then(|| "nobody took over".to_owned());
    let mut frozen = Measure { failure, ..cluster.measure(fault) };
    cluster.measure_takeover(&mut frozen, MASTER, fault);
    // Until now another is MASTER: an assertion and one round of announcements at most.
    let said = cluster.recorder.lock().said_since(MASTER, thaw);
    let failure = cluster.settle(MASTER, thaw)?;
    let mut thawed = Measure { failure, said: Some(said), ..cluster.measure(thaw) };
    if said.adverts > 1 || said.claims > 1 {
        fail(&mut thawed, format!("the thawed node says too much: {said}"));
    }
    Ok(vec![(Kind::Freeze, frozen), (Kind::Thaw, thawed)])
}

/// Waits for the successor to take over and measures how it went.
fn takeover(cluster: &mut Cluster, fault: Duration) -> Result<Measure, LabError> {
    let taken = cluster.wait_takeover(SUCCESSOR, fault)?;
    let mut failure = cluster.settle(SUCCESSOR, fault)?;
    if !taken {
        failure.get_or_insert_with(|| "nobody took over".to_owned());
    }
    let mut measure = Measure { failure, ..cluster.measure(fault) };
    cluster.measure_takeover(&mut measure, MASTER, fault);
    Ok(measure)
}

/// Waits until it is sure that the MASTER has stayed what it is, and measures how it went.
fn serves_on(cluster: &mut Cluster, fault: Duration) -> Result<Measure, LabError> {
    let failure = cluster.settle(MASTER, fault)?;
    let mut measure = Measure { failure, ..cluster.measure(fault) };
    measure.fate = Some(cluster.fate_of_kept(fault, MASTER)?);
    if cluster.recorder.lock().first_advert(SUCCESSOR, fault).is_some() {
        fail(&mut measure, "another node took over".to_owned());
    }
    Ok(measure)
}

/// Starts the best node's daemon again and waits until it has the VIP back.
fn comes_back(cluster: &mut Cluster) -> Result<Measure, LabError> {
    cluster.connect(SUCCESSOR)?;
    let begin = clock::now();
    cluster.start(MASTER)?;
    let failure = cluster.settle(MASTER, begin)?;
    let measure = Measure { failure, ..cluster.measure(begin) };
    Ok(Measure { fate: Some(cluster.fate_at_takeover(begin, MASTER)?), ..measure })
}

fn fail(measure: &mut Measure, why: String) {
    measure.failure.get_or_insert(why);
}
