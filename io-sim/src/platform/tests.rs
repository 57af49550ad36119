//! A process in a turmoil host, and what its end leaves behind.

use std::net::Ipv4Addr;
use std::time::UNIX_EPOCH;

use openproxy_core::io::{AddressOperation, AddressRequest, Generation, InterfaceIndex, RouterId};
use openproxy_core::vrrp::{MULTICAST_V4, Vip};
use turmoil::Sim;

use super::*;
use crate::draw::Draws;
use crate::kernel::Kernel;
use crate::lan::Lan;

const OWN: Vip = Vip { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11)), prefix_len: 24 };

fn machine() -> Rc<Machine> {
    let (node, draws) = (NodeId(0), Draws::new(1));
    let kernel = Kernel::new(node, draws, "eth0".into(), &[(OWN.ip, OWN.prefix_len)]);
    let host = Host::new(node, draws, kernel, Duration::ZERO);
    Rc::new(Machine::new(host, Clock::new(SimTime::ZERO, 0)))
}

fn wire() -> Rc<RefCell<Wire>> {
    let lan = Lan::new(Draws::new(1), 1, TICK, TICK);
    Rc::new(RefCell::new(Wire::new(lan, &[OWN.ip])))
}

fn simulation() -> Sim<'static> {
    let mut builder = turmoil::Builder::new();
    builder.rng_seed(1).epoch(UNIX_EPOCH).tick_duration(TICK);
    builder.min_message_latency(TICK).max_message_latency(TICK).build()
}

fn step(sim: &mut Sim<'_>, times: u32) {
    for _ in 0..times {
        sim.step().expect("no process fails");
    }
}

/// A process that tidies up when it is dropped, as only a process that ends by itself does.
struct Tidy(SimPlatform);

impl Drop for Tidy {
    fn drop(&mut self) {
        self.0.perform(Output::Address(AddressRequest {
            router: RouterId(0),
            generation: Generation(0),
            index: InterfaceIndex(2),
            vip: OWN,
            operation: AddressOperation::Remove,
        }));
    }
}

/// Runs a [`Tidy`] process, and drops it; whether its machine still has its address.
fn outlives(is_told: bool) -> bool {
    let (machine, wire) = (machine(), wire());
    let mut sim = simulation();
    let (lives_on, lives_in) = (Rc::clone(&machine), Rc::clone(&wire));
    machine.begin_process();
    sim.host(turmoil_address(NodeId(0)), move || {
        let (machine, wire) = (Rc::clone(&lives_on), Rc::clone(&lives_in));
        async move {
            let mut tidy = Tidy(SimPlatform::open(machine, wire).await?);
            tidy.0.wait(Instant::MAX).await;
            Ok(())
        }
    });
    step(&mut sim, 3);
    if is_told {
        machine.end_process();
        sim.crash(turmoil_address(NodeId(0)));
    } else {
        machine.wake();
        machine.host.borrow_mut().command(Command::Shutdown);
        step(&mut sim, 3);
    }
    machine.advance(SimTime::from_secs(1), &wire);
    machine.host.borrow().kernel.has(OWN.ip)
}

#[test]
fn what_a_killed_process_would_tidy_up_stays() {
    assert!(outlives(true));
    assert!(!outlives(false), "one that ends by itself does tidy up");
}

/// When a process that waits for 5 ms is woken, if it is stopped from `closed` to `opened`.
fn woken_at(deadline: u64, closed: u32, opened: u32) -> SimTime {
    let (machine, wire) = (machine(), wire());
    let woken = Rc::new(Cell::new(SimTime::MAX));
    let mut sim = simulation();
    let (lives_on, tells) = (Rc::clone(&machine), Rc::clone(&woken));
    machine.begin_process();
    sim.host(turmoil_address(NodeId(0)), move || {
        let (machine, wire, tells) = (Rc::clone(&lives_on), Rc::clone(&wire), Rc::clone(&tells));
        async move {
            let mut platform = SimPlatform::open(machine, wire).await?;
            platform.wait(Instant::from_millis(deadline)).await;
            tells.set(time());
            Ok(())
        }
    });
    step(&mut sim, closed);
    machine.gate.close();
    step(&mut sim, opened - closed);
    machine.gate.open();
    step(&mut sim, 20);
    woken.get()
}

#[test]
fn a_stopped_process_sleeps_through_its_deadline() {
    assert_eq!(woken_at(5, 8, 10), SimTime::from_millis(5));
    assert_eq!(woken_at(5, 2, 4), SimTime::from_millis(5));
    assert_eq!(woken_at(5, 2, 9), SimTime::from_millis(9));
    assert_eq!(woken_at(5, 0, 5), SimTime::from_millis(5));
}

#[test]
fn packets_that_are_due_later_than_a_tick_wait_in_the_wire() {
    let wire = wire();
    let frame = Frame::new(OWN.ip, MULTICAST_V4.into(), &[0; 20]);
    let mut wire = wire.borrow_mut();
    for at in [3, 1, 2] {
        wire.hold(
            SimTime::from_millis(at),
            Held { to: NodeId(0), from: None, frame: frame.clone() },
        );
    }
    assert!(wire.next_held(SimTime::ZERO).is_none());
    assert!(wire.next_held(SimTime::from_millis(2)).is_some());
    assert!(wire.next_held(SimTime::from_millis(2)).is_some());
    assert!(wire.next_held(SimTime::from_millis(2)).is_none());
}
