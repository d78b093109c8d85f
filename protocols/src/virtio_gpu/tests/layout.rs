//! Sizes and bytes of every command and response.

use super::*;

const RECT: Rect = Rect {
    x: 1,
    y: 2,
    width: 3,
    height: 4,
};
const AREA: Box3d = Box3d {
    x: 1,
    y: 2,
    z: 3,
    width: 4,
    height: 5,
    depth: 6,
};

/// Every command with its number and its size.
#[rustfmt::skip]
fn commands() -> Vec<(u32, usize, Command)> {
    let id = 7;
    vec![
        (0x0100, 24, Command::GetDisplayInfo),
        (0x0101, 40, Command::ResourceCreate2d { resource_id: id, format: 2, width: 3, height: 4 }),
        (0x0102, 32, Command::ResourceUnref { resource_id: id }),
        (0x0103, 48, Command::SetScanout { rect: RECT, scanout_id: 5, resource_id: id }),
        (0x0104, 48, Command::ResourceFlush { rect: RECT, resource_id: id }),
        (0x0105, 56, Command::TransferToHost2d { rect: RECT, offset: 9, resource_id: id }),
        (0x0106, 32 + 3 * 16, Command::ResourceAttachBacking { resource_id: id, entries: entries(3) }),
        (0x0107, 32, Command::ResourceDetachBacking { resource_id: id }),
        (0x0108, 32, Command::GetCapsetInfo { capset_index: 1 }),
        (0x0109, 32, Command::GetCapset { capset_id: 2, capset_version: 1 }),
        (0x010a, 32, Command::GetEdid { scanout: 3 }),
        (0x010b, 32, Command::ResourceAssignUuid { resource_id: id }),
        (0x010c, 56 + 2 * 16, Command::ResourceCreateBlob {
            resource_id: id, blob_mem: 1, blob_flags: 2, blob_id: 3, size: 4, entries: entries(2),
        }),
        (0x010d, 96, Command::SetScanoutBlob {
            rect: RECT, scanout_id: 5, resource_id: id, width: 10, height: 11, format: 2,
            strides: [12, 13, 14, 15], offsets: [16, 17, 18, 19],
        }),
        (0x0200, 96, Command::CtxCreate { context_init: 4, name_length: 3, debug_name: [b'n'; 64] }),
        (0x0201, 24, Command::CtxDestroy),
        (0x0202, 32, Command::CtxAttachResource { resource_id: id }),
        (0x0203, 32, Command::CtxDetachResource { resource_id: id }),
        (0x0204, 72, Command::ResourceCreate3d {
            resource_id: id, target: 1, format: 2, bind: 3, width: 4, height: 5, depth: 6,
            array_size: 7, last_level: 8, nr_samples: 9, flags: 10,
        }),
        (0x0205, 72, Command::TransferToHost3d {
            area: AREA, offset: 7, resource_id: id, level: 8, stride: 9, layer_stride: 10,
        }),
        (0x0206, 72, Command::TransferFromHost3d {
            area: AREA, offset: 7, resource_id: id, level: 8, stride: 9, layer_stride: 10,
        }),
        (0x0207, 32 + 5, Command::Submit3d { commands: vec![1, 2, 3, 4, 5] }),
        (0x0208, 40, Command::MapBlob { resource_id: id, offset: 0x10_0000_0000 }),
        (0x0209, 32, Command::UnmapBlob { resource_id: id }),
        (0x0300, 56, Command::UpdateCursor {
            scanout_id: 1, x: -2, y: 3, resource_id: id, hot_x: 4, hot_y: 5,
        }),
        (0x0301, 56, Command::MoveCursor {
            scanout_id: 1, x: -2, y: 3, resource_id: id, hot_x: 4, hot_y: 5,
        }),
    ]
}

/// Every response with its number and its size.
#[rustfmt::skip]
fn responses() -> Vec<(u32, usize, Response)> {
    vec![
        (0x1100, 24, Response::OkNodata),
        (0x1101, 408, Response::OkDisplayInfo(Box::new([DisplayMode::default(); MAX_SCANOUTS]))),
        (0x1102, 40, Response::OkCapsetInfo { capset_id: 2, max_version: 1, max_size: 308 }),
        (0x1103, 24 + 308, Response::OkCapset(vec![1; 308])),
        (0x1104, 1056, Response::OkEdid(vec![1; 128])),
        (0x1105, 40, Response::OkResourceUuid([1; 16])),
        (0x1106, 32, Response::OkMapInfo { map_info: 1 }),
        (0x1200, 24, Response::Err(ErrorCode::Unspec)),
        (0x1201, 24, Response::Err(ErrorCode::OutOfMemory)),
        (0x1202, 24, Response::Err(ErrorCode::InvalidScanoutId)),
        (0x1203, 24, Response::Err(ErrorCode::InvalidResourceId)),
        (0x1204, 24, Response::Err(ErrorCode::InvalidContextId)),
        (0x1205, 24, Response::Err(ErrorCode::InvalidParameter)),
    ]
}

/// The bytes as little-endian 32-bit words.
fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn every_command_has_its_number_and_size() {
    for (kind, size, command) in commands() {
        let bytes = encoded(&Header::default(), &command);
        assert_eq!(bytes.len(), size, "{command:?}");
        assert_eq!(bytes[..4], kind.to_le_bytes(), "{command:?}");
        assert_eq!(command.kind(), kind);
        let header = Header {
            kind,
            ..Header::default()
        };
        assert_eq!(decode(&bytes), Ok((header, command)));
    }
}

#[test]
fn every_command_that_is_a_byte_short_is_refused() {
    for (kind, size, command) in commands() {
        let bytes = encoded(
            &Header {
                fence: Some(5),
                ..Header::default()
            },
            &command,
        );
        let error = decode(&bytes[..size - 1]).unwrap_err();
        if size == HEADER_SIZE {
            assert_eq!(error.reason, Malformed::NoHeader { got: 23 });
            assert_eq!(
                error.response(),
                (Header::default(), Response::Err(ErrorCode::Unspec))
            );
        } else {
            let needed = u64::try_from(size).unwrap();
            assert_eq!(
                error.reason,
                Malformed::TooShort {
                    kind,
                    needed,
                    got: size - 1
                }
            );
            assert_eq!(error.header.unwrap().fence, Some(5));
        }
    }
}

#[test]
fn bytes_after_a_command_are_ignored() {
    for (kind, _, command) in commands() {
        let mut bytes = encoded(&Header::default(), &command);
        bytes.extend([0xff; 8]);
        assert_eq!(
            decode(&bytes),
            Ok((
                Header {
                    kind,
                    ..Header::default()
                },
                command
            ))
        );
    }
}

#[test]
fn every_response_has_its_number_and_size() {
    for (kind, size, response) in responses() {
        let bytes = answered(&Header::default(), &response);
        assert_eq!(bytes.len(), size, "{response:?}");
        assert_eq!(bytes[..4], kind.to_le_bytes(), "{response:?}");
        assert!(
            bytes[4..24].iter().all(|byte| *byte == 0),
            "nothing was fenced"
        );
        assert_eq!(response.is_err(), kind >= 0x1200);
        assert_eq!(Response::decode(&bytes).unwrap().1, response);
    }
}

#[test]
fn a_fenced_request_is_answered_with_its_fence() {
    let request = Header {
        kind: 0x0104,
        fence: Some(0x1122_3344_5566_7788),
        ctx_id: 9,
        ring_idx: None,
    };
    let bytes = answered(&request, &Response::OkNodata);
    assert_eq!(words(&bytes), [0x1100, 1, 0x5566_7788, 0x1122_3344, 9, 0]);
    let request = Header {
        ring_idx: Some(3),
        ..request
    };
    let bytes = answered(&request, &Response::Err(ErrorCode::Unspec));
    assert_eq!(words(&bytes), [0x1200, 3, 0x5566_7788, 0x1122_3344, 9, 3]);
}

#[test]
fn an_unfenced_request_is_answered_without_context_and_ring() {
    let request = Header {
        kind: 0x0104,
        fence: None,
        ctx_id: 9,
        ring_idx: Some(3),
    };
    assert_eq!(
        words(&answered(&request, &Response::OkNodata)),
        [0x1100, 0, 0, 0, 0, 0]
    );
}

#[test]
fn fence_and_ring_of_a_request_count_only_with_their_flags() {
    let mut bytes = encoded(&Header::default(), &Command::GetDisplayInfo);
    bytes[8] = 5;
    bytes[20] = 6;
    let flags = |flags: u8| {
        let mut bytes = bytes.clone();
        bytes[4] = flags;
        let (header, _) = decode(&bytes).unwrap();
        (header.fence, header.ring_idx)
    };
    assert_eq!(flags(0), (None, None));
    assert_eq!(flags(1), (Some(5), None));
    assert_eq!(flags(2), (None, Some(6)));
    assert_eq!(flags(0xff), (Some(5), Some(6)));
}

#[test]
fn golden_words_of_the_2d_commands() {
    let body = |command: &Command| words(&encoded(&Header::default(), command)).split_off(6);
    let (rect, resource_id) = (RECT, 7);
    assert_eq!(
        body(&Command::ResourceCreate2d {
            resource_id,
            format: 2,
            width: 30,
            height: 40
        }),
        [7, 2, 30, 40]
    );
    assert_eq!(
        body(&Command::SetScanout {
            rect,
            scanout_id: 5,
            resource_id
        }),
        [1, 2, 3, 4, 5, 7]
    );
    assert_eq!(
        body(&Command::ResourceFlush { rect, resource_id }),
        [1, 2, 3, 4, 7, 0]
    );
    assert_eq!(
        body(&Command::TransferToHost2d {
            rect,
            offset: 1 << 32 | 9,
            resource_id
        }),
        [1, 2, 3, 4, 9, 1, 7, 0]
    );
    let entries = vec![MemEntry {
        addr: 0x2_0000_1000,
        length: 0x3000,
    }];
    assert_eq!(
        body(&Command::ResourceAttachBacking {
            resource_id,
            entries: entries.clone()
        }),
        [7, 1, 0x1000, 2, 0x3000, 0]
    );
    assert_eq!(
        body(&Command::ResourceCreateBlob {
            resource_id,
            blob_mem: BLOB_MEM_GUEST,
            blob_flags: BLOB_FLAG_SHAREABLE,
            blob_id: 3,
            size: 0x3000,
            entries,
        }),
        [7, 1, 2, 1, 3, 0, 0x3000, 0, 0x1000, 2, 0x3000, 0]
    );
    assert_eq!(
        body(&Command::SetScanoutBlob {
            rect,
            scanout_id: 5,
            resource_id,
            width: 10,
            height: 11,
            format: 2,
            strides: [40, 0, 0, 0],
            offsets: [16, 0, 0, 0],
        }),
        [1, 2, 3, 4, 5, 7, 10, 11, 2, 0, 40, 0, 0, 0, 16, 0, 0, 0]
    );
}

#[test]
fn golden_words_of_the_cursor_commands() {
    let command = Command::MoveCursor {
        scanout_id: 1,
        x: -2,
        y: 3,
        resource_id: 7,
        hot_x: 4,
        hot_y: 5,
    };
    assert_eq!(
        words(&encoded(&Header::default(), &command)),
        [0x0301, 0, 0, 0, 0, 0, 1, 0xffff_fffe, 3, 0, 7, 4, 5, 0]
    );
}

#[test]
fn golden_words_of_the_display_info() {
    let mut modes = [DisplayMode::default(); MAX_SCANOUTS];
    modes[1] = DisplayMode {
        rect: RECT,
        enabled: true,
        flags: 0,
    };
    let words = words(&answered(
        &Header::default(),
        &Response::OkDisplayInfo(Box::new(modes)),
    ));
    assert_eq!(words[6..12], [0; 6]);
    assert_eq!(words[12..18], [1, 2, 3, 4, 1, 0]);
    assert!(words[18..].iter().all(|word| *word == 0));
}

#[test]
fn an_edid_is_followed_by_zeros() {
    let bytes = answered(&Header::default(), &Response::OkEdid(vec![0xaa; 256]));
    assert_eq!(words(&bytes[24..32]), [256, 0]);
    assert!(bytes[32..288].iter().all(|byte| *byte == 0xaa));
    assert!(bytes[288..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_edid_never_leaves_its_field() {
    let bytes = answered(&Header::default(), &Response::OkEdid(vec![0xaa; 2000]));
    assert_eq!(bytes.len(), 1056);
    assert_eq!(words(&bytes[24..28]), [1024]);
}

#[test]
fn encoding_appends() {
    let mut bytes = vec![1, 2, 3];
    Response::OkNodata.encode(&Header::default(), &mut bytes);
    Command::GetDisplayInfo.encode(&Header::default(), &mut bytes);
    assert_eq!(bytes.len(), 3 + 24 + 24);
    assert_eq!(bytes[..3], [1, 2, 3]);
}
