use super::*;

fn spec(program: Program) -> Spec {
    let timing = Timing { advert_int: Duration::from_millis(10), version: Version::V3 };
    Spec {
        program,
        timing,
        sabotaged: false,
        realtime: None,
        routers: vec![RouterSpec::main()],
        promotes_in: None,
        debug: false,
        servers: 0,
    }
}

#[test]
fn a_file_of_one_router_is_one_table() {
    let text = spec(Program::OpenProxy(PathBuf::new())).file(150);
    let file: toml::Table = text.parse().expect("valid TOML");
    let router = &file["general"]["virtual_router"];
    assert_eq!(router["priority"].as_integer(), Some(150));
    assert_eq!(router["advert_int"].as_float(), Some(0.01));
    assert_eq!(router["version"].as_integer(), Some(3));
    assert!(router.get("lease").is_none());
}

#[test]
fn a_file_of_whole_seconds_has_whole_numbers_and_no_version() {
    let mut spec = spec(Program::OpenProxy(PathBuf::new()));
    spec.timing = Timing { advert_int: Duration::from_secs(1), version: Version::V2 };
    spec.sabotaged = true;
    let file: toml::Table = spec.file(100).parse().expect("valid TOML");
    let router = &file["general"]["virtual_router"];
    assert_eq!(router["advert_int"].as_integer(), Some(1));
    assert_eq!(router["lease"].as_bool(), Some(false));
    assert_eq!(router["handover"].as_str(), Some("strict"));
    assert_eq!(router["reset_connections"].as_bool(), Some(false));
    assert!(!spec.resets());
    assert_eq!(file["general"]["guard"].as_bool(), Some(false));
    assert!(router.get("version").is_none());
}

#[test]
fn a_file_of_many_routers_is_an_array() {
    let mut spec = spec(Program::OpenProxy(PathBuf::new()));
    spec.routers.push(RouterSpec { lan: 1, id: 51, vips: vec![(VIP, 32)] });
    let file: toml::Table = spec.file(100).parse().expect("valid TOML");
    let routers = file["general"]["virtual_router"].as_array().expect("an array");
    assert_eq!(routers.len(), 2);
}

#[test]
fn keepalived_gets_its_own_words() {
    let text = spec(Program::Keepalived(PathBuf::new())).file(150);
    assert!(text.contains("virtual_router_id 50"));
    assert!(text.contains("advert_int 0.01"));
}

#[test]
fn realtime_is_for_both() {
    let mut spec = spec(Program::OpenProxy(PathBuf::new()));
    (spec.realtime, spec.sabotaged) = (Some(20), true);
    let file: toml::Table = spec.file(100).parse().expect("valid TOML");
    assert_eq!(file["general"]["realtime"].as_integer(), Some(20));
    assert_eq!(file["general"]["guard"].as_bool(), Some(false));
    spec.program = Program::Keepalived(PathBuf::new());
    let text = spec.file(100);
    assert!(text.contains("vrrp_rt_priority 20") && !text.contains("guard"), "{text}");
}
