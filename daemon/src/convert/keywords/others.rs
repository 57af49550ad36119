//! The keywords of smaller blocks, and those that stand in none.

use super::instance::{HOOKS, MAIL};
use super::{Keyword, Nothing, decide, info, key, same};

const LVS: &str = "OpenProxy balances no load; leave it to keepalived without its vrrp_instance \
    blocks (keepalived --check), or to another balancer";
const STATIC: &str = "OpenProxy sets up no network; let the system's network manager do it";
const BFD: &str = "OpenProxy has no BFD; leave it to a daemon of its own";
const FILE: &str = "track a command that reads the file, such as \"grep -qx 0 FILE\"";

/// What we read outside all blocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum TopKey {
    Globals,
    Script,
    Group,
    Instance,
}

/// Outside all blocks.
pub(in crate::convert) const TOP: &[Keyword<TopKey>] = &[
    key("global_defs", TopKey::Globals, "see the table of `global_defs`"),
    key("vrrp_script", TopKey::Script, "see the table of `vrrp_script`"),
    key("vrrp_sync_group", TopKey::Group, "see the table of `vrrp_sync_group`"),
    key("vrrp_instance", TopKey::Instance, "`[[general.virtual_router]]`"),
    decide("net_namespace", "start OpenProxy in it, such as by NetworkNamespacePath= of its unit"),
    decide("net_namespace_ipvs", LVS),
    info("namespace_with_ipsets", "OpenProxy sets up no firewall"),
    info("instance", "one OpenProxy runs in a network namespace, with all routers"),
    info("use_pid_dir", "OpenProxy has no pid file"),
    info("linkbeat_use_polling", "the kernel tells OpenProxy of links that go down"),
    info("linkbeat_interfaces", "the kernel tells OpenProxy of links that go down"),
    info("child_wait_time", "hook_timeout bounds how long a stop waits"),
    info("garp_group", "OpenProxy announces its VIPs at 0, 0.25, 1 and 5 s"),
    decide(
        "interface_up_down_delays",
        "OpenProxy follows a link at once; a link that flaps moves the VIPs: set the delays of a \
         bond (updelay, downdelay), or a preempt_delay",
    ),
    decide("track_group", STATIC),
    decide("static_ipaddress", STATIC),
    decide("static_routes", STATIC),
    decide("static_rules", STATIC),
    decide("track_file", FILE),
    decide("vrrp_track_file", FILE),
    decide(
        "vrrp_track_process",
        "track a command such as \"pgrep -x NAME\", or the process's port with tcp",
    ),
    decide("bfd_instance", BFD),
    decide("virtual_server", LVS),
    decide("virtual_server_group", LVS),
    decide("real_server", LVS),
    decide("SSL", LVS),
];

/// What we read of a script.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum ScriptKey {
    Script,
    Interval,
    Timeout,
    Weight,
    Rise,
    Fall,
}

/// In `vrrp_script`.
pub(in crate::convert) const SCRIPT: &[Keyword<ScriptKey>] = &[
    key("script", ScriptKey::Script, "`command`; `tcp` for `</dev/tcp/ADDRESS/PORT`"),
    key("interval", ScriptKey::Interval, "`interval`; 1000 without it"),
    key("timeout", ScriptKey::Timeout, "`timeout`; the interval without it, and at most that"),
    key("weight", ScriptKey::Weight, "`weight`, and `priority`; see above"),
    key("rise", ScriptKey::Rise, "`rise`; 1 without it"),
    key("fall", ScriptKey::Fall, "`fall`; 1 without it"),
    decide("user", "commands run as OpenProxy's own user; see `user` in [general]"),
    info(
        "init_fail",
        "a check of weight 0 keeps its router from being MASTER until its first answer anyway, \
         another counts as well until then",
    ),
];

/// What we read of a group.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum GroupKey {
    Members,
    TrackInterface,
    TrackScript,
    OwnWeights,
}

/// In `vrrp_sync_group`.
pub(in crate::convert) const GROUP: &[Keyword<GroupKey>] = &[
    key("group", GroupKey::Members, "`group` of each member"),
    key("track_interface", GroupKey::TrackInterface, "`track` of each member, with `interface`"),
    key("track_script", GroupKey::TrackScript, "`track` of each member"),
    decide("track_file", FILE),
    decide("track_process", "track a command such as \"pgrep -x NAME\", or the port with tcp"),
    decide("track_bfd", BFD),
    decide("notify_master", HOOKS),
    decide("notify_backup", HOOKS),
    decide("notify_fault", HOOKS),
    decide("notify_stop", HOOKS),
    decide("notify_deleted", HOOKS),
    decide("notify", HOOKS),
    decide(
        "notify_priority_changes",
        "only changes of state are told; the log tells of every priority",
    ),
    decide("smtp_alert", MAIL),
    decide("global_tracking", "give all members of the group the same `track`"),
    key(
        "sync_group_tracking_weight",
        GroupKey::OwnWeights,
        "`weight` in the members' `track`, which is left out without it",
    ),
];

/// What may stand behind the name of what is tracked.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum TrackedKey {
    Weight,
    Reverse,
    NoReverse,
}

/// In an entry of `track_interface` or `track_script`.
pub(in crate::convert) const TRACKED: &[Keyword<TrackedKey>] = &[
    key("weight", TrackedKey::Weight, "`weight`, and `priority`; see above"),
    key("reverse", TrackedKey::Reverse, "the sign of `weight`; none with weight 0"),
    key("noreverse", TrackedKey::NoReverse, "the sign of `weight`"),
    key("no_reverse", TrackedKey::NoReverse, "the sign of `weight`"),
];

/// Behind an address of `unicast_peer`.
pub(in crate::convert) const PEER: &[Keyword<Nothing>] = &[
    info("min_ttl", "OpenProxy accepts 255 alone, as the RFCs say"),
    decide(
        "max_ttl",
        "OpenProxy accepts 255 alone, as the RFCs say; peers behind a router aren't heard",
    ),
];

/// Behind an address of `virtual_ipaddress` or `virtual_ipaddress_excluded`.
pub(in crate::convert) const ADDRESS: &[Keyword<Nothing>] = &[
    same("dev", "the interface of its table; another one is told"),
    info("brd", "VIPs are added without a broadcast address"),
    decide("use_vmac", "VIPs have the interface's own MAC address"),
    info("scope", "VIPs have the scope of their address: global, or link"),
    decide("label", "VIPs have no label; ask for them with `ip address`, not ifconfig"),
    decide("peer", "VIPs are addresses of a network, not of a point-to-point link"),
    info("home", "it is for Mobile IPv6"),
    same("-nodad", "VIPs are added without duplicate address detection"),
    info("mngtmpaddr", "a VIP is no template for temporary addresses"),
    decide("noprefixroute", "give the VIP the prefix length 32 or 128: that adds no route"),
    info("autojoin", "VIPs are unicast addresses"),
    info("no_track", "a VIP that somebody takes away is always put back"),
    info("preferred_lft", "IPv6 VIPs are deprecated: no connection begins from them"),
    info("track_group", "it is for static addresses"),
];
