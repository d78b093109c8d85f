//! Whatever is encoded is decoded to the same.

use proptest::{collection::vec, option, prelude::*};

use super::super::*;
use crate::virtio_gpu::{Box3d, ErrorCode, MemEntry, Rect};

fn mem_entries() -> impl Strategy<Value = Vec<MemEntry>> {
    let entry = (any::<u64>(), any::<u32>()).prop_map(|(addr, length)| MemEntry { addr, length });
    vec(entry, 0..40)
}

fn transfer() -> impl Strategy<Value = Transfer> {
    (any::<[u32; 11]>(), any::<u64>()).prop_map(|(n, offset)| Transfer {
        context: n[0],
        resource: n[1],
        part: Box3d {
            x: n[2],
            y: n[3],
            z: n[4],
            width: n[5],
            height: n[6],
            depth: n[7],
        },
        offset,
        level: n[8],
        stride: n[9],
        layer_stride: n[10],
    })
}

fn texture() -> impl Strategy<Value = Texture> {
    any::<[u32; 10]>().prop_map(|n| Texture {
        target: n[0],
        format: n[1],
        bind: n[2],
        width: n[3],
        height: n[4],
        depth: n[5],
        array_size: n[6],
        last_level: n[7],
        samples: n[8],
        flags: n[9],
    })
}

fn blob() -> impl Strategy<Value = BlobOf> {
    (any::<[u32; 3]>(), any::<[u64; 2]>()).prop_map(|(n, [id, size])| BlobOf {
        context: n[0],
        memory: n[1],
        flags: n[2],
        id,
        size,
    })
}

fn fence() -> impl Strategy<Value = Option<Fence>> {
    let timeline = prop_oneof![
        Just(Timeline::Device),
        (any::<u32>(), 0..64_u8).prop_map(|(context, ring)| Timeline::Ring { context, ring })
    ];
    option::of((any::<u64>(), timeline).prop_map(|(id, timeline)| Fence { id, timeline }))
}

/// What requests borrow.
#[derive(Debug)]
struct Parts {
    bytes: Vec<u8>,
    entries: Vec<MemEntry>,
    transfer: Transfer,
    texture: Texture,
    blob: BlobOf,
    numbers: [u32; 8],
    long: u64,
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        vec(any::<u8>(), 0..200),
        mem_entries(),
        transfer(),
        texture(),
        blob(),
        any::<([u32; 8], u64)>(),
    )
        .prop_map(
            |(bytes, entries, transfer, texture, blob, (numbers, long))| Parts {
                bytes,
                entries,
                transfer,
                texture,
                blob,
                numbers,
                long,
            },
        )
}

impl Parts {
    /// A request of each kind.
    fn requests(&self) -> Vec<Request<'_>> {
        let [context, resource, capset, x, y, width, height, stride] = self.numbers;
        let name = &self.bytes[..self.bytes.len().min(MAX_NAME)];
        let entries = self.entries.as_slice();
        vec![
            Request::CreateContext {
                context,
                capset,
                name,
            },
            Request::DestroyContext(context),
            Request::AttachToContext { context, resource },
            Request::DetachFromContext { context, resource },
            Request::CreateTexture {
                resource,
                texture: self.texture,
            },
            Request::CreateBlob {
                resource,
                blob: self.blob,
                entries,
            },
            Request::AttachBacking { resource, entries },
            Request::DetachBacking(resource),
            Request::Unref(resource),
            Request::TransferToHost(self.transfer),
            Request::TransferFromHost(self.transfer),
            Request::Submit {
                context,
                commands: &self.bytes,
            },
            Request::Map(resource),
            Request::Unmap(resource),
            Request::Export(resource),
            Request::ReadBack {
                resource,
                part: Rect {
                    x,
                    y,
                    width,
                    height,
                },
                target: Target {
                    memory: Lent(capset),
                    offset: self.long,
                    stride,
                },
            },
            Request::Nothing,
        ]
    }
}

fn sent(order: &Order<'_>) -> Vec<u8> {
    let mut message = b"left from before".to_vec();
    let rest = order.encode(&mut message);
    message.extend_from_slice(rest);
    message
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let plane = any::<[u32; 2]>().prop_map(|[offset, stride]| PicturePlane { offset, stride });
    prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::NotExported),
        proptest::sample::select(ErrorCode::ALL.to_vec()).prop_map(Outcome::Failed),
        (any::<u64>(), any::<u32>()).prop_map(|(size, caching)| Outcome::Mapped { size, caching }),
        (
            any::<[u32; 3]>(),
            any::<(u64, bool)>(),
            vec(plane, 1..=MAX_DESCRIPTORS)
        )
            .prop_map(|([width, height, fourcc], (modifier, bottom_up), planes)| {
                Outcome::Exported(Picture {
                    width,
                    height,
                    fourcc,
                    modifier,
                    bottom_up,
                    planes,
                })
            }),
    ]
}

fn word() -> impl Strategy<Value = String> {
    "[a-zäß0-9][a-z0-9. -]{0,30}[a-z0-9]"
}

fn report() -> impl Strategy<Value = Report> {
    let capset = (any::<[u32; 2]>(), vec(any::<u8>(), 0..100))
        .prop_map(|([id, version], data)| Capset { id, version, data });
    let versions =
        proptest::array::uniform6(word()).prop_map(|[library, device, gl, gles, glsl, vulkan]| {
            Versions {
                library,
                device,
                gl,
                gles,
                glsl,
                vulkan,
            }
        });
    prop_oneof![
        (vec(capset, 0..=8), versions)
            .prop_map(|(capsets, versions)| Report::Hello { capsets, versions }),
        (proptest::sample::select(Lack::ALL.to_vec()), word())
            .prop_map(|(lack, text)| Report::Lacking { lack, text }),
        (any::<u64>(), outcome()).prop_map(|(number, outcome)| Report::Answer { number, outcome }),
    ]
}

proptest! {
    #[test]
    fn requests(parts in parts(), number: u64, fence in fence()) {
        for request in parts.requests() {
            let order = Order::Do { number, fence, request };
            let (message, mut entries) = (sent(&order), Vec::new());
            prop_assert_eq!(Order::decode(&message, &mut entries), Ok(order));
        }
    }

    #[test]
    fn other_orders(start: u64, len: u64, offset: u64, memory: u32) {
        let orders = [
            Order::Ram(Region { start, len, offset }),
            Order::RamIsComplete,
            Order::Lend { memory: Lent(memory), size: len },
            Order::TakeBack(Lent(memory)),
            Order::Reset,
        ];
        for order in orders {
            let (message, mut entries) = (sent(&order), Vec::new());
            prop_assert_eq!(Order::decode(&message, &mut entries), Ok(order));
        }
    }

    #[test]
    fn reports(report in report()) {
        let mut message = b"left from before".to_vec();
        report.encode(&mut message);
        prop_assert!(message.len() <= MAX_REPORT);
        prop_assert_eq!(Report::decode(&message), Ok(report));
    }
}

#[test]
fn commands_are_not_copied_and_lie_on_a_word() {
    let commands = [1, 2, 3, 4];
    let mut head = Vec::new();
    let order = Order::Do {
        number: 1,
        fence: None,
        request: Request::Submit {
            context: 1,
            commands: &commands,
        },
    };
    let rest = order.encode(&mut head);
    assert!(std::ptr::eq(rest.as_ptr(), commands.as_ptr()));
    assert!(head.len().is_multiple_of(8));
}

#[test]
fn the_largest_report_fits() {
    let text = "x".repeat(MAX_TEXT);
    let report = Report::Hello {
        capsets: vec![
            Capset {
                id: 1,
                version: 1,
                data: vec![0; 4096],
            };
            8
        ],
        versions: Versions {
            library: text.clone(),
            device: text.clone(),
            gl: text.clone(),
            gles: text.clone(),
            glsl: text.clone(),
            vulkan: text,
        },
    };
    let mut message = Vec::new();
    report.encode(&mut message);
    assert_eq!(Report::decode(&message), Ok(report));
}
