use super::*;

fn ethernet(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend(kind);
    frame.extend(payload);
    frame
}

fn ipv4(header_words: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; usize::from(header_words) * 4];
    packet[0] = 0x40 | header_words;
    packet[9] = protocol;
    packet.extend(payload);
    ethernet(ETHERTYPE_IPV4, &packet)
}

#[test]
fn an_advert_is_read() {
    let frame = ipv4(5, 112, &[0x21, 50, 150, 1, 0, 1, 0, 0]);
    let advert = Advert { version: 2, vrid: 50, priority: 150 };
    assert_eq!(parse(&frame), Some(Frame::Advert(advert)));
}

#[test]
fn an_advert_behind_ip_options_is_read() {
    let frame = ipv4(6, 112, &[0x31, 7, 0, 1]);
    let advert = Advert { version: 3, vrid: 7, priority: 0 };
    assert_eq!(parse(&frame), Some(Frame::Advert(advert)));
}

#[test]
fn an_arp_packet_tells_who_claims_an_address() {
    let mut arp = [0; 28];
    arp[14..18].copy_from_slice(&[10, 99, 0, 200]);
    let claim = Frame::Claim(Ipv4Addr::new(10, 99, 0, 200));
    assert_eq!(parse(&ethernet(ETHERTYPE_ARP, &arp)), Some(claim));
}

#[test]
fn anything_else_is_nothing() {
    assert_eq!(parse(&[]), None);
    assert_eq!(parse(&ipv4(5, 17, &[0x21, 50, 150])), None);
    assert_eq!(parse(&ipv4(5, 112, &[0x22, 50, 150])), None);
    assert_eq!(parse(&ipv4(15, 112, &[])[..20]), None);
    assert_eq!(parse(&ethernet([0x86, 0xdd], &[0; 40])), None);
}
