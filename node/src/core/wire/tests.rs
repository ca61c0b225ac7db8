use mirrormesh_gossip::Document;
use proptest::prelude::*;

use super::*;

fn report(errors: usize, length: usize) -> Report {
    let error = || (ByteBuf::from(vec![b'p'; length]), "r".repeat(length));
    Report {
        epoch: 3,
        seq: Some(70_000),
        lag_milliseconds: u64::MAX,
        errors: u64::MAX,
        error_list: (0..errors).map(|_| error()).collect(),
        held: Some(("h".repeat(length), 7)),
        ..Report::default()
    }
}

fn row(report: Option<Report>) -> Row {
    Row { member: [5; 32].into(), alive: true, report }
}

/// One frame of each kind.
fn frames() -> Vec<Frame> {
    let hello = Hello {
        oldest: 1,
        newest: 2,
        features: vec![1, 700],
        cluster: [1; 32].into(),
        instance: u64::MAX,
        epoch: 2,
        seq: 300,
        stranger: true,
    };
    let push = Push {
        head: ByteBuf::from([1; 200]),
        document: Some(ByteBuf::from([2; 300])),
        delta: Some(ByteBuf::from([3; 70])),
        inline: vec![InlineContent { content: [4; 32].into(), bytes: ByteBuf::from([5; 90]) }],
    };
    let joined = Joined {
        genesis: ByteBuf::from([1; 60]),
        records: vec![ByteBuf::from([2; 90]), ByteBuf::new()],
        head: ByteBuf::from([3; 200]),
        document: ByteBuf::from([4; 300]),
    };
    let join = Join {
        secret: [9; 16].into(),
        name: "web1".to_owned(),
        addresses: vec!["192.0.2.1:7440".to_owned()],
    };
    vec![
        Frame::Hello(hello),
        Frame::Push(push),
        Frame::Heartbeat(HeartbeatFrame { heartbeat: ByteBuf::from([1; 150]) }),
        Frame::Report(report(2, 20)),
        Frame::Rows(Rows { rows: vec![row(None), row(Some(report(1, 9)))] }),
        Frame::AskHead(AskHead { proof_from: 4 }),
        Frame::Proof(Proof { records: vec![ByteBuf::from([1; 100]); 3] }),
        Frame::Join(join),
        Frame::Joined(joined),
        Frame::JoinAnswer(JoinAnswer { refused: true, message: "no".to_owned() }),
        Frame::Leave(LeaveFrame {}),
    ]
}

#[test]
fn frames_survive() {
    for frame in frames() {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}

proptest! {
    #[test]
    fn bytes_do_no_harm(kind in 0..14u16, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_frame(&bytes);
        fuzz_frame(&[&kind.to_be_bytes()[..], &bytes].concat());
    }

    #[test]
    fn damaged_frames_do_no_harm(
        frame in prop::sample::select(frames()),
        at: prop::sample::Index,
        bit in 0..8u8,
        more in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = frame.encode().to_vec();
        let at = at.index(bytes.len());
        fuzz_frame(&bytes[..at]);
        bytes[at] ^= 1 << bit;
        fuzz_frame(&bytes);
        bytes.splice(at..at, more);
        fuzz_frame(&bytes);
    }
}

/// A list of so many values of one byte each, as the only field of a frame.
fn flood(kind: u16, field: &str, value: u8, count: u32) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend([0x81, 0xa0 | field.len() as u8]);
    bytes.extend(field.as_bytes());
    bytes.push(0xdd);
    bytes.extend(count.to_be_bytes());
    bytes.resize(bytes.len() + count as usize, value);
    bytes
}

#[test]
fn lists_are_bounded_while_they_are_read() {
    // Each value is as cheap to send as can be, and would take twenty times as much memory.
    for (kind, field, value) in [
        (1, "features", 0x00),
        (2, "inline", 0x90),
        (4, "error_list", 0x90),
        (5, "rows", 0x90),
        (7, "records", 0xa0),
        (8, "addresses", 0xa0),
        (9, "records", 0xa0),
    ] {
        let error = Frame::decode(&flood(kind, field, value, 1 << 20)).unwrap_err();
        let told = error.to_string();
        let read = ["invalid length 1025", "invalid length 4097", "invalid length 0"];
        assert!(read.iter().any(|length| told.contains(length)), "{field}: {told}");
    }
}

#[test]
fn what_a_member_reports_is_bounded() {
    let bounded = report(1_000, 300).bounded();
    assert_eq!(bounded.error_list.len(), REPORT_ERRORS);
    assert!(report(3, 1_000).bounded().error_list.is_empty(), "a path is not cut");
    let mut hostile = Report {
        error_list: vec![(ByteBuf::from([b'p'; 9]), format!("\u{1b}[2J{}", "é".repeat(1_000)))],
        held: Some(("line\nline".to_owned(), 1)),
        ..Report::default()
    };
    hostile = hostile.bounded();
    let reason = &hostile.error_list[0].1;
    assert!(reason.len() <= REPORT_TEXT && reason.starts_with("\u{fffd}[2Jé"), "{reason}");
    assert_eq!(hostile.held.unwrap().0, "line\u{fffd}line");
    let fine = report(2, 20);
    assert_eq!(fine.clone().bounded(), fine);
}

#[test]
fn rows_of_the_largest_cluster_fit_a_frame() {
    let rows = (0..Document::MAX_MEMBERS).map(|_| row(Some(report(100, 5_000).bounded())));
    assert!(Frame::Rows(Rows::fitting(rows.collect())).encode().len() <= MAX_FRAME_BYTES);
    let rows = (0..Document::MAX_MEMBERS).map(|_| row(Some(report(100, 512).bounded())));
    let rows = Rows::fitting(rows.collect());
    assert_eq!(rows.rows[0].report.as_ref().unwrap().error_list.len(), REPORT_ERRORS);
    let frame = Frame::Rows(rows);
    let bytes = frame.encode();
    assert!(bytes.len() <= MAX_FRAME_BYTES, "{}", bytes.len());
    assert_eq!(Frame::decode(&bytes), Ok(frame));
}
