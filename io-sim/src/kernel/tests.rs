use openproxy_core::io::{Generation, RouterId};
use openproxy_core::vrrp::Vip;

use super::*;

const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 200));

fn kernel() -> Kernel {
    Kernel::new(NodeId(0), Draws::new(1), "eth0".into(), &[(OWN, 24)])
}

fn request(operation: AddressOperation) -> AddressRequest {
    AddressRequest {
        router: RouterId(0),
        generation: Generation(1),
        index: InterfaceIndex(2),
        vip: Vip { ip: VIP, prefix_len: 24 },
        operation,
    }
}

const LEASE: AddressOperation = AddressOperation::Add(Lifetime::Secs(2));

#[test]
fn a_lease_is_over_between_its_end_and_the_kernels_lateness() {
    for start_millis in 0..200 {
        let mut kernel = kernel();
        let start = Instant::from_millis(start_millis);
        assert_eq!(kernel.operate(start, &request(LEASE)), Ok(()));
        let span = kernel.due_at().since(start);
        assert!(span >= Duration::from_secs(2) && span <= Duration::from_millis(3_250));
        kernel.expire(kernel.due_at());
        assert!(!kernel.has(VIP) && kernel.has(OWN));
    }
}

#[test]
fn errors_are_those_of_linux() {
    let mut kernel = kernel();
    let now = Instant::ZERO;
    let remove = request(AddressOperation::Remove);
    assert_eq!(kernel.operate(now, &remove), Err(AddressError::NotFound));
    assert_eq!(kernel.operate(now, &request(LEASE)), Ok(()));
    assert_eq!(kernel.operate(now, &request(LEASE)), Err(AddressError::Exists));
    kernel.refuse(RefusedOperation::Remove, Some(AddressError::Denied));
    assert_eq!(kernel.operate(now, &remove), Err(AddressError::Denied));
    kernel.refuse(RefusedOperation::Remove, None);
    assert_eq!(kernel.operate(now, &remove), Ok(()));
    assert!(kernel.delete_interface().is_some());
    assert_eq!(kernel.operate(now, &request(LEASE)), Err(AddressError::NoInterface));
}

#[test]
fn secondaries_go_with_their_primary_unless_they_are_promoted() {
    for promotes in [false, true] {
        let mut kernel = kernel();
        assert_eq!(kernel.operate(Instant::ZERO, &request(LEASE)), Ok(()));
        if promotes {
            kernel.promote_secondaries();
        }
        kernel.remove_foreign(OWN);
        assert_eq!(kernel.has(VIP), promotes);
    }
}

#[test]
fn renewing_without_the_address_adds_it_as_linux_does() {
    let mut kernel = kernel();
    let renew = request(AddressOperation::Renew(Lifetime::Secs(2)));
    assert_eq!(kernel.operate(Instant::ZERO, &renew), Ok(()));
    assert!(kernel.has_ours(VIP));
}
