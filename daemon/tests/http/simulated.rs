//! The same client over turmoil's TCP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use openproxy::discovery::http::{Client, Dial, Endpoint, Reason, Scheme, Stage};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use crate::server::{read_request, reason, until_closed};

const TIMEOUT: Duration = Duration::from_secs(1);

struct TurmoilDialer;

impl Dial for TurmoilDialer {
    type Stream = TcpStream;

    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::new(turmoil::lookup(name), port)])
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

fn db1() -> Endpoint {
    Endpoint { scheme: Scheme::Http, host: "db1".parse().expect("a name"), port: 8008 }
}

/// A network with `db1`, which answers each question with this and closes.
fn network(reply: &'static [u8]) -> Sim<'static> {
    let mut sim = Builder::new().simulation_duration(10 * TIMEOUT).build();
    sim.host("db1", move || async move {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8008)).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            read_request(&mut stream).await;
            stream.write_all(reply).await?;
        }
    });
    sim
}

#[test]
fn a_simulated_api_answers() -> turmoil::Result {
    let mut sim = network(b"HTTP/1.0 200 OK\r\n\r\n{\"members\": []}");
    sim.client("asker", async {
        let deadline = Instant::now() + TIMEOUT;
        let client = Client::default();
        let body = client.get_json(&TurmoilDialer, &db1(), "/cluster", deadline).await?;
        assert_eq!(body, "{\"members\": []}");
        Ok(())
    });
    sim.run()
}

#[test]
fn a_simulated_cut_is_a_timeout_and_a_closed_port_a_refusal() -> turmoil::Result {
    let mut sim = network(b"");
    sim.client("asker", async {
        let ask = async |endpoint: &Endpoint| {
            let deadline = Instant::now() + TIMEOUT;
            Client::default().get(&TurmoilDialer, endpoint, "/cluster", deadline).await
        };
        assert!(matches!(reason(ask(&db1()).await, "without an answer"), Reason::Empty));
        let closed = Endpoint { port: 1, ..db1() };
        assert!(matches!(reason(ask(&closed).await, "was refused"), Reason::Refused));
        turmoil::hold("asker", "db1");
        let error = ask(&db1()).await.expect_err("no answer");
        assert_eq!(error.hung(), Some(TIMEOUT));
        reason::<()>(Err(error), "timed out while connecting");
        Ok(())
    });
    sim.run()
}

#[test]
fn a_simulated_silence_hangs_and_leaves_no_connection() -> turmoil::Result {
    let mut sim = Builder::new().simulation_duration(10 * TIMEOUT).build();
    sim.client("db1", async {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8008)).await?;
        let (mut stream, _) = listener.accept().await?;
        read_request(&mut stream).await;
        // The simulation fails unless this ends.
        until_closed(&mut stream).await;
        Ok(())
    });
    sim.client("asker", async {
        let deadline = Instant::now() + TIMEOUT;
        let answer = Client::default().get(&TurmoilDialer, &db1(), "/cluster", deadline).await;
        let reason = reason(answer, "timed out while waiting for an answer");
        assert!(matches!(reason, Reason::TimedOut { stage: Stage::Waiting }));
        Ok(())
    });
    sim.run()
}
