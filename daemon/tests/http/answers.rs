//! What may be answered, and what may not.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::FutureExt;
use openproxy::discovery::http::{Answer, Client, Endpoint, Reason, Scheme, Stage, TcpDialer};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::server::{answered, ask, endpoint, far, read_request, reason, serve, until_closed};

#[track_caller]
fn assert_answer(answer: Result<Answer, impl std::fmt::Debug>, status: u16, body: &[u8]) {
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, &*answer.body), (status, body));
}

/// What `get_json` makes of it.
async fn json(reply: &'static [u8]) -> Result<Vec<u8>, Reason> {
    json_of("/cluster", reply).await
}

async fn json_of(path: &'static str, reply: &'static [u8]) -> Result<Vec<u8>, Reason> {
    let (endpoint, _server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(reply).await.expect("the client reads");
    })
    .await;
    let dialer = TcpDialer::default();
    let body = Client::default().get_json(&dialer, &endpoint, path, far()).await;
    body.map(Into::into).map_err(|error| error.reason)
}

#[tokio::test]
async fn the_request_is_a_plain_get_for_one_answer() {
    let (endpoint, server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        let request = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").await.expect("the client reads");
        request
    })
    .await;
    ask(&endpoint).await.expect("an answer");
    let request = server.await.expect("the server is well");
    let port = endpoint.port;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        request,
        format!(
            "GET /cluster HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: openproxy/{version}\r\n\
             accept: application/json\r\nconnection: close\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn a_body_without_length_ends_with_the_connection() {
    let reply = b"HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\n\
                  Content-Type: application/json\r\n\r\n{\"members\": []}";
    assert_answer(answered(reply).await, 200, b"{\"members\": []}");
}

#[tokio::test]
async fn bodies_of_http_1_1_are_read_to_their_own_end() {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}and more";
    assert_answer(answered(reply).await, 200, b"{}");
    let reply =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    assert_answer(answered(reply).await, 200, b"{}");
}

#[tokio::test]
async fn an_open_connection_does_not_hold_up_an_answer_that_is_whole() {
    let (endpoint, server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        read_request(&mut stream).await;
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(reply).await.expect("the client reads");
        until_closed(&mut stream).await;
    })
    .await;
    assert_answer(ask(&endpoint).await, 200, b"{}");
    server.await.expect("the client has closed it");
}

#[tokio::test]
async fn a_bare_status_line_is_an_answer() {
    assert_answer(answered(b"HTTP/1.0 200 OK\r\n\r\n").await, 200, b"");
    assert_answer(answered(b"HTTP/1.0 503 Service Unavailable\r\n\r\n").await, 503, b"");
}

#[tokio::test]
async fn a_bad_status_with_a_good_body_is_an_answer() {
    let reply = b"HTTP/1.0 503 Service Unavailable\r\n\r\n{\"role\": \"replica\"}";
    assert_answer(answered(reply).await, 503, b"{\"role\": \"replica\"}");
}

#[tokio::test]
async fn health_answers_503_while_postgresql_does_not_run() {
    let reply = b"HTTP/1.0 503 Service Unavailable\r\n\r\n{\"state\": \"starting\"}";
    assert_eq!(json_of("/health", reply).await.expect("JSON"), b"{\"state\": \"starting\"}");
    let error = json_of("/health", b"HTTP/1.0 503 Busy\r\n\r\n<html>").await.expect_err("a page");
    assert!(error.to_string().contains("503 instead of 200"), "{error}");
}

#[tokio::test]
async fn where_json_is_due_only_200_and_json_count() {
    assert_eq!(json(b"HTTP/1.0 200 OK\r\n\r\n {}").await.expect("JSON"), b" {}");

    let error = json(b"HTTP/1.0 503 Service Unavailable\r\n\r\n{\"a\": 1}").await.expect_err("503");
    assert_eq!(
        error.to_string(),
        "the status is 503 instead of 200; the body begins with \"{\\\"a\\\": 1}\""
    );
    let page = b"HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html;charset=utf-8\r\n\r\n\
                 <!DOCTYPE HTML>\n<html lang=\"en\">";
    let error = json(page).await.expect_err("502");
    assert!(error.to_string().contains("502 instead of 200"), "{error}");
    assert!(error.to_string().contains("<!DOCTYPE HTML>\\n<html"), "{error}");

    let error = json(b"HTTP/1.0 200 OK\r\n\r\n<html>Welcome to nginx!</html>").await;
    let error = error.expect_err("HTML");
    assert_eq!(error.kind(), "not_json");
    assert!(error.to_string().contains("it begins with \"<html>Welcome"), "{error}");
    let error = json(b"HTTP/1.0 200 OK\r\n\r\n").await.expect_err("nothing");
    assert_eq!(error.to_string(), "the body isn't JSON; it begins with nothing");
}

#[tokio::test]
async fn redirects_are_refused_and_not_followed() {
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let location = format!("http://{}/cluster", elsewhere.local_addr().expect("an address"));
    let reply = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let answer = answered(reply.leak().as_bytes()).await;
    let reason = reason(answer, &format!("a redirect (302) to {location:?}, which isn't followed"));
    assert!(matches!(reason, Reason::Redirect { status: 302, .. }));
    assert!(elsewhere.accept().now_or_never().is_none(), "it was followed");
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_one_too() {
    let text = "a redirect (304) to nothing";
    reason(answered(b"HTTP/1.0 304 Not Modified\r\n\r\n").await, text);
}

#[tokio::test]
async fn informational_answers_come_before_the_answer() {
    let reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\n\r\n{}";
    assert_answer(answered(reply).await, 200, b"{}");
}

#[tokio::test]
async fn a_cut_off_body_fails_if_its_length_was_told() {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"members\":";
    let reason = reason(answered(reply).await, "closed in the middle of the answer");
    assert!(matches!(reason, Reason::Truncated));
    // Nobody but the parser can know.
    let reply = b"HTTP/1.0 200 OK\r\n\r\n{\"members\":";
    assert_answer(answered(reply).await, 200, b"{\"members\":");
}

#[tokio::test]
async fn a_cut_off_head_or_chunk_fails() {
    for reply in [
        &b"HTTP/1.0 200 OK\r\n"[..],
        b"HTTP/1.0 200 OK\r\nContent-Type: appl",
        b"HTT",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let reason = reason(answered(reply).await, "closed in the middle of the answer");
        assert!(matches!(reason, Reason::Truncated), "{reply:?}");
    }
}

#[tokio::test]
async fn an_empty_reply_is_told_from_a_cut_off_one() {
    let reason = reason(answered(b"").await, "closed without an answer");
    assert!(matches!(reason, Reason::Empty));
}

#[tokio::test]
async fn garbage_is_shown_but_harmless() {
    for (reply, shown) in [
        (&b"\x00\x01\x02 garbage\n\x1b[31m\r\n\r\n"[..], "\\0\\u{1}\\u{2} garbage\\n\\u{1b}[31m"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "\"SSH-2.0-OpenSSH_9.2p1\\r\\n\""),
        // An alert of TLS.
        (b"\x15\x03\x03\x00\x02\x02\x32", "\\u{15}\\u{3}\\u{3}"),
        (b"HTTP/3.7 200 OK\r\n\r\n", "HTTP/3.7"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "99999"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "many"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunked"),
        (b"<html>Not even a status line</html>", "<html>"),
    ] {
        let reason = reason(answered(reply).await, shown);
        assert!(matches!(reason, Reason::NotHttp { .. }), "{reason}");
    }
}

#[tokio::test]
async fn a_server_that_talks_first_is_not_one_of_http() {
    let (endpoint, _server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await.expect("the client reads");
        until_closed(&mut stream).await;
    })
    .await;
    let reason = reason(ask(&endpoint).await, "220 mail.example.com");
    assert!(matches!(reason, Reason::NotHttp { .. }), "{reason}");
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let reason = reason(ask(&endpoint(Scheme::Http, port)).await, "the connection was refused");
    assert!(matches!(reason, Reason::Refused));
}

/// Resets the connection after having sent this.
async fn reset_after(reply: &'static [u8]) -> Reason {
    let (endpoint, server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(reply).await.expect("the client reads");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    })
    .await;
    let answer = ask(&endpoint).await;
    server.await.expect("the server is well");
    reason(answer, "the connection was reset while")
}

#[tokio::test]
async fn a_reset_is_told_with_its_stage() {
    assert!(matches!(reset_after(b"").await, Reason::Reset { stage: Stage::Waiting }));
    let body = reset_after(b"HTTP/1.0 200 OK\r\n\r\n{").await;
    // The head may not have been read when the reset came.
    assert!(matches!(body, Reason::Reset { stage: Stage::Reading | Stage::Waiting }), "{body}");
}

#[tokio::test]
async fn names_are_resolved() {
    let (Endpoint { port, .. }, server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        let request = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").await.expect("the client reads");
        request
    })
    .await;
    let host = "LocalHost".parse().expect("a name");
    ask(&Endpoint { scheme: Scheme::Http, host, port }).await.expect("an answer");
    let request = server.await.expect("the server is well");
    assert!(request.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{request}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    // Longer than a label may be: no resolver asks anybody.
    let host = "a".repeat(64).parse().expect("a name");
    let endpoint = Endpoint { scheme: Scheme::Http, host, port: 8008 };
    let reason = reason(ask(&endpoint).await, "the name can't be resolved: ");
    assert!(matches!(reason, Reason::Unresolved { .. }));
}
