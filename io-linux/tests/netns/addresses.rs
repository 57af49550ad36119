//! Adding, renewing and removing VIPs, and what the kernel makes of their lifetimes.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use openproxy_core::io::{
    AddressError, AddressOperation as Op, AddressRequest, Completion, Generation, InterfaceIndex,
    Lifetime, Output,
};

use crate::host::{Host, ROUTER, cable, vip};
use crate::namespace::{isolated, set};

/// Seconds of a lease and how late the kernel may be, at most.
const EXPIRY_MAX: Duration = Duration::from_millis(3_500);
const VIPS: [&str; 2] = ["10.99.0.200/24", "2001:db8::200/64"];

#[test]
fn a_dump_lists_links_and_addresses() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let snapshot = left.dump().await;
        let lo = snapshot.links.iter().find(|link| &*link.name == "lo").expect("lo");
        assert!(lo.running);
        let link = snapshot.links.iter().find(|link| link.name == left.name).expect("the cable");
        assert!(link.running && link.index == left.index && link.mac == Some(left.mac));
        let has = |index, text: &str| {
            let wanted = vip(text);
            let found = snapshot.addresses.iter().find(|a| a.index == index && a.ip == wanted.ip);
            let address = found.unwrap_or_else(|| panic!("{text} in {snapshot:#?}"));
            assert_eq!(address.prefix_len, wanted.prefix_len);
            assert!(!address.ours && address.valid_secs.is_none() && !address.tentative);
        };
        has(lo.index, "127.0.0.1/8");
        has(lo.index, "::1/128");
        has(left.index, "10.99.0.1/24");
        has(left.index, &format!("{}/64", left.link_local));
    });
}

async fn expires(host: &mut Host, text: &str) {
    let vip = vip(text);
    let start = host.now();
    host.operate(vip, Op::Add(Lifetime::Secs(1))).await.expect("added");
    let address = host.until("event", |seen| seen.present(|a| a.ip == vip.ip)).await;
    assert!(address.ours && address.protocol == 0x70 && !address.tentative, "{address:?}");
    assert_eq!((address.index, address.prefix_len), (host.index, vip.prefix_len));
    assert!(address.valid_secs.is_some_and(|secs| secs <= 1), "{address:?}");
    let gone = host.until("expiry", |seen| seen.gone(vip.ip)).await;
    let age = host.now().since(start);
    assert!(age >= Duration::from_millis(900) && age <= EXPIRY_MAX, "{age:?}");
    assert!(gone.ours, "{gone:?}");
    assert_eq!(host.address(vip.ip).await, None);
}

#[test]
fn the_kernel_removes_an_ipv4_address_whose_lease_ends() {
    isolated(async || expires(&mut cable().await.0, "10.99.0.200/24").await);
}

#[test]
fn an_ipv6_address_is_usable_at_once_but_never_a_source_and_expires() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        left.enter();
        // Where duplicates are looked for, ours must not wait for it.
        set(&format!("ipv6/conf/{}/accept_dad", left.name), "1");
        let wanted = vip("2001:db8::201/64");
        left.operate(wanted, Op::Add(Lifetime::Secs(60))).await.expect("added");
        let address = left.until("event", |seen| seen.present(|a| a.ip == wanted.ip)).await;
        assert!(!address.tentative, "{address:?}");
        let all: Vec<_> =
            left.netlink.address().get().execute().try_collect().await.expect("a dump");
        let is_it = |a: &&_| matches!(a, AddressAttribute::Address(ip) if *ip == wanted.ip);
        let message = all.iter().find(|m| m.attributes.iter().any(|a| is_it(&a)));
        let message = message.expect("it is there");
        let is_deprecated = message.attributes.iter().any(
            |a| matches!(a, AddressAttribute::Flags(f) if f.contains(AddressFlags::Deprecated)),
        );
        let is_never_preferred = message
            .attributes
            .iter()
            .any(|a| matches!(a, AddressAttribute::CacheInfo(info) if info.ifa_preferred == 0));
        assert!(is_deprecated && is_never_preferred, "{message:?}");
        expires(&mut left, "2001:db8::200/64").await;
    });
}

#[test]
fn what_the_kernel_refuses_is_told_by_type() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        for text in VIPS {
            let vip = vip(text);
            let add = Op::Add(Lifetime::Forever);
            assert_eq!(left.operate(vip, Op::Remove).await, Err(AddressError::NotFound));
            assert_eq!(left.operate(vip, add).await, Ok(()));
            assert_eq!(left.operate(vip, add).await, Err(AddressError::Exists));
            assert_eq!(left.operate(vip, Op::Remove).await, Ok(()));
            assert_eq!(left.operate(vip, Op::Remove).await, Err(AddressError::NotFound));
            let nowhere = InterfaceIndex(9_999);
            for operation in [add, Op::Renew(Lifetime::Secs(5)), Op::Remove] {
                let result = left.operate_on(nowhere, vip, operation).await;
                assert_eq!(result, Err(AddressError::NoInterface), "{operation:?} {text}");
            }
        }
    });
}

#[test]
fn operations_that_are_asked_for_at_once_are_answered_each_and_in_order() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let add = Op::Add(Lifetime::Forever);
        let mut wanted = Vec::new();
        let mut ask = |left: &mut Host, text: &str, operation, result: Result<(), AddressError>| {
            let generation = Generation(1_000 + wanted.len() as u64);
            let (index, vip) = (left.index, vip(text));
            let request = AddressRequest { router: ROUTER, generation, index, vip, operation };
            left.perform(Output::Address(request));
            wanted.push(Completion::Address(ROUTER, generation, result));
        };
        for host in 1..=40 {
            ask(&mut left, &format!("10.99.8.{host}/24"), add, Ok(()));
        }
        ask(&mut left, "10.99.8.7/24", add, Err(AddressError::Exists));
        ask(&mut left, "10.99.9.1/24", Op::Remove, Err(AddressError::NotFound));
        ask(&mut left, "2001:db8::8/64", add, Ok(()));
        let snapshot = left.dump().await;
        let ours = snapshot.addresses.iter().filter(|address| address.ours).count();
        assert_eq!(ours, 41);
        assert_eq!(left.seen.completions, wanted);
    });
}

#[test]
fn a_renewed_address_outlives_its_first_lease_and_stays_ours() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let lease = Lifetime::Secs(2);
        let start = left.now();
        for text in VIPS {
            left.operate(vip(text), Op::Add(lease)).await.expect("added");
        }
        for millis in [1_200, 2_400] {
            left.until_time(start + Duration::from_millis(millis)).await;
            for text in VIPS {
                left.operate(vip(text), Op::Renew(lease)).await.expect("renewed");
            }
        }
        // Past the first lease, and past how late the kernel may be.
        left.until_time(start + Duration::from_millis(3_600)).await;
        for text in VIPS {
            let ip = vip(text).ip;
            assert_eq!(left.seen.gone(ip), None);
            let address = left.address(ip).await.expect("still there");
            assert!(address.ours && address.protocol == 0x70 && !address.tentative, "{address:?}");
        }
        for text in VIPS {
            left.until("expiry", |seen| seen.gone(vip(text).ip)).await;
        }
    });
}

#[test]
fn a_renewal_takes_over_and_brings_back_what_is_gone() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        for text in VIPS {
            let vip = vip(text);
            left.operate(vip, Op::Renew(Lifetime::Secs(30))).await.expect("added anew");
            let address = left.address(vip.ip).await.expect("there");
            assert!(address.ours && address.valid_secs.is_some(), "{address:?}");
            left.operate(vip, Op::Renew(Lifetime::Forever)).await.expect("made permanent");
            let address = left.address(vip.ip).await.expect("there");
            assert!(address.ours && address.valid_secs.is_none(), "{address:?}");
        }
    });
}

#[test]
fn a_primary_that_goes_takes_no_secondary_along() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let (first, second) = (vip("10.99.7.200/24"), vip("10.99.7.201/24"));
        let setting = format!("/proc/sys/net/ipv4/conf/{}/promote_secondaries", left.name);
        for is_promoting in [false, true] {
            if is_promoting {
                left.perform(Output::PromoteSecondaries(left.name.clone()));
                assert_eq!(std::fs::read_to_string(&setting).expect("a setting").trim(), "1");
            }
            for vip in [first, second] {
                left.operate(vip, Op::Add(Lifetime::Forever)).await.expect("added");
            }
            assert!(left.address(second.ip).await.expect("there").secondary);
            left.operate(first, Op::Remove).await.expect("removed");
            assert_eq!(left.address(first.ip).await, None);
            let kept = left.address(second.ip).await;
            assert_eq!(kept.map(|a| (a.ours, a.secondary)), is_promoting.then_some((true, false)));
        }
    });
}
