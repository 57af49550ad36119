use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    lab: LabArgs,
}

fn args(line: &str) -> LabArgs {
    let words = std::iter::once("lab").chain(line.split_whitespace());
    Cli::try_parse_from(words).expect("valid options").lab
}

#[test]
fn the_default_is_one_second_in_version_2() {
    let timing = args("").timing().expect("valid");
    assert_eq!((timing.version, timing.advert_int), (Version::V2, Duration::from_secs(1)));
}

#[test]
fn a_fraction_implies_version_3() {
    let timing = args("--advert-int 0.01").timing().expect("valid");
    assert_eq!((timing.version, timing.advert_int), (Version::V3, Duration::from_millis(10)));
    assert_eq!(args("--scale").timing().expect("valid").version, Version::V3);
}

#[test]
fn impossible_intervals_are_refused() {
    for line in ["--advert-int 0.5 --protocol 2", "--advert-int 0", "--advert-int 41 --protocol 3"]
    {
        assert!(args(line).timing().is_err(), "{line}");
    }
}

#[test]
fn one_lan_has_255_routers_and_four_a_thousand() {
    assert_eq!(args("--scale").routers().expect("valid"), 255);
    assert_eq!(args("--fleet").routers().expect("valid"), 1000);
    assert!(args("--scale --routers 256").routers().is_err());
    assert_eq!(args("--fleet --routers 256").routers().expect("valid"), 256);
}

#[test]
fn scenarios_come_as_a_list() {
    let args = args("--scenario pull,return --scenario kill");
    assert_eq!(args.scenario, [Scenario::Pull, Scenario::Return, Scenario::Kill]);
}

#[test]
fn a_forbidden_lab_says_how_to_run_it() {
    let help = forbidden_help();
    assert!(help.contains("sudo") || help.contains("CAP_SYS_ADMIN"));
}
