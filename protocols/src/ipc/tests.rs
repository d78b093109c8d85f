//! The JSON that other programs see and write, letter by letter.

use super::{device::*, *};

#[track_caller]
fn assert_json<T>(value: &T, json: &str)
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(json).unwrap(), *value);
}

#[test]
fn requests() {
    let guest = "debian".to_owned();
    assert_json(&Request::Guests, r#""guests""#);
    assert_json(&Request::Outputs, r#""outputs""#);
    assert_json(
        &Request::Stats { guest: None },
        r#"{"stats":{"guest":null}}"#,
    );
    assert_json(
        &Request::Stats {
            guest: Some(guest.clone()),
        },
        r#"{"stats":{"guest":"debian"}}"#,
    );
    assert_json(
        &Request::Screenshot {
            target: ScreenshotTarget::Output {
                name: "HEADLESS-1".to_owned(),
            },
            path: "/tmp/a.png".into(),
        },
        r#"{"screenshot":{"target":{"output":{"name":"HEADLESS-1"}},"path":"/tmp/a.png"}}"#,
    );
    assert_json(
        &Request::Screenshot {
            target: ScreenshotTarget::Guest {
                name: guest.clone(),
                scanout: 1,
            },
            path: "/tmp/a.png".into(),
        },
        r#"{"screenshot":{"target":{"guest":{"name":"debian","scanout":1}},"path":"/tmp/a.png"}}"#,
    );
    assert_json(
        &Request::Restart {
            guest: guest.clone(),
        },
        r#"{"restart":{"guest":"debian"}}"#,
    );
    assert_json(
        &Request::Focus {
            guest: guest.clone(),
        },
        r#"{"focus":{"guest":"debian"}}"#,
    );
    assert_json(
        &Request::Resize {
            guest,
            scanout: 0,
            width: 1280,
            height: 720,
        },
        r#"{"resize":{"guest":"debian","scanout":0,"width":1280,"height":720}}"#,
    );
    assert_json(&Request::Quit, r#""quit""#);
}

#[test]
fn a_request_may_leave_out_whose_stats() {
    let request: Request = serde_json::from_str(r#"{"stats":{}}"#).unwrap();
    assert_eq!(request, Request::Stats { guest: None });
}

#[test]
fn a_misspelt_request_is_an_error() {
    for json in [
        r#""gests""#,
        r#"{"stats":{"gest":"debian"}}"#,
        r#"{"restart":{}}"#,
    ] {
        assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
    }
}

#[test]
fn refusals() {
    for (code, name) in [
        (ErrorCode::InvalidRequest, "invalid_request"),
        (ErrorCode::UnknownGuest, "unknown_guest"),
        (ErrorCode::UnknownScanout, "unknown_scanout"),
        (ErrorCode::UnknownOutput, "unknown_output"),
        (ErrorCode::NothingShown, "nothing_shown"),
        (ErrorCode::Unsupported, "unsupported"),
        (ErrorCode::InvalidPath, "invalid_path"),
        (ErrorCode::Failed, "failed"),
    ] {
        assert_json(
            &Reply::error(code, "No."),
            &format!(r#"{{"error":{{"code":"{name}","text":"No."}}}}"#),
        );
    }
}

#[test]
fn done_and_screenshot() {
    assert_json(&Reply::Ok(Answer::Done), r#"{"ok":"done"}"#);
    assert_json(
        &Reply::Ok(Answer::Screenshot(Screenshot {
            path: "/tmp/a.png".into(),
            width: 1920,
            height: 1080,
        })),
        r#"{"ok":{"screenshot":{"path":"/tmp/a.png","width":1920,"height":1080}}}"#,
    );
}

#[test]
fn guests() {
    let guest = Guest {
        name: "debian".to_owned(),
        state: GuestState::Running,
        device_pid: Some(11),
        vmm_pid: None,
        dialect: Some("qemu-vhost-user-gpu".to_owned()),
        last_output: vec!["Booting".to_owned()],
        detached: true,
        disk: Some("/d.qcow2".into()),
        machine: Some(MachineState::ShutDown),
        renderer: Some(GuestRenderer {
            kind: RendererKind::Virgl,
            ..GuestRenderer::default()
        }),
    };
    assert_json(
        &Reply::Ok(Answer::Guests(vec![guest])),
        concat!(
            r#"{"ok":{"guests":[{"name":"debian","state":"running","device_pid":11,"#,
            r#""vmm_pid":null,"dialect":"qemu-vhost-user-gpu","last_output":["Booting"],"#,
            r#""detached":true,"disk":"/d.qcow2","machine":"shut_down","#,
            r#""renderer":{"kind":"virgl","library":"","device":"","gl":"","gles":"","glsl":"","#,
            r#""vulkan":"","restarts":0,"reason":null}}]}}"#
        ),
    );
    for (state, name) in [
        (GuestState::Starting, r#""starting""#),
        (GuestState::Waiting, r#""waiting""#),
        (GuestState::Running, r#""running""#),
        (GuestState::Restarting, r#""restarting""#),
        (GuestState::Stopped, r#""stopped""#),
        (GuestState::Failed, r#""failed""#),
    ] {
        assert_json(&state, name);
        assert_eq!(format!("\"{state}\""), name);
    }
}

#[test]
fn what_draws_for_a_guest() {
    let renderer = GuestRenderer {
        kind: RendererKind::Venus,
        library: "1.3.0".to_owned(),
        device: "llvmpipe".to_owned(),
        gl: "4.5".to_owned(),
        gles: "3.2".to_owned(),
        glsl: "4.50".to_owned(),
        vulkan: "1.4".to_owned(),
        restarts: 2,
        reason: Some(Reason {
            code: "node_forbidden".to_owned(),
            text: "no permission".to_owned(),
        }),
    };
    let json = concat!(
        r#"{"kind":"venus","library":"1.3.0","device":"llvmpipe","gl":"4.5","gles":"3.2","#,
        r#""glsl":"4.50","vulkan":"1.4","restarts":2,"#,
        r#""reason":{"code":"node_forbidden","text":"no permission"}}"#
    );
    assert_json(&renderer, json);
    assert_json(
        &DeviceEvent::Renderer(renderer),
        &format!(r#"{{"renderer":{json}}}"#),
    );
    for (kind, name) in [
        (RendererKind::TwoD, r#""2d""#),
        (RendererKind::Virgl, r#""virgl""#),
        (RendererKind::Venus, r#""venus""#),
    ] {
        assert_json(&kind, name);
        assert_eq!(format!("\"{kind}\""), name);
    }
    let bare: GuestRenderer = serde_json::from_str(r#"{"kind":"2d"}"#).unwrap();
    assert_eq!(bare, GuestRenderer::default());
}

#[test]
fn outputs() {
    let output = Output {
        name: "HEADLESS-1".to_owned(),
        width: 1920,
        height: 1080,
        millihertz: 60_000,
        position: Position { x: -5, y: 0 },
        scale: 1.5,
        renderer: Renderer::Pixman,
        monitor: MonitorIdentity {
            make: "DEL".to_owned(),
            width_mm: 520,
            ..MonitorIdentity::default()
        },
        transform: "90".to_owned(),
        vrr: true,
        enabled: false,
        modes: vec![OutputMode {
            width: 800,
            height: 600,
            millihertz: 75_000,
            preferred: true,
        }],
        frames: OutputFrames {
            direct: 5,
            composited: 2,
            missed: 1,
        },
        planes: vec![
            plane(PlaneKind::Primary, PlaneOwner::Composed),
            plane(
                PlaneKind::Overlay,
                PlaneOwner::Guest {
                    name: "a".to_owned(),
                    scanout: Some(1),
                },
            ),
        ],
        composited: Some(Reason {
            code: "covered".to_owned(),
            text: "x".to_owned(),
        }),
    };
    assert_json(
        &Reply::Ok(Answer::Outputs(vec![output])),
        concat!(
            r#"{"ok":{"outputs":[{"name":"HEADLESS-1","width":1920,"height":1080,"#,
            r#""millihertz":60000,"position":{"x":-5,"y":0},"scale":1.5,"renderer":"pixman","#,
            r#""monitor":{"make":"DEL","model":"","serial":"","width_mm":520,"height_mm":0},"#,
            r#""transform":"90","vrr":true,"enabled":false,"modes":[{"width":800,"height":600,"#,
            r#""millihertz":75000,"preferred":true}],"#,
            r#""frames":{"direct":5,"composited":2,"missed":1},"#,
            r#""planes":[{"kind":"primary","framebuffer":7,"format":"XR24","width":64,"#,
            r#""height":32,"x":-1,"y":2,"owner":"composed"},{"kind":"overlay","framebuffer":7,"#,
            r#""format":"XR24","width":64,"height":32,"x":-1,"y":2,"#,
            r#""owner":{"guest":{"name":"a","scanout":1}}}],"#,
            r#""composited":{"code":"covered","text":"x"}}]}}"#
        ),
    );
    assert_json(&Renderer::Gles, r#""gles""#);
}

fn plane(kind: PlaneKind, owner: PlaneOwner) -> Plane {
    Plane {
        kind,
        framebuffer: 7,
        format: Some("XR24".to_owned()),
        width: 64,
        height: 32,
        x: -1,
        y: 2,
        owner,
    }
}

#[test]
fn an_output_of_an_older_program_has_no_planes() {
    let text = concat!(
        r#"{"name":"HEADLESS-1","width":1920,"height":1080,"millihertz":60000,"#,
        r#""position":{"x":0,"y":0},"scale":1.0,"renderer":"pixman"}"#
    );
    let output: Output = serde_json::from_str(text).unwrap();
    assert_eq!(output.planes, []);
    assert_eq!(output.transform, "normal");
    assert!(output.enabled);
    assert_eq!(output.modes, []);
    assert_eq!(output.frames, OutputFrames::default());
}

fn scanout() -> ScanoutStats {
    ScanoutStats {
        scanout: 1,
        width: 1280,
        height: 800,
        millihertz: 60_000,
        frames_flushed: 10,
        frames_presented: 8,
        frames_missed: 2,
        frames_zero_copy: 0,
        bytes_copied: 4096,
        path: PresentPath::Copy,
        reason: Some(Reason {
            code: "no_udmabuf".to_owned(),
            text: "/dev/udmabuf is missing".to_owned(),
        }),
        flush_to_present_p50_us: Some(9000),
        flush_to_present_p99_us: Some(17000),
        cursor: Some(CursorState {
            x: -3,
            visible: true,
            width: 64,
            height: 64,
            ..Default::default()
        }),
    }
}

const SCANOUT: &str = concat!(
    r#"{"scanout":1,"width":1280,"height":800,"millihertz":60000,"frames_flushed":10,"#,
    r#""frames_presented":8,"frames_missed":2,"frames_zero_copy":0,"bytes_copied":4096,"#,
    r#""path":"copy","reason":{"code":"no_udmabuf","text":"/dev/udmabuf is missing"},"#,
    r#""flush_to_present_p50_us":9000,"flush_to_present_p99_us":17000,"#,
    r#""cursor":{"x":-3,"y":0,"visible":true,"width":64,"height":64,"hot_x":0,"hot_y":0}}"#
);

#[test]
fn stats() {
    let device = DeviceStats {
        dialect: Some("uml".to_owned()),
        scanouts: vec![scanout()],
        hands: vec![HandStats {
            device: "keyboard".to_owned(),
            connected: true,
            frames: 12,
            frames_dropped: 1,
            latency_p50_us: Some(150),
            latency_p99_us: None,
            lights: vec!["caps".to_owned()],
        }],
        lacking: vec![Reason {
            code: "no_viewporter".to_owned(),
            text: "wp_viewporter is missing".to_owned(),
        }],
        renderer: None,
    };
    assert_json(
        &Reply::Ok(Answer::Stats(vec![GuestStats {
            guest: "debian".to_owned(),
            device,
        }])),
        &format!(
            concat!(
                r#"{{"ok":{{"stats":[{{"guest":"debian","device":{{"dialect":"uml","#,
                r#""scanouts":[{scanout}],"hands":[{{"device":"keyboard","connected":true,"#,
                r#""frames":12,"frames_dropped":1,"latency_p50_us":150,"latency_p99_us":null,"#,
                r#""lights":["caps"]}}],"#,
                r#""lacking":[{{"code":"no_viewporter","text":"wp_viewporter is missing"}}],"#,
                r#""renderer":null}}}}]}}}}"#
            ),
            scanout = SCANOUT
        ),
    );
    for (path, name) in [
        (PresentPath::DmabufPlane, r#""dmabuf_plane""#),
        (PresentPath::DmabufSampled, r#""dmabuf_sampled""#),
        (PresentPath::SharedMemory, r#""shared_memory""#),
        (PresentPath::Copy, r#""copy""#),
        (PresentPath::Nothing, r#""nothing""#),
    ] {
        assert_json(&path, name);
    }
}

#[test]
fn requests_to_a_running_guest() {
    let guest = || "debian".to_owned();
    let input = |action| Request::Input {
        guest: guest(),
        action,
    };
    let touch = TouchPoint {
        finger: 1,
        scanout: 0,
        x: 10,
        y: -2,
        down: true,
    };
    for (request, json) in [
        (
            input(InputAction::Chords(vec![vec![29, 56, 60], vec![30]])),
            r#"{"input":{"guest":"debian","action":{"chords":[[29,56,60],[30]]}}}"#,
        ),
        (
            input(InputAction::Key {
                code: 30,
                pressed: true,
            }),
            r#"{"input":{"guest":"debian","action":{"key":{"code":30,"pressed":true}}}}"#,
        ),
        (
            input(InputAction::PointerTo {
                scanout: 0,
                x: 1,
                y: 2,
            }),
            r#"{"input":{"guest":"debian","action":{"pointer_to":{"scanout":0,"x":1,"y":2}}}}"#,
        ),
        (
            input(InputAction::PointerBy { dx: 1, dy: -2 }),
            r#"{"input":{"guest":"debian","action":{"pointer_by":{"dx":1,"dy":-2}}}}"#,
        ),
        (
            input(InputAction::Button {
                code: 272,
                action: Press::Click,
            }),
            r#"{"input":{"guest":"debian","action":{"button":{"code":272,"action":"click"}}}}"#,
        ),
        (
            input(InputAction::Scroll {
                horizontal: 0,
                vertical: 120,
            }),
            r#"{"input":{"guest":"debian","action":{"scroll":{"horizontal":0,"vertical":120}}}}"#,
        ),
        (
            input(InputAction::Touch(vec![touch])),
            concat!(
                r#"{"input":{"guest":"debian","action":{"touch":[{"finger":1,"scanout":0,"#,
                r#""x":10,"y":-2,"down":true}]}}}"#
            ),
        ),
        (
            Request::Scanout {
                guest: guest(),
                scanout: 1,
                size: None,
            },
            r#"{"scanout":{"guest":"debian","scanout":1,"size":null}}"#,
        ),
        (
            Request::Machine {
                guest: guest(),
                action: MachineAction::Power,
            },
            r#"{"machine":{"guest":"debian","action":"power"}}"#,
        ),
        (
            Request::Attach {
                guest: guest(),
                display: Some("/run/user/1000/wayland-0".into()),
            },
            r#"{"attach":{"guest":"debian","display":"/run/user/1000/wayland-0"}}"#,
        ),
        (
            Request::Detach { guest: guest() },
            r#"{"detach":{"guest":"debian"}}"#,
        ),
    ] {
        assert_json(&request, json);
    }
}

#[test]
fn names_and_fields_of_a_newer_version_are_tolerated() {
    let guest = r#"{"name":"a","state":"frozen","device_pid":1,"vmm_pid":2,"dialect":null,
        "last_output":[],"mood":"good"}"#;
    assert_eq!(
        serde_json::from_str::<Guest>(guest).unwrap().state,
        GuestState::Unknown
    );
    assert_eq!(
        serde_json::from_str::<PresentPath>(r#""beam""#).unwrap(),
        PresentPath::Unknown
    );
    assert_eq!(
        serde_json::from_str::<Renderer>(r#""vulkan""#).unwrap(),
        Renderer::Unknown
    );
    assert_eq!(
        serde_json::from_str::<RendererKind>(r#""gfxstream""#).unwrap(),
        RendererKind::Unknown
    );
    assert_eq!(
        serde_json::from_str::<ErrorCode>(r#""no_mood""#).unwrap(),
        ErrorCode::Unknown
    );
}

#[test]
fn the_status_channel() {
    assert_json(&DeviceEvent::Listening, r#""listening""#);
    assert_json(
        &DeviceEvent::Connected {
            dialect: "uml".to_owned(),
        },
        r#"{"connected":{"dialect":"uml"}}"#,
    );
    assert_json(&DeviceEvent::Disconnected, r#""disconnected""#);
    assert_json(
        &DeviceEvent::Stats(DeviceStats {
            scanouts: vec![scanout()],
            ..DeviceStats::default()
        }),
        &format!(
            concat!(
                r#"{{"stats":{{"dialect":null,"scanouts":[{scanout}],"hands":[],"lacking":[],"#,
                r#""renderer":null}}}}"#
            ),
            scanout = SCANOUT
        ),
    );
    assert_json(&DeviceEvent::CloseRequested, r#""close_requested""#);
    assert_json(&DeviceEvent::Attached, r#""attached""#);
    assert_json(&DeviceEvent::Detached, r#""detached""#);
    assert_json(
        &DeviceEvent::Answer {
            to: Asked::Attach,
            error: Some("no".to_owned()),
        },
        r#"{"answer":{"to":"attach","error":"no"}}"#,
    );
    assert_json(
        &DeviceRequest::Attach {
            display: Some("wayland-1".into()),
        },
        r#"{"attach":{"display":"wayland-1"}}"#,
    );
    assert_json(&DeviceRequest::Detach, r#""detach""#);
    assert_json(
        &DeviceRequest::Scanout {
            scanout: 1,
            size: Some((640, 480)),
        },
        r#"{"scanout":{"scanout":1,"size":[640,480]}}"#,
    );
    assert_json(&DeviceRequest::Stats, r#""stats""#);
    assert_json(
        &DeviceRequest::Machine {
            state: Some(MachineState::DiskError),
        },
        r#"{"machine":{"state":"disk_error"}}"#,
    );
    assert_json(&DeviceRequest::Quit, r#""quit""#);
}

#[test]
fn lines_arrive_in_any_pieces() {
    let mut sent = to_line(&Request::Guests).unwrap();
    sent.push_str("\n  \n");
    sent.push_str(
        &to_line(&Request::Restart {
            guest: "a\nb".to_owned(),
        })
        .unwrap(),
    );
    let mut buffer = LineBuffer::default();
    let mut received = Vec::new();
    for byte in sent.bytes() {
        buffer.push(&[byte]);
        received.extend(buffer.next_message::<Request>().unwrap());
    }
    assert_eq!(
        received,
        [
            Request::Guests,
            Request::Restart {
                guest: "a\nb".to_owned()
            }
        ]
    );
}

#[test]
fn a_line_that_is_no_message_is_skipped() {
    let mut buffer = LineBuffer::default();
    buffer.push(b"{\"gests\"}\n\xff\n\"quit\"\n");
    assert!(matches!(
        buffer.next_message::<Request>(),
        Err(LineError::Malformed(_))
    ));
    assert!(matches!(
        buffer.next_message::<Request>(),
        Err(LineError::Malformed(_))
    ));
    assert_eq!(
        buffer.next_message::<Request>().unwrap(),
        Some(Request::Quit)
    );
}

#[test]
fn an_endless_line_is_an_error_as_soon_as_it_is_too_long() {
    let mut buffer = LineBuffer::default();
    buffer.push(&vec![b' '; MAX_LINE]);
    assert!(buffer.next_message::<Request>().unwrap().is_none());
    buffer.push(b" ");
    assert!(matches!(
        buffer.next_message::<Request>(),
        Err(LineError::TooLong)
    ));
    buffer.push(b"\n");
    assert!(matches!(
        buffer.next_message::<Request>(),
        Err(LineError::TooLong)
    ));
}

#[test]
fn a_path_without_utf8_is_refused_before_it_is_sent() {
    use std::os::unix::ffi::OsStringExt as _;
    let path = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
    let target = ScreenshotTarget::Output {
        name: "HEADLESS-1".to_owned(),
    };
    let request = Request::Screenshot { target, path };
    assert!(matches!(to_line(&request), Err(LineError::Unsendable(_))));
}
