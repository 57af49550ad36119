//! The keywords of `global_defs`.

use super::instance::MAIL;
use super::{Keyword, decide, info, key, same};

/// What we read of the global definitions.
#[derive(Clone, Copy, Debug)]
pub(in crate::convert) enum GlobalKey {
    Version,
    GarpRefresh,
    Strict,
    MulticastGroup,
}

const NAMES: &str = "the processes are called openproxy";
const GARPS: &str = "OpenProxy announces its VIPs at 0, 0.25, 1 and 5 s, then every garp_refresh";
const FIREWALL: &str = "OpenProxy sets up no firewall";
const SCHEDULING: &str = "set it in the unit: Nice=, CPUSchedulingPolicy=, CPUAffinity=";
const BUFFERS: &str = "OpenProxy asks the kernel anew when a buffer has overrun";
const LVS: &str = "it is for load balancing, which OpenProxy doesn't do";
const FIFO: &str = "general.notify_fifo is written the same lines, with names such as \
    eth0/50/IPv4, and with LEAVING besides keepalived's states";
const PRIORITIES: &str = "only changes of state are told; the log tells of every priority";
const STATES: &str = "only changes of state are told; `openproxy status` has the states";
const HOOK: &str = "let the unit run it: ExecStartPre=, ExecStopPost=";
const SNMP: &str = "OpenProxy has no SNMP; ask `openproxy status --json`, or read its log";
const DBUS: &str = "OpenProxy isn't on D-Bus";
const RELOAD: &str = "OpenProxy reads a changed file by itself, and never uses one with an error";

/// All of them.
pub(in crate::convert) const GLOBAL: &[Keyword<GlobalKey>] = &[
    info("tmp_config_directory", "OpenProxy reads one file, in one go"),
    info("config_save_dir", "`openproxy check` shows what a file means"),
    info("process_names", NAMES),
    info("process_name", NAMES),
    info("vrrp_process_name", NAMES),
    info("checker_process_name", LVS),
    info("bfd_process_name", NAMES),
    decide("startup_script", HOOK),
    info("startup_script_timeout", HOOK),
    decide("shutdown_script", HOOK),
    info("shutdown_script_timeout", HOOK),
    decide("notification_email", MAIL),
    info("notification_email_from", MAIL),
    info("smtp_server", MAIL),
    info("smtp_helo_name", MAIL),
    info("smtp_connect_timeout", MAIL),
    decide("smtp_alert", MAIL),
    decide("smtp_alert_vrrp", MAIL),
    info("smtp_alert_checker", LVS),
    info("checker_log_all_failures", LVS),
    info("no_email_faults", MAIL),
    info("router_id", "it is a name for mails; the log has the host's"),
    info("lvs_id", "it is a name for mails; the log has the host's"),
    key("vrrp_mcast_group4", GlobalKey::MulticastGroup, "none: always 224.0.0.18, as the RFCs say"),
    key("vrrp_mcast_group6", GlobalKey::MulticastGroup, "none: always ff02::12, as the RFCs say"),
    info("default_interface", "every router has an interface of its own"),
    decide("lvs_sync_daemon", LVS),
    info("lvs_timeouts", LVS),
    info("lvs_flush", LVS),
    info("lvs_flush_on_stop", LVS),
    info("vrrp_garp_master_delay", GARPS),
    info("vrrp_garp_master_repeat", GARPS),
    info("vrrp_garp_lower_prio_delay", GARPS),
    info("vrrp_garp_lower_prio_repeat", GARPS),
    decide(
        "vrrp_down_timer_adverts",
        "OpenProxy waits for three adverts, as the RFCs say; take the keyword away on all nodes",
    ),
    key("vrrp_garp_master_refresh", GlobalKey::GarpRefresh, "`garp_refresh`; 0 without it"),
    info("vrrp_garp_master_refresh_repeat", GARPS),
    info("vrrp_garp_interval", GARPS),
    info("vrrp_gna_interval", GARPS),
    info("vrrp_min_garp", GARPS),
    info("vrrp_garp_extra_if", GARPS),
    info("vrrp_lower_prio_no_advert", "OpenProxy answers lesser MASTERs, at a bounded rate"),
    info("vrrp_higher_prio_send_advert", "the MASTER that stays has the last word anyway"),
    key("vrrp_version", GlobalKey::Version, "`version`; 2, or 3 with IPv6, without it"),
    info("nftables", FIREWALL),
    info("nftables_priority", FIREWALL),
    info("nftables_counters", FIREWALL),
    info("nftables_ifindex", FIREWALL),
    info("nftables_ipvs", LVS),
    info("nftables_ipvs_priority", LVS),
    info("nftables_ipvs_start_fwmark", LVS),
    info("vrrp_iptables", FIREWALL),
    info("vrrp_ipsets", FIREWALL),
    decide("disable_local_igmp", "sysctl net.ipv4.igmp_link_local_mcast_reports=0"),
    same("vrrp_check_unicast_src", "adverts are accepted from `unicast_peers` alone"),
    same("vrrp_skip_check_adv_addr", "a version 3 advert's list is never a reason to discard it"),
    key("vrrp_strict", GlobalKey::Strict, "`strict` with IPv6 VIPs"),
    decide("vrrp_notify_priority_changes", PRIORITIES),
    info("max_auto_priority", SCHEDULING),
    info("min_auto_priority_delay", SCHEDULING),
    info("vrrp_priority", SCHEDULING),
    info("checker_priority", LVS),
    info("bfd_priority", SCHEDULING),
    info("vrrp_no_swap", "set MemorySwapMax=0 in the unit"),
    info("checker_no_swap", LVS),
    info("bfd_no_swap", SCHEDULING),
    info("vrrp_cpu_affinity", SCHEDULING),
    info("checker_cpu_affinity", LVS),
    info("bfd_cpu_affinity", SCHEDULING),
    info("vrrp_rt_priority", SCHEDULING),
    info("checker_rt_priority", LVS),
    info("bfd_rt_priority", SCHEDULING),
    info("vrrp_rlimit_rttime", SCHEDULING),
    info("checker_rlimit_rttime", LVS),
    info("bfd_rlimit_rttime", SCHEDULING),
    info("snmp_socket", SNMP),
    decide("enable_snmp_vrrp", SNMP),
    info("enable_snmp_checker", LVS),
    decide("enable_snmp_rfc", SNMP),
    decide("enable_snmp_rfcv2", SNMP),
    decide("enable_snmp_rfcv3", SNMP),
    decide("enable_traps", SNMP),
    decide("enable_dbus", DBUS),
    info("dbus_service_name", DBUS),
    decide("script_user", "commands run as OpenProxy's own user; see `user` in [general]"),
    same("enable_script_security", "a command that everybody may write to is always refused"),
    decide("notify_fifo", FIFO),
    decide("notify_fifo_script", FIFO),
    decide("vrrp_notify_fifo", FIFO),
    decide("vrrp_notify_fifo_script", FIFO),
    info("lvs_notify_fifo", LVS),
    info("lvs_notify_fifo_script", LVS),
    info("fifo_write_vrrp_states_on_reload", STATES),
    same("dynamic_interfaces", "an interface may always come later, and again"),
    info("vrrp_netlink_cmd_rcv_bufs", BUFFERS),
    info("vrrp_netlink_cmd_rcv_bufs_force", BUFFERS),
    info("vrrp_netlink_monitor_rcv_bufs", BUFFERS),
    info("vrrp_netlink_monitor_rcv_bufs_force", BUFFERS),
    info("lvs_netlink_cmd_rcv_bufs", LVS),
    info("lvs_netlink_cmd_rcv_bufs_force", LVS),
    info("lvs_netlink_monitor_rcv_bufs", LVS),
    info("lvs_netlink_monitor_rcv_bufs_force", LVS),
    info("process_monitor_rcv_bufs", BUFFERS),
    info("process_monitor_rcv_bufs_force", BUFFERS),
    info("vrrp_rx_bufs_policy", BUFFERS),
    info("vrrp_rx_bufs_multiplier", BUFFERS),
    info("rs_init_notifies", LVS),
    info("no_checker_emails", LVS),
    info("umask", "OpenProxy makes its socket alone; see `socket` in [general.status]"),
    decide(
        "vrrp_startup_delay",
        "let the unit wait for the network: After=network-online.target; preempt_delay if the \
         interface is deaf for a while",
    ),
    info("log_unknown_vrids", "adverts of other virtual routers are no news"),
    info("vmac_prefix", "OpenProxy makes no interface"),
    info("vmac_addr_prefix", "OpenProxy makes no interface"),
    info("random_seed", "nothing is drawn"),
    info("reload_check_config", RELOAD),
    info("include_check", "files that are missing are told"),
    info("reload_time_file", RELOAD),
    info("reload_repeat", RELOAD),
    info("reload_file", RELOAD),
    info("data_use_instance", "`openproxy status` has what is known"),
];
