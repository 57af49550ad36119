//! What this process is allowed to do.

/// The capabilities that virtual routers need, and their bits (`linux/capability.h`).
const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];

/// The capabilities that virtual routers need and this process doesn't have.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    // Without procfs nothing is known; the first socket will tell.
    std::fs::read_to_string("/proc/self/status").map_or_else(|_| Vec::new(), |text| missing(&text))
}

fn missing(status: &str) -> Vec<&'static str> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let Some(effective) = effective else { return Vec::new() };
    let lacks = |bit: u32| effective >> bit & 1 == 0;
    NEEDED.iter().filter(|(_, bit)| lacks(*bit)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing("CapEff:\t0000000000000000\n"), ["CAP_NET_ADMIN", "CAP_NET_RAW"]);
        assert_eq!(missing("CapEff:\t0000000000003000\n"), Vec::<&str>::new());
        assert_eq!(missing("CapEff:\t0000000000001000\n"), ["CAP_NET_RAW"]);
    }
}
