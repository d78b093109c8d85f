//! Pens.

use wayland_protocols::wp::tablet::zv2::server::zwp_tablet_tool_v2::{
    ButtonState as PenButton, Type,
};

use super::{super::requests::seat::Pen, *};

const BTN_STYLUS: u32 = 0x14b;

fn seated() -> (Scene, Pen) {
    let mut scene = Scene::seated();
    let pen = scene.host.plug_pen(Type::Pen);
    scene.forget_past();
    (scene, pen)
}

impl Scene {
    fn near(&self, pen: &Pen, surface: usize, x: f64, y: f64) {
        let surface = self.host.wl_surface(surface);
        pen.tool.proximity_in(9, &pen.tablet, surface);
        pen.tool.motion(x, y);
        pen.tool.frame(0);
    }
}

fn enter(tool: PenTool, x: f64, y: f64) -> HostInput {
    HostInput::PenEnter { tool, at: at(x, y) }
}

#[test]
fn a_pen_draws() {
    let (mut scene, pen) = seated();
    scene.near(&pen, 0, 1.0, 2.0);
    let tool = &pen.tool;
    tool.motion(3.0, 4.0);
    tool.distance(70_000);
    tool.tilt(-20.5, 91.0);
    tool.down(1);
    tool.pressure(1000);
    tool.frame(0);
    tool.button(2, BTN_STYLUS, PenButton::Pressed);
    tool.wheel(15.0, 1);
    tool.slider(3);
    tool.rotation(30.0);
    tool.frame(0);
    tool.button(3, BTN_STYLUS, PenButton::Released);
    tool.up();
    tool.frame(0);
    tool.proximity_out();
    tool.frame(0);
    let button = |pressed| HostInput::PenButton {
        code: BTN_STYLUS.try_into().unwrap(),
        pressed,
    };
    assert_eq!(
        scene.hands(),
        [
            enter(PenTool::Pen, 1.0, 2.0),
            HostInput::PenFrame,
            HostInput::PenMotion(at(3.0, 4.0)),
            HostInput::PenPressure(1000),
            HostInput::PenDistance(u16::MAX),
            HostInput::PenTilt { x: -20.5, y: 90.0 },
            HostInput::PenTip(true),
            HostInput::PenFrame,
            button(true),
            HostInput::PenFrame,
            button(false),
            HostInput::PenTip(false),
            HostInput::PenFrame,
            HostInput::PenLeave,
            HostInput::PenFrame,
        ]
    );
    assert_eq!(scene.log(), ["pen 9: hidden"]);
}

#[test]
fn a_pen_comes_near_only_with_its_place() {
    let (mut scene, pen) = seated();
    let tool = &pen.tool;
    tool.proximity_in(9, &pen.tablet, scene.host.wl_surface(0));
    tool.pressure(5);
    tool.down(1);
    tool.frame(0);
    assert_eq!(scene.hands(), []);
    tool.motion(1.0, 2.0);
    tool.frame(0);
    assert_eq!(
        scene.hands(),
        [
            enter(PenTool::Pen, 1.0, 2.0),
            HostInput::PenPressure(5),
            HostInput::PenTip(true),
            HostInput::PenFrame,
        ]
    );
}

#[test]
fn a_pen_that_is_taken_away_lets_go_of_everything() {
    for taken in 0..3 {
        let (mut scene, pen) = seated();
        scene.near(&pen, 0, 1.0, 2.0);
        pen.tool.down(1);
        pen.tool.button(2, BTN_STYLUS, PenButton::Pressed);
        pen.tool.frame(0);
        scene.hands();
        match taken {
            0 => pen.tool.removed(),
            1 => scene.display.disable(SCREEN),
            _ => scene.host.unplug_seat(0),
        }
        assert_eq!(
            scene.hands(),
            [
                HostInput::PenTip(false),
                HostInput::PenButton {
                    code: BTN_STYLUS.try_into().unwrap(),
                    pressed: false
                },
                HostInput::PenLeave,
                HostInput::PenFrame,
            ]
        );
    }
}

#[test]
fn a_pen_that_goes_to_another_window_leaves_the_first() {
    let (mut scene, pen) = seated();
    scene.open_other();
    scene.near(&pen, 0, 1.0, 2.0);
    scene.hands();
    pen.tool.proximity_out();
    scene.near(&pen, 1, 3.0, 4.0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::PenLeave,
            HostInput::PenFrame,
            HostInput::PenEnter {
                tool: PenTool::Pen,
                at: on(OTHER_SCREEN, 3.0, 4.0)
            },
            HostInput::PenFrame,
        ]
    );
}

#[test]
fn a_second_pen_waits_until_the_first_is_away() {
    let (mut scene, pen) = seated();
    let eraser = scene.host.plug_pen(Type::Eraser);
    scene.near(&pen, 0, 1.0, 1.0);
    scene.hands();
    scene.near(&eraser, 0, 2.0, 2.0);
    eraser.tool.motion(3.0, 3.0);
    eraser.tool.frame(0);
    assert_eq!(scene.hands(), []);
    pen.tool.proximity_out();
    pen.tool.frame(0);
    eraser.tool.motion(4.0, 4.0);
    eraser.tool.frame(0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::PenLeave,
            HostInput::PenFrame,
            enter(PenTool::Eraser, 4.0, 4.0),
            HostInput::PenFrame,
        ]
    );
}

#[test]
fn what_is_no_pen_is_left_alone() {
    let mut scene = Scene::seated();
    for kind in [Type::Mouse, Type::Lens, Type::Finger] {
        let tool = scene.host.plug_pen(kind);
        scene.near(&tool, 0, 1.0, 1.0);
        tool.tool.removed();
        assert_eq!(scene.hands(), []);
    }
    scene.log();
    scene.host.plug_pad();
    let mut log = scene.log();
    log.sort_unstable();
    assert_eq!(
        log,
        [
            "pad's group: destroy",
            "pad's ring: destroy",
            "pad's strip: destroy",
            "pad: destroy",
        ]
    );
}

#[test]
fn a_tablet_that_is_unplugged_is_given_back() {
    let (mut scene, pen) = seated();
    pen.tool.removed();
    pen.tablet.removed();
    assert_eq!(scene.log(), ["pen: destroy", "tablet: destroy"]);
    scene.host.unplug_seat(0);
    let log = scene.log();
    assert!(log.contains(&"tablet seat: destroy".to_owned()), "{log:?}");
}

#[test]
fn a_host_without_tablets_has_none() {
    let mut scene = Scene::seated_with(
        HandOffer {
            tablets: false,
            ..HandOffer::ALL
        },
        8,
    );
    assert_eq!(scene.hands(), []);
}
