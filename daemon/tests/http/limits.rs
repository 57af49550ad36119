//! Nothing that is sent takes more than its share of memory.

use openproxy::discovery::http::{BODY_LEN_MAX, HEAD_LEN_MAX, Part, Reason, Scheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server::{ask, read_request, reason, serve, until_closed};

/// What two sockets of the kernel may hold between them, with room to spare.
const IN_FLIGHT_LEN_MAX: usize = 16 << 20;

/// Sends `head`, and then `more` again and again until the client has had enough; also tells how
/// many bytes went out.
async fn flood(head: &'static [u8], more: &'static [u8]) -> (Reason, usize) {
    let (endpoint, server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(head).await.expect("the client reads");
        let mut len = head.len();
        while let Ok(written) = stream.write(more).await {
            len += written;
            assert!(len < 100 << 20, "the client reads for ever");
        }
        len
    })
    .await;
    let reason = reason(ask(&endpoint).await, "of the answer is longer than");
    (reason, server.await.expect("the client has hung up"))
}

#[tokio::test]
async fn a_body_that_is_announced_to_be_too_long_is_not_read() {
    let (endpoint, server) = serve(Scheme::Http, async |mut stream: TcpStream| {
        read_request(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";
        stream.write_all(head).await.expect("the client reads");
        until_closed(&mut stream).await;
    })
    .await;
    let reason =
        reason(ask(&endpoint).await, "the body of the answer is longer than 1048576 bytes");
    assert!(matches!(reason, Reason::TooLarge { part: Part::Body }));
    server.await.expect("the client has hung up");
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_the_bound() {
    let (reason, len) = flood(b"HTTP/1.0 200 OK\r\n\r\n", &[b' '; 65536]).await;
    assert!(matches!(reason, Reason::TooLarge { part: Part::Body }), "{reason}");
    assert!(len < BODY_LEN_MAX + IN_FLIGHT_LEN_MAX, "{len} bytes went out");
}

#[tokio::test]
async fn chunks_without_end_are_read_up_to_the_bound() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (reason, len) = flood(head, b"1\r\n \r\n1\r\n \r\n1\r\n \r\n1\r\n \r\n").await;
    assert!(matches!(reason, Reason::TooLarge { part: Part::Body }), "{reason}");
    assert!(len < BODY_LEN_MAX + IN_FLIGHT_LEN_MAX, "{len} bytes went out");
}

#[tokio::test]
async fn the_bound_itself_is_allowed() {
    for (len, is_allowed) in [(BODY_LEN_MAX, true), (BODY_LEN_MAX + 1, false)] {
        let (endpoint, _server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.expect("the client reads");
            // The last byte may find nobody.
            let _ = stream.write_all(&vec![b' '; len]).await;
        })
        .await;
        let answer = ask(&endpoint).await.map(|answer| answer.body.len());
        assert_eq!(answer.ok(), is_allowed.then_some(len));
    }
}

#[tokio::test]
async fn heads_without_end_are_read_up_to_the_bound() {
    let status: &[u8] = b"HTTP/1.0 200 OK\r\n";
    let long = b"X-Long: ";
    for (head, more) in [
        // Lines, one line, and a status line that doesn't end.
        (status, &b"X-Header: value\r\n"[..]),
        ([status, long].concat().leak(), &[b'x'; 4096]),
        (b"HTTP/1.0 200 ", &[b'x'; 4096]),
        // And many small answers before the answer.
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let (_, len) = flood(head, more).await;
        assert!(len < BODY_LEN_MAX + HEAD_LEN_MAX + IN_FLIGHT_LEN_MAX, "{len} bytes went out");
    }
}

#[tokio::test]
async fn a_head_has_a_bounded_number_of_bytes_and_lines() {
    let lines = "X-Header: value\r\n".repeat(101);
    let long = format!("X-Long: {}\r\n", "x".repeat(HEAD_LEN_MAX));
    for headers in [lines, long] {
        let (endpoint, _server) = serve(Scheme::Http, async move |mut stream: TcpStream| {
            read_request(&mut stream).await;
            let reply = format!("HTTP/1.0 200 OK\r\n{headers}\r\n{{}}");
            // It may not be read to the end.
            let _ = stream.write_all(reply.as_bytes()).await;
            until_closed(&mut stream).await;
        })
        .await;
        let text = "the head of the answer is longer than 16384 bytes or 100 lines";
        let reason = reason(ask(&endpoint).await, text);
        assert!(matches!(reason, Reason::TooLarge { part: Part::Head }));
    }
}
