//! HTTPS: what is accepted, and how what isn't is told.

use std::io;
use std::sync::Arc;

use openproxy::discovery::http::{
    Answer, AskError, Client, Endpoint, Reason, Scheme, TcpDialer, TlsSettings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::certificates::{Authority, Folder, Pair, VERSIONS, Valid, server_config};
use crate::server::{ask, far, read_request, reason, serve, until_closed};

/// Answers the way Patroni does, and ends TLS without a farewell as its older versions do.
async fn serve_tls(config: Arc<ServerConfig>) -> (Endpoint, JoinHandle<io::Result<()>>) {
    serve(Scheme::Https, async move |stream: TcpStream| {
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").await?;
        stream.flush().await
    })
    .await
}

async fn ask_with(settings: TlsSettings, endpoint: &Endpoint) -> Result<Answer, AskError> {
    let client = Client::new(settings).expect("settings");
    client.get(&TcpDialer::default(), endpoint, "/cluster", far()).await
}

fn trusting(folder: &Folder, authority: &Authority) -> TlsSettings {
    TlsSettings { ca: Some(folder.write("ca.pem", &authority.pem())), ..Default::default() }
}

/// What a client that trusts the authority says of a server with this certificate.
async fn ask_pair(authority: &Authority, pair: &Pair) -> Result<Answer, AskError> {
    let folder = Folder::new();
    let (endpoint, _server) = serve_tls(server_config(pair, None, &VERSIONS)).await;
    ask_with(trusting(&folder, authority), &endpoint).await
}

#[tokio::test]
async fn a_certificate_of_the_ca_for_the_address_is_accepted() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    for version in VERSIONS {
        let config = server_config(&authority.server(), None, &[version]);
        let (endpoint, server) = serve_tls(config).await;
        let answer = ask_with(trusting(&folder, &authority), &endpoint).await.expect("an answer");
        assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
        server.await.expect("the server is well").expect("TLS");
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_told() {
    let pair = Authority::new("theirs").server();
    let reason = reason(ask_pair(&Authority::new("ours"), &pair).await, "its issuer isn't among");
    assert!(matches!(reason, Reason::Certificate { .. }));
}

#[tokio::test]
async fn without_a_ca_the_systems_roots_count() {
    let (endpoint, _server) =
        serve_tls(server_config(&Authority::new("theirs").server(), None, &VERSIONS)).await;
    let answer = ask_with(TlsSettings::default(), &endpoint).await;
    let reason = reason(answer, "");
    // A machine may trust nobody.
    assert!(matches!(reason, Reason::Certificate { .. } | Reason::TlsSetup { .. }), "{reason}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_told() {
    let ours = Authority::new("ours");
    let past = ask_pair(&ours, &ours.issue(&["127.0.0.1"], Valid::Past)).await;
    assert!(matches!(reason(past, "it expired "), Reason::Certificate { .. }));
    let future = ask_pair(&ours, &ours.issue(&["127.0.0.1"], Valid::Future)).await;
    assert!(matches!(reason(future, "are the clocks right?"), Reason::Certificate { .. }));
}

#[tokio::test]
async fn a_certificate_for_another_is_told_with_its_names() {
    let ours = Authority::new("ours");
    let other = ask_pair(&ours, &ours.issue(&["db2.example.com"], Valid::Now)).await;
    let reason_of_other = reason(other, "it isn't for \"127.0.0.1\", but for ");
    assert!(reason_of_other.to_string().contains("db2.example.com"), "{reason_of_other}");
    assert!(matches!(reason_of_other, Reason::Certificate { .. }));
    reason(ask_pair(&ours, &ours.issue(&[], Valid::Now)).await, "a common name doesn't count");
}

#[tokio::test]
async fn a_ca_as_a_server_is_told() {
    let ours = Authority::new("ours");
    reason(ask_pair(&ours, &ours.as_server()).await, "it is a CA's own (CA:TRUE)");
}

#[tokio::test]
async fn the_name_may_be_another_than_the_endpoints() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let pair = ours.issue(&["db1.example.com", "10.9.9.9"], Valid::Now);
    for name in ["db1.example.com", "DB1.example.com", "10.9.9.9"] {
        let (endpoint, _server) = serve_tls(server_config(&pair, None, &VERSIONS)).await;
        let server_name = Some(name.to_owned());
        let settings = TlsSettings { server_name, ..trusting(&folder, &ours) };
        ask_with(settings, &endpoint).await.expect(name);
    }
}

/// What a client that shows this certificate, or none, gets from a server that demands one.
async fn ask_strict(
    version: &'static SupportedProtocolVersion,
    ours: &Authority,
    shown: Option<&Pair>,
) -> Result<Answer, AskError> {
    let folder = Folder::new();
    let mut settings = trusting(&folder, ours);
    if let Some(pair) = shown {
        settings.certificate = Some(folder.write("client.pem", &pair.certificate));
        settings.key = Some(folder.write("client.key", &pair.key));
    }
    let (endpoint, _server) =
        serve_tls(server_config(&ours.server(), Some(ours), &[version])).await;
    ask_with(settings, &endpoint).await
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_demands_one() {
    let ours = Authority::new("ours");
    let shown = ours.issue(&["client"], Valid::Now);
    ask_strict(&version::TLS13, &ours, Some(&shown)).await.expect("an answer");
    ask_strict(&version::TLS12, &ours, Some(&shown)).await.expect("an answer");
}

/// With TLS 1.3 the handshake is over by then, and the first read fails.
#[tokio::test]
async fn a_demand_for_a_client_certificate_is_told() {
    let ours = Authority::new("ours");
    let text = "demands another client certificate: it wants one, and there is none";
    let refused = ask_strict(&version::TLS13, &ours, None).await;
    assert!(matches!(reason(refused, text), Reason::ClientCertificate { .. }));
    let refused = ask_strict(&version::TLS12, &ours, None).await;
    assert!(matches!(reason(refused, text), Reason::ClientCertificate { .. }));
}

#[tokio::test]
async fn a_client_certificate_that_is_not_liked_is_told() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs").issue(&["client"], Valid::Now);
    let expired = ours.issue(&["client"], Valid::Past);
    for (pair, text) in
        [(theirs, "it doesn't know the issuer of ours"), (expired, "ours has expired")]
    {
        let refused = ask_strict(&version::TLS13, &ours, Some(&pair)).await;
        assert!(matches!(reason(refused, text), Reason::ClientCertificate { .. }));
    }
}

#[tokio::test]
async fn a_plain_port_is_told_from_one_of_tls() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let (endpoint, _server) = serve(Scheme::Https, async |mut stream: TcpStream| {
        stream.read_u8().await.expect("a greeting");
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.expect("the client reads");
        until_closed(&mut stream).await;
    })
    .await;
    let answer = ask_with(trusting(&folder, &ours), &endpoint).await;
    assert!(matches!(reason(answer, "is this a plain HTTP port?"), Reason::NotTls));
}

#[tokio::test]
async fn a_port_of_tls_is_told_from_a_plain_one() {
    let ours = Authority::new("ours");
    let (mut endpoint, _server) = serve_tls(server_config(&ours.server(), None, &VERSIONS)).await;
    endpoint.scheme = Scheme::Http;
    let reason = reason(ask(&endpoint).await, "the answer isn't HTTP");
    assert!(matches!(reason, Reason::NotHttp { .. }));
}

#[tokio::test]
async fn a_handshake_that_is_broken_off_is_told() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let (endpoint, _server) = serve(Scheme::Https, async |mut stream: TcpStream| {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        let mut rest = vec![0; u16::from_be_bytes([greeting[3], greeting[4]]).into()];
        stream.read_exact(&mut rest).await.expect("the rest of it");
    })
    .await;
    let answer = ask_with(trusting(&folder, &ours), &endpoint).await;
    assert!(matches!(reason(answer, "closed during the handshake"), Reason::Tls { .. }));
}
