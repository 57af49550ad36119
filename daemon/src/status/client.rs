//! `openproxy status` and `openproxy forget`: asking a running daemon.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use openproxy::api::document::Document;
use openproxy::api::table;
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::cli::{ForgetArgs, StatusArgs};
use crate::exit::Exit;
use crate::file;
use crate::linux;
use crate::run::complain;

/// How often the table is drawn anew for whoever watches.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How long a daemon that has no room for another who asks is waited for.
pub(crate) const CONNECTED_WITHIN: Duration = Duration::from_secs(3);
/// How long one is waited for that doesn't answer: one that is well does within a second.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
const SILENT: &str = "the daemon of this file doesn't answer";

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// Shows what the daemon of a file knows.
pub(crate) fn run(args: &StatusArgs) -> Exit {
    ask(&args.file.path, async |socket| match (args.watch, args.json) {
        (true, true) => lines(socket).await,
        (true, false) => loop {
            // The cursor goes home, and what was there is gone.
            let screen = if io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
            let (_, document) = look(socket).await?;
            print((screen.to_owned() + &table::render(&document)).as_bytes())?;
            tokio::time::sleep(WATCH_INTERVAL).await;
        },
        (false, json) => {
            let (body, document) = look(socket).await?;
            if json {
                print(&body)?;
            } else {
                print(table::render(&document).as_bytes())?;
            }
            Ok(match &*document.status {
                "ok" => Exit::Clean,
                "warning" => Exit::Warning,
                _ => Exit::Critical,
            })
        }
    })
}

/// All that the daemon knows now.
pub(super) async fn look(socket: &Path) -> Result<(Bytes, Document), Failure> {
    let response = get(socket, Method::GET, "/status").await?;
    if response.status() != StatusCode::OK {
        return Err(text(response).await?.into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    let document = serde_json::from_slice(&body)?;
    Ok((body, document))
}

/// Prints a line for each shard and router, and one more for each change, without an end.
async fn lines(socket: &Path) -> Result<Exit, Failure> {
    let mut response = get(socket, Method::GET, "/status?watch").await?;
    if response.status() != StatusCode::OK {
        return Err(text(response).await?.into());
    }
    while let Some(frame) = response.frame().await {
        if let Ok(line) = frame?.into_data() {
            print(&line)?;
        }
    }
    Err("the daemon has ended".into())
}

/// Has the daemon of a file believe anew whoever says that it is primary of a shard.
pub(crate) fn forget(args: &ForgetArgs) -> Exit {
    ask(&args.file.path, async |socket| {
        let path = format!("/forget/{}/{}", encode(&args.shard.pool), encode(&args.shard.shard));
        let response = get(socket, Method::POST, &path).await?;
        if response.status() != StatusCode::OK {
            return Err(text(response).await?.into());
        }
        print(text(response).await?.as_bytes())?;
        print(b"\n")?;
        Ok(Exit::Clean)
    })
}

/// As it is written in a URL.
pub(super) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Asks at the socket that a file names.
pub(super) fn ask(path: &Path, question: impl AsyncFnOnce(&Path) -> Result<Exit, Failure>) -> Exit {
    let loaded = match file::load(path) {
        Ok((_, loaded)) => loaded,
        Err(found) => {
            found.iter().for_each(complain);
            return Exit::Config;
        }
    };
    let socket = &loaded.status.socket;
    let answered = Builder::new_current_thread().enable_all().build().map_err(Failure::from);
    let answered = answered.and_then(|runtime| runtime.block_on(question(socket)));
    answered.unwrap_or_else(|error| {
        complain(format_args!("openproxy: {}: {error}", socket.display()));
        Exit::Critical
    })
}

pub(super) async fn get(
    socket: &Path,
    method: Method,
    path: &str,
) -> Result<Response<Incoming>, Failure> {
    let stream = linux::connect_within(socket, CONNECTED_WITHIN).map_err(|error| {
        let is_nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if is_nobody.contains(&error.kind()) {
            format!("no daemon runs with this file ({error})")
        } else if error.kind() == io::ErrorKind::TimedOut {
            format!("{SILENT}: {error}")
        } else {
            error.to_string()
        }
    })?;
    stream.set_nonblocking(true)?;
    let stream = TokioIo::new(UnixStream::from_std(stream)?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "openproxy");
    let answered = sender.send_request(request.body(Empty::<Bytes>::new())?);
    Ok(timeout(ANSWERED_WITHIN, answered).await.map_err(|_| SILENT)??)
}

/// The text of an answer, without its last line break.
pub(super) async fn text(response: Response<Incoming>) -> Result<String, Failure> {
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).trim_end().to_owned())
}

pub(super) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
