//! Every command and every error, over the wire: the codes that guests were tested against (those
//! of QEMU's `virtio-gpu.c`), and the exact number of bytes that EDK2 insists on.

use guest::{
    driver::{ChainShape, Driver, DriverOptions},
    frontend::Dialect,
};
use protocols::virtio_gpu::{
    BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, BLOB_MEM_HOST3D, Box3d, CONTROL_QUEUE, CURSOR_QUEUE,
    Command, Header, MAX_ENTRIES, MemEntry, Rect, Response,
};

use super::rig::{PATIENCE, Rig, Setup};

const UNSPEC: Answer = (0x1200, 24);
const OUT_OF_MEMORY: Answer = (0x1201, 24);
const INVALID_SCANOUT_ID: Answer = (0x1202, 24);
const INVALID_RESOURCE_ID: Answer = (0x1203, 24);
const INVALID_PARAMETER: Answer = (0x1205, 24);
const NODATA: Answer = (0x1100, 24);
const DISPLAY_INFO: Answer = (0x1101, 408);
const EDID: Answer = (0x1104, 1056);
const UUID: Answer = (0x1105, 40);

/// The kind of a response and the bytes that the device says it has written.
type Answer = (u32, u32);

/// Scanout ids beyond those of these guests: two with a monitor, two for monitors to come.
const NO_SCANOUTS: [u32; 6] = [4, 15, 16, 22, 1 << 31, u32::MAX];

/// No guest memory is there.
const NOWHERE: MemEntry = MemEntry {
    addr: 0x7f_ffff_f000,
    length: 4096,
};

/// Sends commands and compares the answers.
struct Table<'a> {
    driver: &'a mut Driver,
    fenced: bool,
}

impl Table<'_> {
    #[track_caller]
    fn expect(&mut self, command: &Command, expected: Answer) {
        let ticket = self.driver.submit(command, self.fenced).unwrap();
        let completion = self.driver.wait(ticket, PATIENCE).unwrap();
        // The driver checks that the fence is echoed, and that every byte was written.
        completion.response().unwrap();
        let kind = u32::from_le_bytes(completion.bytes[..4].try_into().unwrap());
        assert_eq!((kind, completion.used), expected, "{command:?}");
    }

    /// Sends bytes with room for an answer of `room` bytes.
    #[track_caller]
    fn expect_raw(&mut self, queue: u16, request: &[u8], room: u32, expected: Answer) {
        let ticket = self.driver.submit_bytes(queue, request, room).unwrap();
        let completion = self.driver.wait(ticket, PATIENCE).unwrap();
        let kind = completion
            .bytes
            .first_chunk()
            .copied()
            .map(u32::from_le_bytes);
        let got = (kind.unwrap_or(0), completion.used);
        assert_eq!(got, expected, "{request:?} with room for {room}");
    }

    fn uuid(&mut self, resource_id: u32) -> [u8; 16] {
        self.driver.assign_uuid(resource_id).unwrap()
    }
}

fn encoded(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.encode(&Header::default(), &mut bytes);
    bytes
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

const WHOLE: Rect = Rect::from_size(64, 48);
/// Bytes of a picture of that size.
const BYTES: u64 = 64 * 48 * 4;

/// Rectangles that do not lie in [`WHOLE`].
fn outside() -> [Rect; 7] {
    [
        rect(1, 0, 64, 48),
        rect(0, 1, 64, 48),
        rect(0, 0, 65, 48),
        rect(0, 0, 64, 49),
        rect(u32::MAX, 0, 16, 16),
        rect(0, u32::MAX - 15, 16, 16),
        rect(16, 16, u32::MAX, u32::MAX),
    ]
}

fn create_2d(resource_id: u32, format: u32, width: u32, height: u32) -> Command {
    Command::ResourceCreate2d {
        resource_id,
        format,
        width,
        height,
    }
}

fn attach(resource_id: u32, entries: &[MemEntry]) -> Command {
    Command::ResourceAttachBacking {
        resource_id,
        entries: entries.to_vec(),
    }
}

fn set_scanout(scanout_id: u32, resource_id: u32, rect: Rect) -> Command {
    Command::SetScanout {
        rect,
        scanout_id,
        resource_id,
    }
}

fn transfer(resource_id: u32, rect: Rect, offset: u64) -> Command {
    Command::TransferToHost2d {
        rect,
        offset,
        resource_id,
    }
}

fn create_blob(resource_id: u32, size: u64, entries: &[MemEntry]) -> Command {
    Command::ResourceCreateBlob {
        resource_id,
        blob_mem: BLOB_MEM_GUEST,
        blob_flags: BLOB_FLAG_SHAREABLE,
        blob_id: 0,
        size,
        entries: entries.to_vec(),
    }
}

/// The image of a blob, as [`WHOLE`].
#[derive(Clone, Copy)]
struct Image {
    format: u32,
    stride: u32,
    offset: u32,
}

const IMAGE: Image = Image {
    format: 2,
    stride: 256,
    offset: 0,
};

fn set_scanout_blob(scanout_id: u32, resource_id: u32, rect: Rect, image: Image) -> Command {
    Command::SetScanoutBlob {
        rect,
        scanout_id,
        resource_id,
        width: 64,
        height: 48,
        format: image.format,
        strides: [image.stride, 0, 0, 0],
        offsets: [image.offset, 0, 0, 0],
    }
}

fn monitors(table: &mut Table<'_>) {
    table.expect(&Command::GetDisplayInfo, DISPLAY_INFO);
    for scanout in 0..4 {
        table.expect(&Command::GetEdid { scanout }, EDID);
    }
    for scanout in NO_SCANOUTS {
        table.expect(&Command::GetEdid { scanout }, INVALID_PARAMETER);
    }
}

fn resources_2d(table: &mut Table<'_>, memory: &[MemEntry]) {
    for format in [1, 2, 3, 4, 67, 68, 121, 134] {
        table.expect(&create_2d(1, format, 64, 48), NODATA);
        table.expect(&Command::ResourceUnref { resource_id: 1 }, NODATA);
    }
    table.expect(&create_2d(1, 2, 64, 48), NODATA);
    table.expect(&create_2d(1, 2, 64, 48), INVALID_RESOURCE_ID);
    table.expect(&create_2d(0, 2, 64, 48), INVALID_RESOURCE_ID);
    for format in [0, 5, 66, 135, u32::MAX] {
        table.expect(&create_2d(2, format, 64, 48), INVALID_PARAMETER);
    }
    for (width, height) in [(0, 48), (64, 0), (u32::MAX, u32::MAX), (1 << 16, 1 << 16)] {
        table.expect(&create_2d(2, 2, width, height), INVALID_PARAMETER);
    }

    table.expect(&transfer(1, WHOLE, 0), UNSPEC);
    table.expect(&set_scanout(0, 1, WHOLE), UNSPEC);
    table.expect(&Command::ResourceDetachBacking { resource_id: 1 }, UNSPEC);
    table.expect(&attach(9, memory), INVALID_RESOURCE_ID);
    table.expect(&attach(1, &[NOWHERE]), UNSPEC);
    table.expect(&attach(1, memory), NODATA);
    table.expect(&attach(1, memory), UNSPEC);

    table.expect(&transfer(1, WHOLE, 0), NODATA);
    table.expect(&transfer(9, WHOLE, 0), INVALID_RESOURCE_ID);
    for outside in outside() {
        table.expect(&transfer(1, outside, 0), INVALID_PARAMETER);
    }
    for offset in [4, BYTES, u64::MAX] {
        table.expect(&transfer(1, WHOLE, offset), INVALID_PARAMETER);
    }

    let flush = |rect, resource_id| Command::ResourceFlush { rect, resource_id };
    table.expect(&flush(WHOLE, 1), NODATA);
    table.expect(&flush(WHOLE, 9), INVALID_RESOURCE_ID);
    table.expect(&flush(WHOLE, 0), INVALID_RESOURCE_ID);
    for outside in outside() {
        table.expect(&flush(outside, 1), INVALID_PARAMETER);
    }
}

/// Resource 1 is there.
fn scanouts(table: &mut Table<'_>) {
    for scanout in NO_SCANOUTS {
        for resource in [0, 1, 9] {
            table.expect(&set_scanout(scanout, resource, WHOLE), INVALID_SCANOUT_ID);
        }
    }
    table.expect(&set_scanout(0, 9, WHOLE), INVALID_RESOURCE_ID);
    for outside in outside() {
        table.expect(&set_scanout(0, 1, outside), INVALID_PARAMETER);
    }
    for small in [rect(0, 0, 15, 16), rect(0, 0, 16, 15), rect(0, 0, 0, 0)] {
        table.expect(&set_scanout(0, 1, small), INVALID_PARAMETER);
    }
    table.expect(&set_scanout(0, 1, rect(48, 32, 16, 16)), NODATA);
    table.expect(&set_scanout(1, 1, WHOLE), NODATA);
    table.expect(
        &Command::ResourceFlush {
            rect: WHOLE,
            resource_id: 1,
        },
        NODATA,
    );
    table.expect(&set_scanout(0, 0, Rect::default()), NODATA);
    // Linux does this before it sets a mode.
    table.expect(&set_scanout(0, 0, rect(0, 0, 640, 480)), NODATA);
}

/// Resource 1 is a 2D resource; 2 becomes a blob.
fn blobs(table: &mut Table<'_>, memory: &[MemEntry]) {
    let size = memory.iter().map(|entry| u64::from(entry.length)).sum();
    table.expect(&create_blob(0, size, memory), INVALID_RESOURCE_ID);
    table.expect(&create_blob(1, size, memory), INVALID_RESOURCE_ID);
    table.expect(&create_blob(2, 0, memory), INVALID_PARAMETER);
    table.expect(&create_blob(2, size + 1, memory), INVALID_PARAMETER);
    table.expect(&create_blob(2, u64::MAX, memory), INVALID_PARAMETER);
    table.expect(&create_blob(2, 4096, &[NOWHERE]), UNSPEC);
    for (blob_mem, blob_flags) in [(0, 0), (BLOB_MEM_HOST3D, 1), (3, 1), (1, 1 << 31)] {
        let command = Command::ResourceCreateBlob {
            resource_id: 2,
            blob_mem,
            blob_flags,
            blob_id: 1,
            size,
            entries: memory.to_vec(),
        };
        table.expect(&command, INVALID_PARAMETER);
    }
    // The memory may also come later.
    table.expect(&create_blob(2, size, &[]), NODATA);
    table.expect(&set_scanout_blob(0, 2, WHOLE, IMAGE), UNSPEC);
    table.expect(&attach(2, memory), NODATA);

    for scanout in NO_SCANOUTS {
        for resource in [0, 2, 9] {
            let command = set_scanout_blob(scanout, resource, WHOLE, IMAGE);
            table.expect(&command, INVALID_SCANOUT_ID);
        }
    }
    table.expect(&set_scanout_blob(0, 9, WHOLE, IMAGE), INVALID_RESOURCE_ID);
    table.expect(&set_scanout_blob(0, 1, WHOLE, IMAGE), INVALID_PARAMETER);
    table.expect(&set_scanout(0, 2, WHOLE), INVALID_PARAMETER);
    let (format, stride, offset) = (IMAGE.format, IMAGE.stride, IMAGE.offset);
    for image in [
        Image { format: 0, ..IMAGE },
        Image { format: 5, ..IMAGE },
        Image {
            format,
            stride: 0,
            offset,
        },
        Image {
            format,
            stride: 255,
            offset,
        },
        Image {
            format,
            stride: 1 << 31,
            offset,
        },
        Image {
            format,
            stride: u32::MAX,
            offset: u32::MAX,
        },
        Image {
            format,
            stride,
            offset: 4,
        },
        Image {
            format,
            stride,
            offset: 1 << 31,
        },
    ] {
        table.expect(&set_scanout_blob(0, 2, WHOLE, image), INVALID_PARAMETER);
    }
    for outside in outside() {
        table.expect(&set_scanout_blob(0, 2, outside, IMAGE), INVALID_PARAMETER);
    }
    table.expect(&set_scanout_blob(0, 2, WHOLE, IMAGE), NODATA);
    // Means nothing for a blob, but Linux sends it.
    table.expect(&transfer(2, WHOLE, 0), NODATA);
    table.expect(
        &Command::ResourceFlush {
            rect: WHOLE,
            resource_id: 2,
        },
        NODATA,
    );
}

/// Resources 1 and 2 are there.
fn names(table: &mut Table<'_>) {
    for resource_id in [1, 2] {
        table.expect(&Command::ResourceAssignUuid { resource_id }, UUID);
    }
    for resource_id in [0, 9] {
        let command = Command::ResourceAssignUuid { resource_id };
        table.expect(&command, INVALID_RESOURCE_ID);
    }
    assert_eq!(table.uuid(1), table.uuid(1));
    assert_ne!(table.uuid(1), table.uuid(2));
}

fn three_dimensions(table: &mut Table<'_>) {
    let (area, resource_id) = (Box3d::default(), 1);
    let (capset_id, capset_version) = (1, 1);
    table.expect(
        &Command::GetCapsetInfo { capset_index: 0 },
        INVALID_PARAMETER,
    );
    let capset = Command::GetCapset {
        capset_id,
        capset_version,
    };
    table.expect(&capset, INVALID_PARAMETER);
    let (level, stride, layer_stride) = (0, 0, 0);
    for command in [
        Command::CtxCreate {
            context_init: 0,
            name_length: u32::MAX,
            debug_name: [b'x'; 64],
        },
        Command::CtxDestroy,
        Command::CtxAttachResource { resource_id },
        Command::CtxDetachResource { resource_id },
        Command::ResourceCreate3d {
            resource_id: 5,
            target: 2,
            format: 1,
            bind: 2,
            width: 64,
            height: 64,
            depth: 1,
            array_size: 1,
            last_level: 0,
            nr_samples: 0,
            flags: 0,
        },
        Command::TransferToHost3d {
            area,
            offset: 0,
            resource_id,
            level,
            stride,
            layer_stride,
        },
        Command::TransferFromHost3d {
            area,
            offset: 0,
            resource_id,
            level,
            stride,
            layer_stride,
        },
        Command::Submit3d {
            commands: vec![0; 64],
        },
        Command::MapBlob {
            resource_id: 2,
            offset: 0,
        },
        Command::UnmapBlob { resource_id: 2 },
    ] {
        table.expect(&command, UNSPEC);
    }
}

/// Resource 1 is shown; 3 becomes a pointer image.
fn pointers(table: &mut Table<'_>) {
    table.expect(&create_2d(3, 1, 64, 64), NODATA);
    let update = |scanout_id, resource_id| Command::UpdateCursor {
        scanout_id,
        x: -5,
        y: i32::MAX,
        resource_id,
        hot_x: u32::MAX,
        hot_y: 3,
    };
    let move_to = |scanout_id, resource_id| Command::MoveCursor {
        scanout_id,
        x: i32::MIN,
        y: 9,
        resource_id,
        hot_x: 0,
        hot_y: 0,
    };
    table.expect(&create_2d(4, 1, 65, 64), NODATA);
    let cases = [
        (update(0, 3), NODATA.0),
        (update(0, 0), NODATA.0),
        (update(0, 9), INVALID_RESOURCE_ID.0),
        (update(0, 4), INVALID_PARAMETER.0),
        (update(4, 3), INVALID_SCANOUT_ID.0),
        (update(u32::MAX, 0), INVALID_SCANOUT_ID.0),
        (move_to(1, 3), NODATA.0),
        (move_to(1, 0), NODATA.0),
        (move_to(16, 0), INVALID_SCANOUT_ID.0),
    ];
    for (command, kind) in cases {
        // Guests leave no room for an answer there. Where there is some, it is used.
        let request = encoded(&command);
        table.expect_raw(CURSOR_QUEUE, &request, 0, (0, 0));
        table.expect_raw(CURSOR_QUEUE, &request, 24, (kind, 24));
    }
    for resource_id in [3, 4] {
        table.expect(&Command::ResourceUnref { resource_id }, NODATA);
    }
}

fn what_is_no_command(table: &mut Table<'_>) {
    for kind in [0, 0x00ff, 0x010e, 0x01ff, 0x020a, 0x0302, 0x1100, u32::MAX] {
        let mut request = vec![0; 96];
        request[..4].copy_from_slice(&u32::to_le_bytes(kind));
        table.expect_raw(CONTROL_QUEUE, &request, 24, UNSPEC);
        table.expect_raw(CURSOR_QUEUE, &request, 24, UNSPEC);
    }
    // Too short for a header, for the command, for the entries that it announces.
    table.expect_raw(CONTROL_QUEUE, &[], 24, UNSPEC);
    table.expect_raw(CONTROL_QUEUE, &[1, 1, 0], 24, UNSPEC);
    table.expect_raw(
        CONTROL_QUEUE,
        &encoded(&set_scanout(0, 1, WHOLE))[..47],
        24,
        UNSPEC,
    );
    let mut request = encoded(&attach(1, &[NOWHERE]));
    for announced in [2, u32::try_from(MAX_ENTRIES + 1).unwrap(), u32::MAX] {
        request[28..32].copy_from_slice(&announced.to_le_bytes());
        table.expect_raw(CONTROL_QUEUE, &request, 24, UNSPEC);
    }
    // An answer that does not fit becomes an error, and an error that does not fit is cut off.
    let display_info = encoded(&Command::GetDisplayInfo);
    table.expect_raw(CONTROL_QUEUE, &display_info, 407, UNSPEC);
    table.expect_raw(CONTROL_QUEUE, &display_info, 24, UNSPEC);
    table.expect_raw(CONTROL_QUEUE, &display_info, 4, (0x1200, 4));
    table.expect_raw(CONTROL_QUEUE, &display_info, 0, (0, 0));
    // More room than needed changes nothing.
    table.expect_raw(CONTROL_QUEUE, &display_info, 4096, DISPLAY_INFO);
}

fn destruction(table: &mut Table<'_>) {
    for resource_id in [0, 9] {
        let command = Command::ResourceUnref { resource_id };
        table.expect(&command, INVALID_RESOURCE_ID);
        let command = Command::ResourceDetachBacking { resource_id };
        table.expect(&command, INVALID_RESOURCE_ID);
    }
    table.expect(&Command::ResourceDetachBacking { resource_id: 1 }, NODATA);
    table.expect(&Command::ResourceDetachBacking { resource_id: 1 }, UNSPEC);
    for resource_id in [1, 2] {
        // Both are shown.
        table.expect(&Command::ResourceUnref { resource_id }, NODATA);
        table.expect(&Command::ResourceUnref { resource_id }, INVALID_RESOURCE_ID);
    }
    // Windows leaves the scanouts only now.
    for scanout in [0, 1] {
        table.expect(&set_scanout(scanout, 0, Rect::default()), NODATA);
    }
}

/// All of it, with resources 1 to 9, none of which is left.
fn everything(driver: &mut Driver, fenced: bool) {
    let backing = driver.ram_mut().allocate_backing(BYTES).unwrap();
    let mut table = Table { driver, fenced };
    monitors(&mut table);
    resources_2d(&mut table, &backing.entries);
    scanouts(&mut table);
    blobs(&mut table, &backing.entries);
    names(&mut table);
    three_dimensions(&mut table);
    pointers(&mut table);
    what_is_no_command(&mut table);
    destruction(&mut table);
    driver.ram_mut().free_backing(&backing);
}

fn rig() -> Rig {
    Setup::new(&["640x480"])
        .guest("g", &["640x480", "800x600"])
        .start()
}

#[test]
fn every_command_is_answered_as_guests_expect_it() {
    let rig = rig();
    let device = rig.guest("g").device_pid;
    let shapes = [
        ChainShape::LINUX,
        ChainShape::WINDOWS,
        ChainShape::EDK2,
        ChainShape::torn(7),
    ];
    for (dialect, shape) in Dialect::ALL.into_iter().zip(shapes) {
        let options = DriverOptions {
            dialect,
            shape,
            ..Rig::options()
        };
        let mut driver = rig.driver_with("g", &options);
        for fenced in [false, true] {
            everything(&mut driver, fenced);
        }
    }
    assert_eq!(rig.guest("g").device_pid, device, "the device ended");
}

#[test]
fn a_fence_of_any_timeline_is_echoed() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for (fence, ctx_id, ring_idx) in [
        (0, 0, None),
        (u64::MAX, u32::MAX, Some(63)),
        (1 << 63, 7, Some(0)),
    ] {
        let header = Header {
            kind: 0,
            fence: Some(fence),
            ctx_id,
            ring_idx,
        };
        let command = Command::GetEdid { scanout: 0 };
        let ticket = driver.submit_with(&command, header).unwrap();
        let completion = driver.wait(ticket, PATIENCE).unwrap();
        assert!(matches!(completion.response(), Ok(Response::OkEdid(_))));
        let echoed = completion.header().unwrap();
        assert_eq!((echoed.fence, echoed.ctx_id), (Some(fence), ctx_id));
        assert_eq!(echoed.ring_idx, ring_idx);
    }
}

#[test]
fn as_many_entries_as_allowed_are_taken_and_no_more_memory_than_allowed() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let page = driver.ram_mut().allocate(4096).unwrap();
    let entry = MemEntry {
        addr: page.address,
        length: 4096,
    };
    let mut table = Table {
        driver: &mut driver,
        fenced: false,
    };
    let most = vec![entry; MAX_ENTRIES];
    table.expect(&create_blob(1, 64 << 20, &most), NODATA);
    table.expect(&create_2d(2, 2, 64, 48), NODATA);
    table.expect(&attach(2, &[&most[..], &[entry]].concat()), UNSPEC);
    table.expect(&attach(2, &most), NODATA);

    // A gibibyte each; the guest may have two in all.
    table.expect(&create_2d(3, 2, 16384, 16384), NODATA);
    table.expect(&create_2d(4, 2, 16384, 16384), OUT_OF_MEMORY);
    table.expect(&Command::ResourceUnref { resource_id: 3 }, NODATA);
    table.expect(&create_2d(4, 2, 16384, 16384), NODATA);

    // Nobody shall fill the host with tiny resources.
    let mut id = 5;
    while table
        .driver
        .create_2d(id, protocols::virtio_gpu::Format::Bgrx8888, 1, 1)
        .is_ok()
    {
        id += 1;
    }
    assert!((1000..10_000).contains(&id), "{id} resources");
    table.expect(&create_2d(id, 2, 1, 1), OUT_OF_MEMORY);
    table.expect(&Command::ResourceUnref { resource_id: 5 }, NODATA);
    table.expect(&create_2d(id, 2, 1, 1), NODATA);
}
