//! What is told of links.

use openproxy_core::io::KernelEvent;

use crate::host::cable;
use crate::namespace::isolated;

#[test]
fn a_link_that_goes_down_comes_up_and_is_deleted_is_told_of_at_both_ends() {
    isolated(async || {
        let (mut left, mut right) = cable().await;
        for up in [false, true] {
            left.switch(left.index, up).await;
            // The far end stays up, but has no carrier.
            for host in [&mut left, &mut right] {
                let index = host.index;
                host.until("change", |seen| seen.running(index).filter(|now| *now == up)).await;
            }
        }
        left.netlink.link().del(left.index.0).execute().await.expect("deleted");
        for host in [&mut left, &mut right] {
            let gone = KernelEvent::LinkGone(host.index);
            host.until("deletion", |seen| seen.kernel.contains(&gone).then_some(())).await;
            let snapshot = host.dump().await;
            assert!(snapshot.links.iter().all(|link| link.index != host.index));
            assert!(snapshot.addresses.iter().all(|address| address.index != host.index));
        }
    });
}
