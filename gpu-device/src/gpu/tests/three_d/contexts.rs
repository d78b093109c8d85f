//! Capsets, contexts, textures, transfers and command streams: what is asked of the renderer, and
//! what is refused before that.

use protocols::virtio_gpu::ErrorCode::{self, *};

use super::*;
use crate::{
    gpu::Limits,
    renderer::{Done, Transfer},
};

#[test]
fn capsets_are_described_and_sent_exactly() {
    let mut f = Fixture::with_renderer();
    let info = f.run(Command::GetCapsetInfo { capset_index: 0 });
    let expected = Response::OkCapsetInfo {
        capset_id: 2,
        max_version: 2,
        max_size: 11,
    };
    assert_eq!(info, expected);
    let capset = |capset_id, capset_version| Command::GetCapset {
        capset_id,
        capset_version,
    };
    assert_eq!(f.run(capset(2, 1)), Response::OkCapset(vec![7; 11]));
    f.refuse(capset(2, 3), InvalidParameter);
    f.refuse(capset(4, 0), InvalidParameter);
    for capset_index in [1, u32::MAX] {
        f.refuse(Command::GetCapsetInfo { capset_index }, InvalidParameter);
    }
}

#[test]
fn a_context_is_made_with_its_name_and_capset() {
    let mut f = Fixture::with_renderer();
    let ticket = f.later(create_context());
    let asked = Asked::CreateContext {
        context: 1,
        capset: 2,
        name: b"game".to_vec(),
    };
    assert_eq!(f.renderer.take_log(), [asked]);
    assert_eq!(f.answers(), []);
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.answered(), [ticket]);
}

#[test]
fn impossible_contexts_are_refused() {
    let mut f = with_context();
    let create = |context_init, name_length| Command::CtxCreate {
        context_init,
        name_length,
        debug_name: [0; 64],
    };
    let mut refused = |id, command, code: ErrorCode| {
        let header = Header {
            ctx_id: id,
            ..Header::default()
        };
        let reply = f.execute(header, command);
        assert_eq!(reply, Reply::Now(Response::Err(code)));
    };
    refused(0, create(0, 0), InvalidContextId);
    refused(1, create(0, 0), InvalidContextId);
    refused(2, create(4, 0), InvalidParameter);
    refused(2, create(0, 65), InvalidParameter);
    refused(2, create(0, u32::MAX), InvalidParameter);
    for command in [Command::CtxDestroy, use_resource(1), submit(), upload(1)] {
        refused(2, command, InvalidContextId);
    }
    assert_eq!(f.renderer.take_log(), []);
}

#[test]
fn a_context_that_could_not_be_made_is_not_there() {
    let mut f = Fixture::with_renderer();
    let ticket = f.later(create_context());
    f.renderer_does(Err(OutOfMemory));
    assert_eq!(f.answers(), [(ticket, Response::Err(OutOfMemory))]);
    assert_eq!(now(&mut f, submit()), Response::Err(InvalidContextId));
    f.later(create_context());
}

#[test]
fn the_failure_of_a_context_does_not_hit_the_next_one_of_its_name() {
    let mut f = Fixture::with_renderer();
    f.later(create_context());
    f.later(Command::CtxDestroy);
    f.later(create_context());
    f.renderer_does(Err(Unspec));
    f.later(submit());
}

#[test]
fn contexts_have_a_quota() {
    let mut f = Fixture::with(|options| {
        options.limits = Limits {
            contexts: 1,
            ..Limits::default()
        };
    });
    f.renderer = crate::renderer::recording::RecordingRenderer::virgl();
    f.later(create_context());
    let header = Header {
        ctx_id: 2,
        ..Header::default()
    };
    let reply = f.execute(header, create_context());
    assert_eq!(reply, Reply::Now(Response::Err(OutOfMemory)));
    f.later(Command::CtxDestroy);
    assert!(matches!(
        f.execute(header, create_context()),
        Reply::Later(_)
    ));
}

#[test]
fn textures_are_made_used_and_dropped_in_the_renderer() {
    let mut f = with_context();
    let made = f.later(create_3d(3, texture(64, 64)));
    let attached = f.later(attach(3, 0x4000, PAGE * 4));
    let used = f.later(use_resource(3));
    assert_eq!(now(&mut f, use_resource(3)), Response::OkNodata);
    let uploaded = f.later(upload(3));
    let submitted = f.later(submit());
    let unused = f.later(Command::CtxDetachResource { resource_id: 3 });
    let detached = f.later(detach(3));
    let gone = f.later(unref(3));
    let log = f.renderer.take_log();
    let entries = vec![MemEntry {
        addr: 0x4000,
        length: PAGE * 4,
    }];
    assert_eq!(
        log[..3],
        [
            Asked::CreateTexture {
                resource: 3,
                texture: texture(64, 64)
            },
            Asked::AttachBacking {
                resource: 3,
                entries
            },
            Asked::AttachToContext {
                context: 1,
                resource: 3
            },
        ]
    );
    let is_upload = |asked: &Asked| {
        matches!(
            asked,
            Asked::TransferToHost(Transfer {
                context: 1,
                resource: 3,
                ..
            })
        )
    };
    assert!(is_upload(&log[3]));
    assert_eq!(
        log[4..],
        [
            Asked::Submit {
                context: 1,
                commands: vec![1, 2, 3, 4]
            },
            Asked::DetachFromContext {
                context: 1,
                resource: 3
            },
            Asked::DetachBacking(3),
            Asked::Unref(3),
        ]
    );
    assert_eq!(f.answered(), []);
    f.renderer_does_all();
    let all = [
        made, attached, used, uploaded, submitted, unused, detached, gone,
    ];
    assert_eq!(f.answered(), all);
    assert_eq!(f.gpu.quota.used(), (0, 0, 0));
    assert_eq!(f.gpu.quota.rendered(), 0);
}

#[test]
fn what_is_wrong_with_textures_is_refused() {
    let mut f = with_context();
    f.later(create_3d(3, texture(64, 64)));
    for id in [0, 3] {
        f.refuse(create_3d(id, texture(64, 64)), InvalidResourceId);
    }
    f.refuse(create_3d(4, texture(u32::MAX, u32::MAX)), InvalidParameter);
    f.refuse(transfer(3, rect(0, 0, 1, 1), 0), Unspec);
    f.ok(create_2d(
        5,
        protocols::virtio_gpu::Format::Bgrx8888,
        16,
        16,
    ));
    for id in [0, 4, 5] {
        assert_eq!(now(&mut f, upload(id)), Response::Err(InvalidResourceId));
    }
    let odd = Command::Submit3d {
        commands: vec![0; 6],
    };
    assert_eq!(now(&mut f, odd), Response::Err(InvalidParameter));
    f.later(Command::Submit3d {
        commands: Vec::new(),
    });
}

#[test]
fn a_texture_that_could_not_be_made_is_not_there() {
    let mut f = with_context();
    f.later(create_3d(3, texture(64, 64)));
    f.ok(set_scanout(0, 3, rect(0, 0, 64, 64)));
    f.renderer_does(Err(InvalidParameter));
    f.answers();
    assert_eq!(f.gpu.quota.used(), (0, 0, 0));
    assert_eq!(f.gpu.quota.rendered(), 0);
    f.refuse(unref(3), InvalidResourceId);
    // Nor does that hit another one of the same name.
    f.later(create_3d(3, texture(64, 64)));
    f.later(unref(3));
    f.later(create_3d(3, texture(32, 32)));
    f.renderer_does(Err(Unspec));
    f.later(use_resource(3));
}

#[test]
fn the_guest_hears_what_the_renderer_says() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 64);
    let submitted = f.later(submit());
    let uploaded = f.later(upload(3));
    f.renderer_does(Err(InvalidParameter));
    f.renderer_does(Err(Unspec));
    let expected = [
        (submitted, Response::Err(InvalidParameter)),
        (uploaded, Response::Err(Unspec)),
    ];
    assert_eq!(f.answers(), expected);
}
