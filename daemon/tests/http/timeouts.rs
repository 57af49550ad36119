//! One deadline over everything, and nothing left behind.

use std::future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::{Either, select};
use openproxy::discovery::http::{
    AskError, Client, Dial, Endpoint, Reason, Scheme, Stage, TcpDialer, TlsSettings,
};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::certificates::{Authority, Folder};
use crate::server::{Pipes, endpoint, far, read_request, reason, serve, until_closed};

const TIMEOUT: Duration = Duration::from_secs(1);
/// Tokio's timers have milliseconds, and round up.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// Hangs where it is told to.
enum Hung {
    Resolving,
    Connecting,
}

impl Dial for Hung {
    type Stream = DuplexStream;

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Resolving => future::pending().await,
            Self::Connecting => Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]),
        }
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<DuplexStream> {
        future::pending().await
    }
}

/// It timed out at the deadline and not before, in this stage.
#[track_caller]
fn assert_timeout<T: std::fmt::Debug>(result: Result<T, AskError>, stage: Stage) {
    let error = result.expect_err("a timeout");
    let hung = error.hung().expect("it hung");
    assert!(hung >= TIMEOUT && hung <= TIMEOUT + TIMER_GRAIN, "{hung:?}");
    let reason = reason::<()>(Err(error), &format!("timed out while {stage} (100"));
    assert!(matches!(reason, Reason::TimedOut { stage: at } if at == stage), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn resolving_and_connecting_count() {
    let client = Client::default();
    for (dial, stage) in
        [(Hung::Resolving, Stage::Resolving), (Hung::Connecting, Stage::Connecting)]
    {
        let host = "db1".parse().expect("a name");
        let endpoint = Endpoint { scheme: Scheme::Http, host, port: 8008 };
        let answer = client.get(&dial, &endpoint, "/cluster", Instant::now() + TIMEOUT).await;
        assert_timeout(answer, stage);
    }
}

/// Asks a server that sends `reply`, and then `more` each second, for ever.
async fn drip(client: &Client, scheme: Scheme, reply: &[u8], more: &[u8], stage: Stage) {
    let (pipes, mut servers) = Pipes::new();
    let endpoint = endpoint(scheme, 8008);
    let asked = client.get(&pipes, &endpoint, "/cluster", Instant::now() + TIMEOUT);
    let server = async {
        let mut stream = servers.recv().await.expect("a connection");
        stream.write_all(reply).await.expect("the client reads");
        while stream.write_all(more).await.is_ok() {
            sleep(TIMEOUT / 10).await;
        }
        until_closed(&mut stream).await;
    };
    // The server ends because the client has closed the connection.
    let (answer, ()) = tokio::join!(asked, server);
    assert_timeout(answer, stage);
}

#[tokio::test(start_paused = true)]
async fn slow_drips_fail_at_the_deadline() {
    let client = Client::default();
    let plain = Scheme::Http;
    drip(&client, plain, b"HTTP/1.0 200 OK\r\n\r\n", b" ", Stage::Reading).await;
    drip(&client, plain, b"HTTP/1.0 200 OK\r\nX-Slow: ", b"x", Stage::Waiting).await;
    drip(&client, plain, b"", b"HTTP/1.1 100 Continue\r\n\r\n", Stage::Waiting).await;
}

/// Asks a server that reads and is silent.
async fn silent(client: &Client, scheme: Scheme, reply: &[u8], stage: Stage) {
    let (pipes, mut servers) = Pipes::new();
    let endpoint = endpoint(scheme, 8008);
    let asked = client.get(&pipes, &endpoint, "/cluster", Instant::now() + TIMEOUT);
    let server = async {
        let mut stream = servers.recv().await.expect("a connection");
        stream.write_all(reply).await.expect("the client reads");
        until_closed(&mut stream).await;
    };
    let (answer, ()) = tokio::join!(asked, server);
    assert_timeout(answer, stage);
}

#[tokio::test(start_paused = true)]
async fn silence_fails_at_the_deadline() {
    let client = Client::default();
    silent(&client, Scheme::Http, b"", Stage::Waiting).await;
    silent(&client, Scheme::Http, b"HTTP/1.0 200 OK\r\n\r\n{", Stage::Reading).await;

    let folder = Folder::new();
    let ca = Some(folder.write("ca.pem", &Authority::new("ours").pem()));
    let client = Client::new(TlsSettings { ca, ..Default::default() }).expect("settings");
    silent(&client, Scheme::Https, b"", Stage::Handshaking).await;
}

#[tokio::test]
async fn dropping_a_question_closes_its_connection() {
    let (tell, told) = oneshot::channel();
    let (endpoint, server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{").await.expect("the client reads");
        tell.send(()).expect("the test listens");
        until_closed(&mut stream).await;
    })
    .await;
    let asked = Box::pin(async move {
        Client::default().get(&TcpDialer::default(), &endpoint, "/cluster", far()).await
    });
    let Either::Right((Ok(()), asked)) = select(asked, told).await else {
        panic!("it can't have an answer");
    };
    assert!(!server.is_finished(), "it was closed too early");
    drop(asked);
    server.await.expect("the connection is closed");
}

#[test]
fn questions_may_move_between_threads() {
    fn assert_send(_: impl Send) {}
    let (client, dialer) = (Client::default(), TcpDialer::default());
    let endpoint = endpoint(Scheme::Https, 8008);
    assert_send(client.get_json(&dialer, &endpoint, "/cluster", far()));
}
