//! Taking off what a dead daemon left.

use openproxy_core::io::{AddressOperation as Op, Lifetime};
use openproxy_core::vrrp::{
    AdverInterval, Family, Priority, RouterConfig, RouterKey, Version, Vip, Vrid,
};
use openproxy_io_linux::release::release;

use crate::host::{Host, cable, vip};
use crate::namespace::isolated;

fn router(host: &Host, vips: &[Vip]) -> RouterConfig {
    let vrid = Vrid::new(51).expect("a VRID");
    let key = RouterKey { interface: host.name.clone(), vrid, family: Family::V4 };
    let priority = Priority::new(100).expect("a priority");
    let interval = AdverInterval::from_centis(100).expect("an interval");
    RouterConfig::plain(key, Version::V3, priority, interval, vips.into())
}

async fn released(host: &Host, routers: &[RouterConfig], force: bool) -> Vec<String> {
    host.enter();
    let ledger = host.file("ledger");
    let released = release(routers, force, &ledger).await.expect("the kernel tells");
    released.iter().map(ToString::to_string).collect()
}

#[test]
fn ours_is_released_and_a_foreign_vip_only_by_force() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let (ours, ours_v6) = (vip("10.99.0.200/24"), vip("2001:db8::200/64"));
        let (named, unnamed) = (vip("10.99.0.201/24"), vip("10.99.0.202/24"));
        for vip in [ours, ours_v6] {
            left.operate(vip, Op::Add(Lifetime::Forever)).await.expect("added");
        }
        for vip in [named, unnamed] {
            left.add_foreign(vip.ip, vip.prefix_len).await;
        }
        let routers = [router(&left, &[ours, named])];
        let mut texts = released(&left, &routers, false).await;
        texts.sort();
        let expected =
            ["released 10.99.0.200/24 from left0", "released 2001:db8::200/64 from left0"];
        assert_eq!(texts, expected);
        assert_eq!(left.address(ours.ip).await, None);
        assert_eq!(left.address(ours_v6.ip).await, None);
        for vip in [named, unnamed] {
            assert!(!left.address(vip.ip).await.expect("untouched").ours);
        }
        let texts = released(&left, &routers, true).await;
        assert_eq!(texts, ["released 10.99.0.201/24 from left0"]);
        assert_eq!(left.address(named.ip).await, None);
        assert!(left.address(unnamed.ip).await.is_some());
        assert!(left.address(left.own.into()).await.is_some());
    });
}

#[test]
fn a_released_primary_takes_no_other_address_along() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        let (first, second, foreign) =
            (vip("10.99.7.200/24"), vip("10.99.7.201/24"), vip("10.99.7.1/24"));
        for vip in [first, second] {
            left.operate(vip, Op::Add(Lifetime::Forever)).await.expect("added");
        }
        left.add_foreign(foreign.ip, foreign.prefix_len).await;
        let texts = released(&left, &[], false).await;
        let expected = ["released 10.99.7.200/24 from left0", "released 10.99.7.201/24 from left0"];
        assert_eq!(texts, expected);
        assert!(left.address(foreign.ip).await.is_some(), "it isn't ours to take");
    });
}
