//! Servers that do as they are told, over the kernel's TCP and over pipes.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use openproxy::discovery::http::{
    Answer, AskError, Client, Dial, Endpoint, Reason, Scheme, TcpDialer,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Far away, for what isn't to time out on any machine.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

pub(crate) fn endpoint(scheme: Scheme, port: u16) -> Endpoint {
    Endpoint { scheme, host: IpAddr::from(Ipv4Addr::LOCALHOST).into(), port }
}

/// Serves the first connection with `script`, and no other.
pub(crate) async fn serve<T, F>(
    scheme: Scheme,
    script: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (Endpoint, JoinHandle<T>)
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        drop(listener);
        script(stream).await
    });
    (endpoint(scheme, port), server)
}

/// Reads a request to the end of its head.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a request"));
    }
    String::from_utf8(request).expect("ASCII")
}

/// Waits until the other side has closed the connection, whichever way.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut chunk = [0; 1024];
    while stream.read(&mut chunk).await.is_ok_and(|len| len > 0) {}
}

/// Asks for `/cluster` in plain HTTP.
pub(crate) async fn ask(endpoint: &Endpoint) -> Result<Answer, AskError> {
    Client::default().get(&TcpDialer::default(), endpoint, "/cluster", far()).await
}

/// What a server gets for this answer, after which it closes the connection.
pub(crate) async fn answered(reply: &'static [u8]) -> Result<Answer, AskError> {
    let (endpoint, server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(reply).await.expect("the client reads");
    })
    .await;
    let answer = ask(&endpoint).await;
    server.await.expect("the server is well");
    answer
}

/// The reason of a failure, whose line must name the endpoint and read like this.
#[track_caller]
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, AskError>, text: &str) -> Reason {
    let error = result.expect_err("no answer");
    let line = error.to_string();
    assert!(line.starts_with(&error.endpoint.to_string()), "{line}");
    assert!(line.contains(text), "{line:?} doesn't say {text:?}");
    assert!(Reason::KINDS.contains(&error.kind()), "{}", error.kind());
    assert!(!line.contains('\n'), "{line:?}");
    error.reason
}

/// A network of pipes: for time that is paused, which must not pass while the kernel works.
pub(crate) struct Pipes {
    ends: mpsc::Sender<DuplexStream>,
}

impl Pipes {
    /// The network, and where the servers' ends of its connections come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<DuplexStream>) {
        let (ends, servers) = mpsc::channel(16);
        (Self { ends }, servers)
    }
}

impl Dial for Pipes {
    type Stream = DuplexStream;

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.ends.send(theirs).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}
