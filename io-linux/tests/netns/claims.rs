//! Announcements of addresses, and hearing those of others.

use std::time::Duration;

use openproxy_core::io::{Announcement, Output, WatchClaims};

use crate::host::{Host, cable, vip};
use crate::namespace::isolated;

fn announce(host: &mut Host, addresses: &[&str]) {
    let addresses = addresses.iter().map(|text| vip(text).ip).collect();
    host.perform(Output::Announce(Announcement { index: host.index, mac: host.mac, addresses }));
}

fn watch(host: &mut Host, addresses: &[&str]) {
    let addresses = addresses.iter().map(|text| vip(text).ip).collect();
    host.perform(Output::WatchClaims(WatchClaims { index: host.index, mac: host.mac, addresses }));
}

#[test]
fn announcements_are_claims_to_others_and_not_to_oneself() {
    isolated(async || {
        let (mut left, mut right) = cable().await;
        let watched = ["10.99.0.200/24", "2001:db8::200/64"];
        let all = ["10.99.0.201/24", "2001:db8::201/64", "10.99.0.200/24", "2001:db8::200/64"];
        watch(&mut left, &watched);
        watch(&mut right, &watched);
        announce(&mut left, &all);
        let expected = |at: &Host, by: &Host| watched.map(|text| (at.index, vip(text).ip, by.mac));
        let wanted = expected(&right, &left);
        right.until("two claims", |seen| (seen.claims.len() >= 2).then_some(())).await;
        assert_eq!(right.seen.claims, wanted);
        // The sender's own went out before: it would be first.
        announce(&mut right, &all);
        left.until("two claims", |seen| (seen.claims.len() >= 2).then_some(())).await;
        assert_eq!(left.seen.claims, expected(&left, &right));
    });
}

#[test]
fn a_new_list_replaces_the_old_and_an_empty_one_ends_it() {
    isolated(async || {
        let (mut left, mut right) = cable().await;
        watch(&mut right, &["10.99.0.200/24"]);
        watch(&mut right, &["10.99.0.201/24"]);
        announce(&mut left, &["10.99.0.200/24", "10.99.0.201/24"]);
        right.until("a claim", |seen| (!seen.claims.is_empty()).then_some(())).await;
        assert_eq!(right.seen.claims, [(right.index, vip("10.99.0.201/24").ip, left.mac)]);
        watch(&mut right, &[]);
        right.forget();
        announce(&mut left, &["10.99.0.200/24", "10.99.0.201/24"]);
        // A dump takes longer than a frame through the cable.
        right.dump().await;
        assert_eq!(right.seen.claims, []);
    });
}

#[test]
fn nothing_waits_for_the_kernel_to_close_a_socket() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let mut took = Vec::new();
        for _ in 0..9 {
            let start = left.now();
            watch(&mut left, &["10.99.0.200/24"]);
            watch(&mut left, &["10.99.0.201/24"]);
            watch(&mut left, &[]);
            took.push(left.now().since(start));
        }
        // Closing a packet socket takes a grace period of RCU, 5 to 50 ms.
        took.sort();
        assert!(took[4] < Duration::from_millis(3), "{took:?}");
    });
}
