//! Certificate files that change while the client is in use.

use std::sync::Arc;
use std::time::Duration;

use openproxy::discovery::http::{
    AskError, Client, Reason, Scheme, TlsError, TlsNews, TlsSettings,
};
use tokio::io::AsyncWriteExt;
use tokio::time::advance;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::certificates::{Authority, Folder, Pair, VERSIONS, Valid, server_config};
use crate::server::{Pipes, endpoint, far, read_request, reason};

/// After it, files are looked at again.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks a server once; tells which certificate the server was shown.
async fn ask(
    client: &Client,
    config: &Arc<ServerConfig>,
) -> Result<Option<CertificateDer<'static>>, AskError> {
    let (pipes, mut servers) = Pipes::new();
    let endpoint = endpoint(Scheme::Https, 8008);
    let asked = client.get(&pipes, &endpoint, "/patroni", far());
    let server = async {
        let stream = servers.recv().await.expect("a connection");
        let mut stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await.ok()?;
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").await.expect("the client reads");
        stream.shutdown().await.expect("the client reads");
        let shown = stream.get_ref().1.peer_certificates()?;
        Some(shown[0].clone().into_owned())
    };
    let (answer, shown) = tokio::join!(asked, server);
    answer.map(|_| shown)
}

fn der(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate")
}

#[tokio::test(start_paused = true)]
async fn a_new_ca_counts_from_the_next_look_on() {
    let (folder, old, new) = (Folder::new(), Authority::new("old"), Authority::new("new"));
    let ca = Some(folder.write("ca.pem", &old.pem()));
    let client = Client::new(TlsSettings { ca, ..Default::default() }).expect("settings");
    let old_server = server_config(&old.server(), None, &VERSIONS);
    let new_server = server_config(&new.server(), None, &VERSIONS);
    ask(&client, &old_server).await.expect("an answer");
    let unknown = ask(&client, &new_server).await;
    assert!(matches!(reason(unknown, "its issuer"), Reason::Certificate { .. }));
    assert!(client.poll_news().is_none());

    // Both, as one does who changes his CA.
    folder.write("ca.pem", &(old.pem() + &new.pem()));
    advance(INTERVAL).await;
    ask(&client, &new_server).await.expect("an answer");
    ask(&client, &old_server).await.expect("an answer");
    assert!(matches!(client.poll_news(), Some(TlsNews::Reloaded)));
    assert!(client.poll_news().is_none(), "it is told once");

    folder.write("ca.pem", &new.pem());
    advance(INTERVAL).await;
    let unknown = ask(&client, &old_server).await;
    assert!(matches!(reason(unknown, "its issuer"), Reason::Certificate { .. }));
}

#[tokio::test(start_paused = true)]
async fn half_a_pair_leaves_the_old_one_in_use_and_is_told_once() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let (old, new) = (authority.issue(&["a"], Valid::Now), authority.issue(&["b"], Valid::Now));
    let settings = TlsSettings {
        ca: Some(folder.write("ca.pem", &authority.pem())),
        certificate: Some(folder.write("client.pem", &old.certificate)),
        key: Some(folder.write("client.key", &old.key)),
        server_name: None,
    };
    let client = Client::new(settings).expect("settings");
    let server = server_config(&authority.server(), Some(&authority), &VERSIONS);

    folder.write("client.pem", &new.certificate);
    for round in 0..3 {
        advance(INTERVAL).await;
        assert_eq!(ask(&client, &server).await.expect("an answer"), Some(der(&old)));
        let news = client.poll_news();
        if round == 0 {
            assert!(matches!(news, Some(TlsNews::Kept(TlsError::Mismatch { .. }))), "{news:?}");
        } else {
            assert!(news.is_none(), "{news:?}");
        }
    }
    // A file that is cut off, and one that is gone.
    for (content, text) in
        [(Some("-----BEGIN CERTIFICATE-----\n"), "a PEM block has no end"), (None, "No such file")]
    {
        let path = folder.path("client.pem");
        match content {
            Some(content) => std::fs::write(path, content).expect("a file"),
            None => std::fs::remove_file(path).expect("a file"),
        }
        advance(INTERVAL).await;
        assert_eq!(ask(&client, &server).await.expect("an answer"), Some(der(&old)));
        let Some(TlsNews::Kept(error)) = client.poll_news() else { panic!("{text} is news") };
        assert!(error.to_string().contains(text), "{error}");
    }

    folder.write("client.pem", &new.certificate);
    folder.write("client.key", &new.key);
    advance(INTERVAL).await;
    assert_eq!(ask(&client, &server).await.expect("an answer"), Some(der(&new)));
    assert!(matches!(client.poll_news(), Some(TlsNews::Reloaded)));
}

#[tokio::test(start_paused = true)]
async fn files_are_looked_at_once_a_second_at_most() {
    let (folder, old, new) = (Folder::new(), Authority::new("old"), Authority::new("new"));
    let ca = Some(folder.write("ca.pem", &old.pem()));
    let client = Client::new(TlsSettings { ca, ..Default::default() }).expect("settings");
    let server = server_config(&old.server(), None, &VERSIONS);
    ask(&client, &server).await.expect("an answer");
    folder.write("ca.pem", &new.pem());
    advance(INTERVAL / 2).await;
    ask(&client, &server).await.expect("the old CA counts still");
    advance(INTERVAL / 2).await;
    ask(&client, &server).await.expect_err("the new CA counts");
}

/// A pipe that nobody writes to holds up whoever opens it.
#[tokio::test]
async fn a_file_that_hangs_does_not_make_us_blind() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let ca = folder.write("ca.pem", &authority.pem());
    let settings = TlsSettings { ca: Some(ca.clone()), ..Default::default() };
    let client = Client::new(settings).expect("settings");
    let server = server_config(&authority.server(), None, &VERSIONS);
    std::fs::remove_file(&ca).expect("a file");
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::unistd::mkfifo(&ca, mode).expect("a pipe");
    ask(&client, &server).await.expect("an answer");
    // The runtime waits for it when it ends.
    std::fs::write(&ca, authority.pem()).expect("whoever hangs, reads");
}
