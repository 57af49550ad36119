//! The command as people and service managers use it, as far as no privilege is needed.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};
use nix::unistd::Pid;

const GOOD: &str = "\
[general.virtual_router]
interface = \"eno1\"
router_id = 50
priority = 150
advert_int = 3
vip_addresses = [ \"192.168.0.200/24\" ]
";

fn openproxy(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
    command.args(args).current_dir(directory).output().expect("the binary is there")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

fn directory_with(name: &str, content: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(name), content).expect("a file");
    directory
}

#[test]
fn check_shows_what_would_run_and_ends_with_0() {
    let directory = directory_with("openproxy.toml", GOOD);
    let output = openproxy(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("1 virtual router would run;"), "{stdout}");
    assert!(stdout.contains("\neno1/50/IPv4: VRRP version 2, priority 150"), "{stdout}");
}

#[test]
fn check_shows_all_errors_at_once_and_ends_with_78() {
    let bad = GOOD.replace("150", "300").replace("/24", "/33").replace("eno1", "");
    let directory = directory_with("my.toml", &bad);
    let output = openproxy(directory.path(), &["check", "my.toml"]);
    assert_eq!(output.status.code(), Some(78));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(
        lines.get(1).copied(),
        Some(
            "my.toml:4:12: general.virtual_router.priority = 300: \
             must be a whole number from 1 to 255"
        )
    );
}

#[test]
fn a_hook_that_everybody_may_write_is_refused_before_anything_runs() {
    let directory = directory_with("hook", "#!/bin/sh\n");
    let hook = directory.path().join("hook");
    // If it were not refused, the user would be: nothing is left running.
    let user = "[general]\nuser = \"no-such-user\"\n";
    let file = format!("{user}{GOOD}pre_promote_script = \"/bin/sh {} up\"\n", hook.display());
    fs::write(directory.path().join("openproxy.toml"), file).expect("a file");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o777)).expect("ours");
    let refusal = format!(
        "openproxy.toml: pre_promote_script: {} is writable by others (mode 0777); chmod o-w mends it\n",
        hook.display()
    );
    let output = openproxy(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stdout).starts_with(&refusal), "{}", text(&output.stdout));
    let output = openproxy(directory.path(), &["./openproxy.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(text(&output.stderr), format!("./{refusal}"));
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("ours");
    assert_eq!(openproxy(directory.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn a_wrong_or_missing_file_does_not_run_and_ends_with_78() {
    let directory = directory_with("check", &GOOD.replace("150", "300"));
    let output = openproxy(directory.path(), &["./check"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        text(&output.stderr),
        "./check:4:12: general.virtual_router.priority = 300: \
         must be a whole number from 1 to 255\n"
    );
    for args in [&[][..], &["release"]] {
        let output = openproxy(directory.path(), args);
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(
            text(&output.stderr),
            "openproxy.toml: can't be read: No such file or directory (os error 2)\n"
        );
    }
}

#[test]
fn nobody_but_the_daemon_starts_a_guard() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = openproxy(directory.path(), &["guard"]);
    assert_eq!(output.status.code(), Some(71));
    assert_eq!(
        text(&output.stderr),
        "openproxy: no guard can be begun by hand: standard output isn't the lock\n"
    );
}

#[test]
fn help_and_version_are_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = openproxy(directory.path(), &["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), concat!("openproxy ", env!("CARGO_PKG_VERSION"), "\n"));
    let output = openproxy(directory.path(), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for part in [
        "[FILE]",
        "check",
        "release",
        "OPENPROXY_LOG",
        "SIGHUP",
        "78  all but lab: the file is wrong",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    let directory = directory_with("openproxy.toml", GOOD);
    for args in
        [&["--nonsense"][..], &["forget", "p"], &["maintenance"], &["stepdown", "--for", "0s"]]
    {
        let output = openproxy(directory.path(), args);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{args:?}");
        assert!(text(&output.stderr).contains("For more information, try '--help'"), "{args:?}");
    }
}

#[test]
fn whoever_asks_a_daemon_ends_with_2_without_one_and_with_78_without_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("none.sock");
    let file = format!("[general.status]\nsocket = \"{}\"\n{GOOD}", socket.display());
    fs::write(directory.path().join("good.toml"), file).expect("a file");
    let commands = [
        &["status"][..],
        &["status", "--watch", "--json"],
        &["forget", "p/0"],
        &["upgrade"],
        &["stepdown", "--file"],
        &["maintenance", "on", "--file"],
        &["maintenance", "off", "--file"],
    ];
    for command in commands {
        for (file, status, reason) in [
            ("good.toml", 2, "none.sock: no daemon"),
            ("none.toml", 78, "none.toml: can't be read"),
        ] {
            let args = [command, &[file]].concat();
            let output = openproxy(directory.path(), &args);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
            assert!(said.contains(reason), "{args:?}: {said}");
        }
    }
}

#[test]
fn what_nobody_takes_down_ends_with_71() {
    let directory = directory_with("openproxy.toml", GOOD);
    fs::write(directory.path().join("k.conf"), KEEPALIVED).expect("a file");
    for args in [&["check"][..], &["convert", "k.conf"]] {
        let full = fs::File::options().write(true).open("/dev/full").expect("a device");
        let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
        command.args(args).current_dir(directory.path()).stdout(full).stderr(Stdio::null());
        let ended = command.status();
        assert_eq!(ended.expect("the binary is there").code(), Some(71), "{args:?}");
    }
}

#[test]
fn a_lab_that_cannot_run_ends_with_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = openproxy(directory.path(), &["lab", "--advert-int", "0.5", "--protocol", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("openproxy lab: "), "{}", text(&output.stderr));
}

const KEEPALIVED: &str = "\
vrrp_instance VI_1 {
    interface eno1
    virtual_router_id 51
@node1 priority 150
@node2 priority 100
    virtual_ipaddress {
        192.0.2.10/24
    }
    include parts.d/*.conf
}
";

#[test]
fn convert_writes_a_file_that_check_takes_and_ends_with_0() {
    let directory = directory_with("keepalived.conf", KEEPALIVED);
    let parts = directory.path().join("parts.d");
    fs::create_dir_all(parts.join("a folder.conf")).expect("a directory");
    for (name, content) in [("b.conf", "nopreempt\n"), (".hidden.conf", "use_vmac\n")] {
        fs::write(parts.join(name), content).expect("a file");
    }
    let path = directory.path().join("keepalived.conf");
    // From elsewhere: what is included is beside the file.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let args = ["convert", path.to_str().expect("UTF-8"), "--id", "node1"];
    let output = openproxy(elsewhere.path(), &args);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    fs::write(elsewhere.path().join("openproxy.toml"), &output.stdout).expect("a file");
    let output = openproxy(elsewhere.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    assert!(stdout.contains("\neno1/51/IPv4: VRRP version 2, priority 150"), "{stdout}");
    assert!(stdout.contains("  preempts    never\n"), "{stdout}");
}

#[test]
fn convert_ends_with_1_for_a_decision_and_with_78_for_what_it_cannot_read() {
    let directory = directory_with("k.conf", &(KEEPALIVED.to_owned() + "virtual_server x {\n}\n"));
    let output = openproxy(directory.path(), &["convert", "k.conf", "--id", "node2"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("k.conf:9: info: include: parts.d/*.conf matches no file\n"));
    assert!(stderr.contains("\nk.conf:11: decide: virtual_server: "), "{stderr}");
    assert!(text(&output.stdout).contains("\npriority = 100\n"));

    fs::write(directory.path().join("k.conf"), KEEPALIVED.replace("}", "")).expect("a file");
    let cases = [
        ("k.conf", "k.conf:6: the block that begins here is not closed\n"),
        ("none.conf", "none.conf: can't be read: No such file or directory (os error 2)\n"),
    ];
    for (file, expected) in cases {
        let output = openproxy(directory.path(), &["convert", file]);
        assert_eq!(output.status.code(), Some(78));
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("", expected));
    }
}

#[test]
fn manual_pages_and_completions_are_generated_from_the_help() {
    let directory = tempfile::tempdir().expect("a directory");
    let names = |what: &str| -> Vec<String> {
        let folder = directory.path().join(what);
        fs::create_dir(&folder).expect("a directory");
        let output = openproxy(directory.path(), &["generate", what, what]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let entries = fs::read_dir(folder).expect("a directory");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    };
    let read = |path: &str| fs::read_to_string(directory.path().join(path)).expect("a file");

    let pages = names("man");
    for page in ["openproxy.8", "openproxy-check.8", "openproxy-status.8", "openproxy.toml.5"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("generate")), "{pages:?}");
    let page = read("man/openproxy.8");
    let parts = [
        "openproxy\\-upgrade(8)",
        ".SH ENVIRONMENT\n.nf\n",
        "OPENPROXY_LOG",
        ".SH \"EXIT STATUS\"\n.nf\n",
        "78  all but lab: the file is wrong",
    ];
    for part in parts {
        assert!(page.contains(part), "{part}: {page}");
    }

    let completions = names("completions");
    assert_eq!(completions, ["_openproxy", "openproxy.bash", "openproxy.fish"]);
    for name in completions {
        let script = read(&format!("completions/{name}"));
        assert!(script.contains("upgrade") && script.contains("watch"), "{name}");
        assert!(!script.contains("generate"), "{name}");
    }
    let output = openproxy(directory.path(), &["generate", "man", "nowhere"]);
    assert_eq!(output.status.code(), Some(71));
}

/// The command lines of all who ask a daemon.
const QUESTIONS: [&[&str]; 6] = [
    &["status"],
    &["status", "--json", "--watch"],
    &["forget", "pool/0"],
    &["stepdown"],
    &["maintenance", "on"],
    &["upgrade"],
];

/// What all of them write on standard error, at a daemon of `openproxy.toml` in this folder. They run
/// side by side, since each waits.
fn refusals(directory: &Path, questions: &[&[&str]]) -> Vec<String> {
    let asking = questions.iter().map(|args| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
        command.args(*args).current_dir(directory).stdout(Stdio::null()).stderr(Stdio::piped());
        Asking(command.spawn().expect("the binary is there"))
    });
    let asking: Vec<_> = asking.collect();
    asking.into_iter().map(Asking::refusal).collect()
}

struct Asking(Child);

impl Asking {
    fn refusal(mut self) -> String {
        let pid = Pid::from_raw(self.0.id().try_into().expect("a number"));
        let mut stderr = self.0.stderr.take().expect("a pipe");
        // Its end is the end of the pipe.
        let mut ended = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        let count = poll(&mut ended, PollTimeout::from(60_000_u16)).expect("it can be waited for");
        assert_eq!(count, 1, "{pid} waits for ever");
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("UTF-8");
        assert_eq!(self.0.wait().expect("it ends").code(), Some(2), "{said}");
        said
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nobody_waits_for_a_daemon_that_does_not_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("status.sock");
    let file = format!("[general.status]\nsocket = \"{}\"\n{GOOD}", socket.display());
    fs::write(directory.path().join("openproxy.toml"), file).expect("a file");
    let silent = format!("openproxy: {}: the daemon of this file doesn't answer", socket.display());
    let listener = UnixListener::bind(&socket).expect("a socket");
    let (upgrade, others) = QUESTIONS.split_last().expect("some");
    // It takes whoever comes, and says nothing.
    for refusal in refusals(directory.path(), others) {
        assert_eq!(refusal, format!("{silent}\n"));
    }
    listen(&listener, Backlog::new(0).expect("small")).expect("it listens");
    // And now it takes nobody any more.
    for refusal in refusals(directory.path(), others) {
        assert_eq!(refusal, format!("{silent}: too many wait there to be heard\n"));
    }
    let refusal = refusals(directory.path(), &[upgrade]).concat();
    assert!(refusal.ends_with("no daemon can be asked there: too many wait there to be heard\n"));
    drop(listener);
    for refusal in refusals(directory.path(), &QUESTIONS) {
        assert!(refusal.contains("Connection refused"), "{refusal}");
    }
}
