//! Waiting, wishes, and the lock.

use std::future::{Future as _, poll_fn};
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use openproxy_core::io::Command;
use openproxy_core::time::Instant;
use openproxy_io_linux::{LockError, VipLock};

use crate::host::Host;
use crate::namespace::isolated;

const LATE_MAX: Duration = Duration::from_millis(50);

#[test]
fn a_wait_ends_at_its_deadline_and_not_before() {
    isolated(async || {
        let mut host = Host::new("none", Ipv4Addr::UNSPECIFIED);
        host.drain();
        let mut lateness = Vec::new();
        for millis in [1, 20, 100, 250] {
            let deadline = host.now() + Duration::from_millis(millis);
            // Nothing happens here, so one wait is all it takes.
            host.wait(deadline).await;
            let now = host.now();
            assert!(now >= deadline, "{:?} early", deadline.since(now));
            lateness.push(now.since(deadline));
            host.drain();
        }
        // A busy machine may be late once.
        lateness.sort();
        assert!(lateness[1] < LATE_MAX, "{lateness:?}");
        // The same deadline again, one that has passed, and the start of the clock: no wait.
        let past = host.now();
        for deadline in [past, past, Instant::ZERO] {
            host.wait(deadline).await;
        }
    });
}

#[test]
fn a_deadline_that_is_put_off_or_brought_forward_is_kept() {
    isolated(async || {
        let mut host = Host::new("none", Ipv4Addr::UNSPECIFIED);
        host.drain();
        for millis in [100, 20] {
            let (begun, deadline) = (60, host.now() + Duration::from_millis(millis));
            {
                let mut wait = pin!(host.wait(host.now() + Duration::from_millis(begun)));
                let polled = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
            }
            host.wait(deadline).await;
            let now = host.now();
            assert!(now >= deadline, "{:?} early", deadline.since(now));
            assert!(now.since(deadline) < LATE_MAX, "{:?} late", now.since(deadline));
        }
    });
}

#[test]
fn a_wish_ends_a_wait_and_the_end_of_all_wishes_is_one() {
    isolated(async || {
        let mut host = Host::new("none", Ipv4Addr::UNSPECIFIED);
        let commands = host.commands.take().expect("not taken yet");
        let (sent, ()) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                commands.send(Command::Reload(vec![])).await
            },
            host.wait(Instant::MAX),
        );
        sent.expect("the platform listens");
        host.drain();
        assert!(matches!(*host.seen.commands, [Command::Reload(_)]), "{:?}", host.seen);
        drop(commands);
        host.wait(Instant::MAX).await;
        host.drain();
        assert!(matches!(*host.seen.commands, [_, Command::Shutdown]), "{:?}", host.seen);
    });
}

#[test]
fn one_lock_is_held_per_namespace() {
    isolated(async || {
        let (here, there) =
            (Host::new("none", Ipv4Addr::UNSPECIFIED), Host::new("none", Ipv4Addr::UNSPECIFIED));
        here.enter();
        let lock = VipLock::acquire().expect("free");
        assert!(matches!(VipLock::acquire(), Err(LockError::Held)));
        there.enter();
        let other = VipLock::acquire().expect("another namespace");
        here.enter();
        assert!(matches!(VipLock::acquire(), Err(LockError::Held)));
        drop(lock);
        VipLock::acquire().expect("free again");
        drop(other);
    });
}
