//! Three servers with a Patroni API each, on loopback addresses, that answer as they are told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What an API does with a question.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Answers as Patroni would.
    Well,
    /// Sends these bytes, and closes.
    Bytes(Arc<[u8]>),
    /// Sends these bytes again and again, for as long as somebody reads.
    Endless(Arc<[u8]>),
    /// Begins well, and then sends a blank now and then.
    Drip,
    /// Resets the connection.
    Reset,
    /// Says nothing.
    Silent,
    /// Answers well, over TLS.
    Tls(Arc<ServerConfig>),
}

/// What they all know.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Which one is primary, if any.
    pub(crate) primary: Option<usize>,
    pub(crate) timeline: u32,
}

/// A question that came in, and when.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) at: Instant,
    pub(crate) path: String,
}

struct Server {
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Question>>,
    /// How many are asking now, and the most there have been.
    asking: Mutex<(usize, usize)>,
}

/// The three of them.
pub(crate) struct Patroni {
    pub(crate) port: u16,
    cluster: Arc<Mutex<Cluster>>,
    servers: [Arc<Server>; 3],
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listeners on 127.0.0.1 to 127.0.0.3 that share a port.
fn listeners() -> (u16, [TcpListener; 3]) {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = first.local_addr().expect("an address").port();
        let others = ["127.0.0.2", "127.0.0.3"].map(|host| TcpListener::bind((host, port)));
        if let [Ok(second), Ok(third)] = others {
            return (port, [first, second, third]);
        }
    }
}

impl Patroni {
    /// Starts them, with the first as primary on timeline 4.
    pub(crate) fn start() -> Self {
        let cluster = Arc::new(Mutex::new(Cluster { primary: Some(0), timeline: 4 }));
        let (port, listeners) = listeners();
        let mut place = 0;
        let servers = listeners.map(|listener| {
            let server = Arc::new(Server {
                manner: Mutex::new(Manner::Well),
                asked: Mutex::default(),
                asking: Mutex::default(),
            });
            let (shared, cluster, number) = (Arc::clone(&server), Arc::clone(&cluster), place);
            place += 1;
            thread::spawn(move || shared.serve(&listener, number, &cluster));
            server
        });
        Self { port, cluster, servers }
    }

    pub(crate) fn set(&self, server: usize, manner: Manner) {
        *lock(&self.servers[server].manner) = manner;
    }

    /// Another primary, on the next timeline; or none.
    pub(crate) fn promote(&self, primary: Option<usize>) {
        let mut cluster = lock(&self.cluster);
        cluster.primary = primary;
        cluster.timeline += u32::from(primary.is_some());
    }

    /// The questions that a server was asked so far.
    pub(crate) fn asked(&self, server: usize) -> Vec<Question> {
        lock(&self.servers[server].asked).clone()
    }

    /// How many asked a server at the same time, at most.
    pub(crate) fn most_at_once(&self, server: usize) -> usize {
        lock(&self.servers[server].asking).1
    }

    /// The `servers` of a file.
    pub(crate) fn servers(&self) -> String {
        let server = |number| format!("[ \"127.0.0.{number}\", 5432, \"Auto\" ]");
        format!("[ {}, {}, {} ]", server(1), server(2), server(3))
    }
}

impl Server {
    fn serve(self: Arc<Self>, listener: &TcpListener, place: usize, cluster: &Arc<Mutex<Cluster>>) {
        for stream in listener.incoming().flatten() {
            let (server, cluster) = (Arc::clone(&self), Arc::clone(cluster));
            thread::spawn(move || {
                {
                    let mut asking = lock(&server.asking);
                    asking.0 += 1;
                    asking.1 = asking.1.max(asking.0);
                }
                server.answer(stream, place, &cluster);
                lock(&server.asking).0 -= 1;
            });
        }
    }

    fn answer(&self, mut stream: TcpStream, place: usize, cluster: &Mutex<Cluster>) {
        let manner = lock(&self.manner).clone();
        if let Manner::Tls(config) = manner {
            let session = ServerConnection::new(config).expect("a session");
            let mut stream = StreamOwned::new(session, stream);
            if let Some(path) = read_path(&mut stream) {
                // A client that doesn't like the certificate has gone.
                let _ = stream.write_all(&self.well(&path, place, cluster));
                let _ = stream.flush();
            }
            return;
        }
        let Some(path) = read_path(&mut stream) else { return };
        let well = self.well(&path, place, cluster);
        // Whoever asked may go whenever it likes.
        let _ = match manner {
            Manner::Well | Manner::Tls(_) => stream.write_all(&well),
            Manner::Bytes(bytes) => stream.write_all(&bytes),
            Manner::Endless(bytes) => {
                while stream.write_all(&bytes).is_ok() {}
                Ok(())
            }
            Manner::Drip => {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
                for byte in std::iter::repeat(b' ') {
                    // That it takes long is what this is about.
                    thread::sleep(std::time::Duration::from_millis(50));
                    if stream.write_all(&[byte]).is_err() {
                        break;
                    }
                }
                Ok(())
            }
            Manner::Reset => {
                socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))
            }
            Manner::Silent => stream.read(&mut [0]).map(drop),
        };
    }

    /// What Patroni would say.
    fn well(&self, path: &str, place: usize, cluster: &Mutex<Cluster>) -> Vec<u8> {
        lock(&self.asked).push(Question { at: Instant::now(), path: path.to_owned() });
        let Cluster { primary, timeline } = *lock(cluster);
        let body = if path != "/cluster" {
            own(place, primary == Some(place), timeline)
        } else {
            all(primary, timeline)
        };
        format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}").into_bytes()
    }
}

fn read_path(stream: &mut impl std::io::Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    head.split(' ').nth(1).map(str::to_owned)
}

pub(crate) fn own(place: usize, is_primary: bool, timeline: u32) -> String {
    let (role, xlog) = if is_primary {
        ("primary", "{\"location\": 1000}")
    } else {
        ("replica", "{\"received_location\": 1000, \"replayed_location\": 900}")
    };
    format!(
        "{{\"state\": \"running\", \"role\": \"{role}\", \"server_version\": 150000, \
         \"timeline\": {timeline}, \"database_system_identifier\": \"7711713585392945889\", \
         \"xlog\": {xlog}, \"replication_state\": \"streaming\", \
         \"patroni\": {{\"version\": \"4.0.5\", \"scope\": \"demo\", \"name\": \"n{}\"}}}}",
        place + 1
    )
}

pub(crate) fn all(primary: Option<usize>, timeline: u32) -> String {
    let members = (0..3).map(|place| {
        let (role, state) =
            if primary == Some(place) { ("leader", "running") } else { ("replica", "streaming") };
        let number = place + 1;
        format!(
            "{{\"name\": \"n{number}\", \"role\": \"{role}\", \"state\": \"{state}\", \
             \"host\": \"127.0.0.{number}\", \"port\": 5432, \"timeline\": {timeline}, \
             \"api_url\": \"http://127.0.0.{number}:8008/patroni\"}}"
        )
    });
    let members: Vec<_> = members.collect();
    format!("{{\"members\": [{}], \"scope\": \"demo\"}}", members.join(", "))
}

/// The addresses that the APIs listen on.
pub(crate) fn api(port: u16, server: usize) -> SocketAddr {
    let hosts = [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]];
    SocketAddr::from((hosts[server], port))
}
