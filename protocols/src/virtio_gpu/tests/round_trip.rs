//! Whatever is encoded is decoded to the same.

use proptest::{array::uniform4, collection::vec, option, prelude::*};

use super::*;

fn header() -> impl Strategy<Value = Header> {
    (any::<Option<u64>>(), any::<u32>(), option::of(0..64_u8)).prop_map(
        |(fence, ctx_id, ring_idx)| Header {
            kind: 0,
            fence,
            ctx_id,
            ring_idx,
        },
    )
}

fn rect() -> impl Strategy<Value = Rect> {
    any::<[u32; 4]>().prop_map(|[x, y, width, height]| Rect {
        x,
        y,
        width,
        height,
    })
}

fn area() -> impl Strategy<Value = Box3d> {
    any::<[u32; 6]>().prop_map(|[x, y, z, width, height, depth]| Box3d {
        x,
        y,
        z,
        width,
        height,
        depth,
    })
}

fn mem_entries() -> impl Strategy<Value = Vec<MemEntry>> {
    vec(
        (any::<u64>(), any::<u32>()).prop_map(|(addr, length)| MemEntry { addr, length }),
        0..40,
    )
}

fn command_2d() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::GetDisplayInfo),
        any::<[u32; 4]>().prop_map(|[resource_id, format, width, height]| {
            Command::ResourceCreate2d {
                resource_id,
                format,
                width,
                height,
            }
        }),
        any::<u32>().prop_map(|resource_id| Command::ResourceUnref { resource_id }),
        (rect(), any::<[u32; 2]>()).prop_map(|(rect, [scanout_id, resource_id])| {
            Command::SetScanout {
                rect,
                scanout_id,
                resource_id,
            }
        }),
        (rect(), any::<u32>())
            .prop_map(|(rect, resource_id)| Command::ResourceFlush { rect, resource_id }),
        (rect(), any::<u64>(), any::<u32>()).prop_map(|(rect, offset, resource_id)| {
            Command::TransferToHost2d {
                rect,
                offset,
                resource_id,
            }
        }),
        (any::<u32>(), mem_entries()).prop_map(|(resource_id, entries)| {
            Command::ResourceAttachBacking {
                resource_id,
                entries,
            }
        }),
        any::<u32>().prop_map(|resource_id| Command::ResourceDetachBacking { resource_id }),
        any::<u32>().prop_map(|scanout| Command::GetEdid { scanout }),
        any::<u32>().prop_map(|resource_id| Command::ResourceAssignUuid { resource_id }),
        any::<([u32; 3], bool, [i32; 2])>().prop_map(
            |([scanout_id, resource_id, hot_x], moved, [x, y])| {
                let hot_y = !hot_x;
                if moved {
                    Command::MoveCursor {
                        scanout_id,
                        x,
                        y,
                        resource_id,
                        hot_x,
                        hot_y,
                    }
                } else {
                    Command::UpdateCursor {
                        scanout_id,
                        x,
                        y,
                        resource_id,
                        hot_x,
                        hot_y,
                    }
                }
            }
        ),
    ]
}

fn command_blob() -> impl Strategy<Value = Command> {
    prop_oneof![
        (any::<[u32; 3]>(), any::<[u64; 2]>(), mem_entries()).prop_map(
            |([resource_id, blob_mem, blob_flags], [blob_id, size], entries)| {
                Command::ResourceCreateBlob {
                    resource_id,
                    blob_mem,
                    blob_flags,
                    blob_id,
                    size,
                    entries,
                }
            }
        ),
        (
            rect(),
            any::<[u32; 5]>(),
            uniform4(any::<u32>()),
            uniform4(any::<u32>())
        )
            .prop_map(
                |(rect, [scanout_id, resource_id, width, height, format], strides, offsets)| {
                    Command::SetScanoutBlob {
                        rect,
                        scanout_id,
                        resource_id,
                        width,
                        height,
                        format,
                        strides,
                        offsets,
                    }
                }
            ),
        any::<(u32, u64)>().prop_map(|(resource_id, offset)| Command::MapBlob {
            resource_id,
            offset
        }),
        any::<u32>().prop_map(|resource_id| Command::UnmapBlob { resource_id }),
    ]
}

fn command_3d() -> impl Strategy<Value = Command> {
    prop_oneof![
        any::<u32>().prop_map(|capset_index| Command::GetCapsetInfo { capset_index }),
        any::<[u32; 2]>().prop_map(|[capset_id, capset_version]| {
            Command::GetCapset {
                capset_id,
                capset_version,
            }
        }),
        (any::<[u32; 2]>(), any::<[u8; 32]>()).prop_map(|([context_init, name_length], name)| {
            let mut debug_name = [0; 64];
            debug_name[..32].copy_from_slice(&name);
            Command::CtxCreate {
                context_init,
                name_length,
                debug_name,
            }
        }),
        Just(Command::CtxDestroy),
        any::<u32>().prop_map(|resource_id| Command::CtxAttachResource { resource_id }),
        any::<u32>().prop_map(|resource_id| Command::CtxDetachResource { resource_id }),
        any::<[u32; 11]>().prop_map(
            |[
                resource_id,
                target,
                format,
                bind,
                width,
                height,
                depth,
                array_size,
                last_level,
                nr_samples,
                flags,
            ]| Command::ResourceCreate3d {
                resource_id,
                target,
                format,
                bind,
                width,
                height,
                depth,
                array_size,
                last_level,
                nr_samples,
                flags,
            }
        ),
        (area(), any::<u64>(), uniform4(any::<u32>()), any::<bool>()).prop_map(
            |(area, offset, [resource_id, level, stride, layer_stride], to_host)| {
                if to_host {
                    Command::TransferToHost3d {
                        area,
                        offset,
                        resource_id,
                        level,
                        stride,
                        layer_stride,
                    }
                } else {
                    Command::TransferFromHost3d {
                        area,
                        offset,
                        resource_id,
                        level,
                        stride,
                        layer_stride,
                    }
                }
            }
        ),
        vec(any::<u8>(), 0..200).prop_map(|commands| Command::Submit3d { commands }),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let mode =
        (rect(), any::<bool>(), any::<u32>()).prop_map(|(rect, enabled, flags)| DisplayMode {
            rect,
            enabled,
            flags,
        });
    prop_oneof![
        Just(Response::OkNodata),
        proptest::array::uniform16(mode).prop_map(|modes| Response::OkDisplayInfo(Box::new(modes))),
        vec(any::<u8>(), 0..=EDID_SIZE).prop_map(Response::OkEdid),
        any::<[u8; 16]>().prop_map(Response::OkResourceUuid),
        any::<[u32; 3]>().prop_map(|[capset_id, max_version, max_size]| {
            Response::OkCapsetInfo {
                capset_id,
                max_version,
                max_size,
            }
        }),
        vec(any::<u8>(), 0..500).prop_map(Response::OkCapset),
        any::<u32>().prop_map(|map_info| Response::OkMapInfo { map_info }),
        proptest::sample::select(ErrorCode::ALL.to_vec()).prop_map(Response::Err),
    ]
}

proptest! {
    #[test]
    fn commands_round_trip(
        header in header(),
        command in prop_oneof![command_2d(), command_blob(), command_3d()],
    ) {
        let (read, again) = decode(&encoded(&header, &command)).unwrap();
        prop_assert_eq!(read, Header { kind: command.kind(), ..header });
        prop_assert_eq!(again, command);
    }

    #[test]
    fn responses_round_trip(request in header(), response in response()) {
        let (read, again) = Response::decode(&answered(&request, &response)).unwrap();
        let echoed = if request.fence.is_some() { request } else { Header::default() };
        prop_assert_eq!(read, Header { kind: response.kind(), ..echoed });
        prop_assert_eq!(again, response);
    }
}
