//! Fences of the real library.

use std::time::Duration;

use super::{
    fixture::{BGRA, Stream, picture, start, start_listening, wait_for_fences},
    *,
};

/// How long a fence may take on a machine that has much else to do.
const SOON: Duration = Duration::from_secs(20);

fn fence(id: u64, timeline: Timeline) -> Fence {
    Fence { id, timeline }
}

const RING: Timeline = Timeline::Ring {
    context: 1,
    ring: 0,
};

/// Work that takes its time.
fn draw(virgl: &mut Virgl, context: u32) {
    let texture = context + 100;
    virgl.create_context(context, 2, b"").unwrap();
    virgl.create_texture(texture, &picture(512, 512)).unwrap();
    virgl.attach_to_context(context, texture).unwrap();
    let mut stream = Stream::default().sub_context(1).draw_into(1, texture, BGRA);
    for shade in 0..20_u8 {
        stream = stream.clear([f32::from(shade) / 20.0; 4]);
    }
    virgl.submit(context, &stream.bytes()).unwrap();
}

#[test]
fn fences_are_reached_in_order_without_asking_in_vain() {
    let mut virgl = start();
    draw(&mut virgl, 1);
    // More than 32 bits, and one twice.
    let device = [5, u64::MAX - 1, u64::MAX - 1, u64::MAX].map(|id| fence(id, Timeline::Device));
    let ring = [1, 2, 3, 1 << 40].map(|id| fence(id, RING));
    for (device, ring) in device.iter().zip(&ring) {
        virgl
            .submit(1, &Stream::default().clear([1.0; 4]).bytes())
            .unwrap();
        virgl.fence(*device).unwrap();
        virgl.fence(*ring).unwrap();
    }
    let reached = wait_for_fences(&mut virgl, 8);
    let of = |timeline| {
        reached
            .iter()
            .filter(move |fence| fence.timeline == timeline)
    };
    assert!(of(Timeline::Device).eq(&device));
    assert!(of(RING).eq(&ring));
}

#[test]
fn a_context_takes_only_its_own_fences_along() {
    let mut virgl = start();
    draw(&mut virgl, 1);
    draw(&mut virgl, 2);
    let on_device = [1, 2].map(|id| fence(id, Timeline::Device));
    let on_other = fence(
        1,
        Timeline::Ring {
            context: 2,
            ring: 0,
        },
    );
    virgl.fence(on_device[0]).unwrap();
    virgl.fence(fence(7, RING)).unwrap();
    virgl.fence(on_other).unwrap();
    virgl.fence(on_device[1]).unwrap();
    virgl.destroy_context(1).unwrap();
    let mut reached = wait_for_fences(&mut virgl, 4);
    reached.sort_by_key(|fence| fence.timeline);
    assert_eq!(
        reached,
        [on_device[0], on_device[1], fence(7, RING), on_other]
    );
}

#[test]
fn fences_without_context_or_ring_are_errors() {
    let mut virgl = start();
    draw(&mut virgl, 1);
    let unknown = Timeline::Ring {
        context: 9,
        ring: 0,
    };
    assert_eq!(virgl.fence(fence(1, unknown)), Err(Failure::NoContext(9)));
    let no_ring = Timeline::Ring {
        context: 1,
        ring: 63,
    };
    assert!(virgl.fence(fence(2, no_ring)).is_err());
    virgl.fence(fence(3, RING)).unwrap();
    assert_eq!(wait_for_fences(&mut virgl, 1), [fence(3, RING)]);
}

#[test]
fn a_listener_hears_of_fences_that_nobody_polls_for() {
    let (mut virgl, told) = start_listening();
    draw(&mut virgl, 1);
    for id in 1..=10 {
        let timeline = [Timeline::Device, RING][usize::from(id % 2 == 0)];
        virgl.fence(fence(id, timeline)).unwrap();
        assert_eq!(told.recv_timeout(SOON), Ok(fence(id, timeline)));
    }
    assert_eq!(virgl.take_reached(), []);
}

#[test]
fn contexts_may_go_while_another_thread_waits_for_their_fences() {
    let (mut virgl, told) = start_listening();
    for id in 1..=100 {
        draw(&mut virgl, 1);
        virgl.fence(fence(id, RING)).unwrap();
        virgl.destroy_context(1).unwrap();
        virgl.unref(101).unwrap();
        assert_eq!(told.recv_timeout(SOON), Ok(fence(id, RING)));
    }
}
