//! The page in a headless Chromium, from a server that answers like a daemon.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use openproxy::api::document::Document;
use openproxy::api::page;

/// Whether a browser has ended is asked this often: for two minutes, as the machine may do other things.
const BROWSER_LOOKS_MAX: u32 = 6_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long a page runs before it is looked at.
const PAGE_TIME_MS: u32 = 8_000;

/// What is answered to `/status`.
#[derive(Clone, Debug)]
pub(crate) enum Answers {
    /// This, however often somebody asks.
    Always(Document),
    /// This, and nothing after that.
    Once(Document),
}

/// The document of the page after some seconds.
pub(crate) fn dump(answers: &Answers) -> String {
    chromium(answers, &["--dump-dom"])
}

/// A picture of it.
pub(crate) fn screenshot(name: &str, width: u32, answers: &Answers) {
    let kept = tempfile::tempdir().expect("a folder");
    let folder = std::env::var_os("SCREENSHOTS").map_or(kept.path().to_owned(), Into::into);
    fs::create_dir_all(&folder).expect("a folder");
    let picture = folder.join(format!("{name}-{width}.png"));
    let (size, option) =
        (format!("--window-size={width},1000"), format!("--screenshot={}", picture.display()));
    chromium(answers, &["--hide-scrollbars", &size, &option]);
    let bytes = fs::metadata(&picture).expect("a picture").len();
    assert!(bytes > 5_000, "{name} is an empty picture of {bytes} bytes");
}

fn chromium(answers: &Answers, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(answers.clone());
    let output = folder.path().join("out");
    let mut child = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--virtual-time-budget={PAGE_TIME_MS}"))
        .args(arguments)
        .arg(format!("http://127.0.0.1:{}/", server.port))
        .stdout(fs::File::create(&output).expect("a file"))
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium is installed");
    let ended = (0..BROWSER_LOOKS_MAX).any(|_| {
        thread::sleep(LOOK_INTERVAL);
        child.try_wait().expect("our child").is_some()
    });
    if !ended {
        child.kill().expect("our child");
        child.wait().expect("our child");
        panic!("chromium doesn't end");
    }
    read(&output)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("what it printed")
}

/// Serves until it is dropped.
struct Server {
    port: u16,
    ends: Arc<AtomicBool>,
}

impl Server {
    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        thread::spawn(move || {
            let mut asked = 0;
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                // A browser opens connections that it may not use.
                let _ = stream.and_then(|stream| answer(stream, &answers, &mut asked));
            }
        });
        Self { port, ends }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes it.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn answer(mut stream: TcpStream, answers: &Answers, asked: &mut usize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (kind, body) = match request.split(' ').nth(1) {
        Some("/") => ("text/html; charset=utf-8", page::HTML.to_owned()),
        Some("/status") => {
            *asked += 1;
            let document = match answers {
                Answers::Always(document) => document,
                Answers::Once(document) if *asked == 1 => document,
                // It is closed without an answer.
                Answers::Once(_) => return Ok(()),
            };
            ("application/json", serde_json::to_string(document)?)
        }
        _ => return Ok(()),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         content-security-policy: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
        page::CONTENT_SECURITY_POLICY,
    )
}
