//! What a question costs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use openproxy::discovery::http::{Client, Endpoint, Scheme, TcpDialer, TlsSettings};

use crate::certificates::{Authority, Folder, VERSIONS, server_config};
use crate::server::{endpoint, far};

const QUESTIONS: u32 = 5_000;
/// A `/patroni` of a primary with two replicas is as long as that.
const BODY_LEN: usize = 1_000;

/// The processor time of this thread, which is the client's.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

/// Run it with `cargo test --release --package openproxy --test http -- --ignored --nocapture cost`.
#[test]
#[ignore = "measures"]
fn a_question_costs_microseconds() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let ca = Some(folder.write("ca.pem", &authority.pem()));
    let client = Client::new(TlsSettings { ca, ..Default::default() }).expect("settings");
    let config = server_config(&authority.server(), None, &VERSIONS);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let plain = endpoint(Scheme::Http, listener.local_addr().expect("an address").port());
    std::thread::spawn(move || serve_plain(&listener));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let tls = endpoint(Scheme::Https, listener.local_addr().expect("an address").port());
    std::thread::spawn(move || serve_tls(&listener, &config));
    println!("{}", measure_bare(plain.port));
    println!("{}", measure("plain", &client, &plain));
    println!("{}", measure("TLS, resumed", &client, &tls));
}

fn measure(what: &str, client: &Client, endpoint: &Endpoint) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let dialer = TcpDialer::default();
    let spent = runtime.expect("a runtime").block_on(async {
        client.get(&dialer, endpoint, "/patroni", far()).await.expect("an answer");
        let began = processor_time();
        for _ in 0..QUESTIONS {
            client.get(&dialer, endpoint, "/patroni", far()).await.expect("an answer");
        }
        processor_time() - began
    });
    line(what, spent)
}

/// What the kernel takes, over loopback for both ends of the connection: nobody can do with less.
fn measure_bare(port: u16) -> String {
    let began = processor_time();
    for _ in 0..QUESTIONS {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        stream.write_all(&[b'x'; 120]).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
    }
    line("bare sockets", processor_time() - began)
}

fn line(what: &str, spent: Duration) -> String {
    let each = spent / QUESTIONS;
    let share = each.as_secs_f64() * 300.0 * 2.0 * 100.0;
    format!("{what}: {each:?} of processor time; 300 endpoints twice a second: {share:.2} %")
}

fn reply() -> Vec<u8> {
    let mut reply = b"HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\n\
                      Content-Type: application/json\r\n\r\n"
        .to_vec();
    reply.resize(reply.len() + BODY_LEN, b' ');
    reply
}

fn serve_plain(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("a request");
        stream.write_all(&reply()).expect("the client reads");
    }
}

fn serve_tls(listener: &TcpListener, config: &std::sync::Arc<tokio_rustls::rustls::ServerConfig>) {
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        let session = tokio_rustls::rustls::ServerConnection::new(std::sync::Arc::clone(config));
        let mut stream = tokio_rustls::rustls::StreamOwned::new(session.expect("TLS"), stream);
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("a request");
        stream.write_all(&reply()).expect("the client reads");
        stream.conn.send_close_notify();
        stream.flush().expect("the client reads");
    }
}
