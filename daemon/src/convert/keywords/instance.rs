//! The keywords of `vrrp_instance`.

use super::{Keyword, decide, info, key, same};

/// What we read of an instance.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum InstanceKey {
    State,
    Interface,
    VirtualRouterId,
    Priority,
    AdvertInt,
    Version,
    Addresses,
    Excluded,
    Peers,
    UnicastSource,
    MulticastSource,
    MulticastGroup,
    UnicastTtl,
    NoPreempt,
    PreemptDelay,
    GarpRefresh,
    TrackInterface,
    TrackScript,
    Strict,
    ChecksumAsV2,
}

pub(super) const HOOKS: &str = "general.notify_script runs after each transition of every router, \
    with the arguments of notify: INSTANCE, a name such as eth0/50/IPv4, the state (LEAVING besides \
    keepalived's), the priority";
pub(super) const MAIL: &str = "OpenProxy sends no mail; let your monitoring read its log, or \
    `openproxy status`";
const GARPS: &str = "OpenProxy announces its VIPs at 0, 0.25, 1 and 5 s, then every garp_refresh";
const LAST_WORD: &str =
    "OpenProxy answers lesser MASTERs, and has the last word with its neighbours";
const VMAC: &str = "VIPs have the interface's own MAC address, and neighbours learn of a takeover \
    by announcements; see what else depends on the virtual MAC address";
const ROUTES: &str = "OpenProxy moves addresses only; let a network manager keep the routes and \
    rules, which may stay on a node without the VIPs";

/// All of them.
pub(in crate::convert) const INSTANCE: &[Keyword<InstanceKey>] = &[
    key("state", InstanceKey::State, "`priority`: 255 with MASTER and no priority; else nothing"),
    key("interface", InstanceKey::Interface, "`interface`"),
    decide("vrf", "put the interface into the VRF with `ip link`"),
    decide("use_vmac", VMAC),
    decide("use_vmac_addr", VMAC),
    info("vmac_xmit_base", "OpenProxy has no virtual MAC address; adverts leave by the interface"),
    decide("use_ipvlan", "OpenProxy adds VIPs to the interface itself; see what needs the ipvlan"),
    same("native_ipv6", "the VIPs say which family it is"),
    decide(
        "dont_track_primary",
        "OpenProxy is never MASTER on an interface that is down; give the VIPs an interface that \
         stays up, such as a bridge",
    ),
    key("track_interface", InstanceKey::TrackInterface, "`track`, with `interface`"),
    key("track_script", InstanceKey::TrackScript, "`track`, with `command` or `tcp`"),
    decide("track_file", "track a command that reads the file, such as \"grep -qx 0 FILE\""),
    decide("track_process", "track a command such as \"pgrep -x NAME\", or the port with tcp"),
    decide("track_bfd", "OpenProxy has no BFD; track a command that asks the BFD daemon"),
    key("mcast_src_ip", InstanceKey::MulticastSource, "`unicast_source`, with `unicast_peers`"),
    key("unicast_src_ip", InstanceKey::UnicastSource, "`unicast_source`"),
    key("mcast_dst_ip", InstanceKey::MulticastGroup, "none: always 224.0.0.18 and ff02::12"),
    same("track_src_ip", "a `unicast_source` that the node doesn't have makes it step down"),
    key("version", InstanceKey::Version, "`version`"),
    same("check_unicast_src", "adverts are accepted from `unicast_peers` alone"),
    key("unicast_peer", InstanceKey::Peers, "`unicast_peers`"),
    same("unicast_fault_no_peer", "without `unicast_peers`, adverts are sent by multicast"),
    key("unicast_ttl", InstanceKey::UnicastTtl, "none: 255 is sent, and nothing else accepted"),
    decide(
        "old_unicast_checksum",
        "keepalived up to 1.3.6 isn't spoken to; bring the other nodes up to date first",
    ),
    key("v3_checksum_as_v2", InstanceKey::ChecksumAsV2, "`checksum` = \"message-only\""),
    info("garp_master_delay", GARPS),
    info("garp_master_repeat", GARPS),
    info("garp_lower_prio_delay", GARPS),
    info("garp_lower_prio_repeat", GARPS),
    key("garp_master_refresh", InstanceKey::GarpRefresh, "`garp_refresh`; 0 without it"),
    info("garp_master_refresh_repeat", GARPS),
    info("garp_extra_if", GARPS),
    decide(
        "down_timer_adverts",
        "OpenProxy waits for three adverts, as the RFCs say; take the keyword away on all nodes",
    ),
    info("lower_prio_no_advert", LAST_WORD),
    info("higher_prio_send_advert", LAST_WORD),
    key("virtual_router_id", InstanceKey::VirtualRouterId, "`router_id`"),
    key("priority", InstanceKey::Priority, "`priority`; 100 without it"),
    key("advert_int", InstanceKey::AdvertInt, "`advert_int`; 1 without it"),
    decide(
        "authentication",
        "isn't supported, and adverts with it are discarded: RFC 3768 took it out of VRRP, since \
         whoever hears an advert knows its password; take it away on all keepalived nodes first \
         (docs/keepalived.md), and let a firewall or unicast_peers say who may speak",
    ),
    key("virtual_ipaddress", InstanceKey::Addresses, "`vip_addresses`"),
    key(
        "virtual_ipaddress_excluded",
        InstanceKey::Excluded,
        "a table of its own, in the same `group`, if they are of the other family",
    ),
    decide(
        "promote_secondaries",
        "set it for good: sysctl net.ipv4.conf.INTERFACE.promote_secondaries=1",
    ),
    decide("virtual_routes", ROUTES),
    decide("virtual_rules", ROUTES),
    same("accept", "VIPs always accept"),
    decide("no_accept", "VIPs always accept; drop what isn't wanted with a firewall"),
    key("nopreempt", InstanceKey::NoPreempt, "`preempt` = false"),
    same("preempt", "it is the default"),
    key("preempt_delay", InstanceKey::PreemptDelay, "`preempt_delay`"),
    same("skip_check_adv_addr", "the list of a version 3 advert is never a reason to discard it"),
    key("strict_mode", InstanceKey::Strict, "`strict` with IPv6 VIPs"),
    info("debug", "it does nothing in keepalived"),
    decide("notify_master", HOOKS),
    decide("notify_backup", HOOKS),
    decide("notify_fault", HOOKS),
    decide("notify_stop", HOOKS),
    decide("notify_deleted", HOOKS),
    decide("notify", HOOKS),
    decide("notify_master_rx_lower_pri", HOOKS),
    decide(
        "notify_priority_changes",
        "only changes of state are told; the log tells of every priority",
    ),
    decide("smtp_alert", MAIL),
    info("kernel_rx_buf_size", "OpenProxy reads all that lies in its sockets in every turn"),
    info("linkbeat_use_polling", "the kernel tells OpenProxy of links that go down"),
];
