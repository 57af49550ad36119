//! A client that keeps one TCP connection through the VIP and waits for what comes, and on each node
//! a server that tells its name to whoever connects, and to whoever asks.
//!
//! It is blocked in a read without an end, as an application is whose database doesn't answer: of a
//! VIP that moves it hears by a reset, or not at all.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener as StdListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::clock;
use super::error::{Context, LabError};
use super::net::{Lan, VIP};
use super::observe::spawn;
use super::record::{Connection, End, Recorder};

const PORT: u16 = 7008;
/// A question that the old node's kernel drops is asked once more after so long; the kernel itself
/// would wait for a second.
const CONNECT_WITHIN: Duration = Duration::from_millis(20);
/// Between two tries of which the first was refused.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts the server of every node, all on a thread that ends with the lab.
pub(crate) fn start_servers(lan: &Lan) -> Result<(), LabError> {
    let mut listeners = vec![];
    for namespace in &lan.nodes {
        listeners.push(namespace.run(|| {
            let what = "listen on a node";
            let listener = StdListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context(what)?;
            listener.set_nonblocking(true).context(what)?;
            Ok(listener)
        })?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    spawn("servers", move || {
        runtime.block_on(async {
            for (node, listener) in (0..).zip(listeners) {
                // Fails where there is no room for another descriptor; the client tells that.
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::spawn(serve(node, listener));
            }
            std::future::pending::<()>().await;
        });
    })
}

async fn serve(node: u8, listener: TcpListener) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            // How a connection ends is the client's business.
            while stream.write_all(&[node]).await.is_ok()
                && stream.read_exact(&mut [0]).await.is_ok()
            {}
        });
    }
}

/// The client's connection, if it has one just now, for others to act on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client(Arc<Mutex<Option<TcpStream>>>);

impl Client {
    /// Starts the client on a thread that ends with the lab.
    pub(crate) fn start(&self, lan: &Lan, recorder: &Arc<Recorder>) -> Result<(), LabError> {
        let (client, recorder) = (self.clone(), Arc::clone(recorder));
        // A thread is born in the namespace of the one that starts it.
        lan.client.run(move || {
            spawn("TCP client", move || {
                loop {
                    client.hold_one(&recorder);
                }
            })
        })
    }

    /// Has it connect anew, as if its connection had ended.
    pub(crate) fn renew(&self) {
        if let Some(stream) = &*self.stream() {
            // Fails when it has just ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Asks for the server's name once more, on the connection that there is.
    pub(crate) fn ask(&self) {
        if let Some(mut stream) = self.stream().as_ref() {
            // Fails when it has just ended, which is noted where it is read.
            let _ = stream.write_all(b"?");
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, however often that takes, and waits until the connection ends.
    fn hold_one(&self, recorder: &Recorder) {
        let (mut stream, node) = connect();
        // Fails where there is no room for another descriptor: then nobody can ask.
        *self.stream() = stream.try_clone().ok();
        recorder.note(|record| record.connections.push(Connection::new(clock::now(), node)));
        let end = loop {
            match stream.read(&mut [0]) {
                Ok(0) => break End::Closed,
                Ok(_) => recorder.note_answer(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
                Err(_) => break End::Failed,
            }
        };
        recorder.note_end(end);
        *self.stream() = None;
    }
}

/// A connection, and the node that has answered through it.
fn connect() -> (TcpStream, usize) {
    loop {
        match try_to_connect() {
            Ok(connected) => return connected,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn try_to_connect() -> io::Result<(TcpStream, usize)> {
    let at = SocketAddr::from((VIP, PORT));
    let mut stream = TcpStream::connect_timeout(&at, CONNECT_WITHIN)?;
    stream.set_read_timeout(Some(CONNECT_WITHIN))?;
    let mut node = [0];
    stream.read_exact(&mut node)?;
    stream.set_read_timeout(None)?;
    Ok((stream, usize::from(node[0])))
}
