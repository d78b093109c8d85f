use proptest::prelude::*;

use super::*;

const SMALL: Size = Size {
    width: 640,
    height: 480,
};
const LARGE: Size = Size {
    width: 1920,
    height: 1080,
};

fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

fn floating(size: Size) -> Configure {
    Configure {
        size,
        ..Configure::default()
    }
}

fn maximized(size: Size) -> Configure {
    Configure {
        size,
        fixed: true,
        ..Configure::default()
    }
}

fn dragging(size: Size) -> Configure {
    Configure {
        size,
        resizing: true,
        ..Configure::default()
    }
}

fn geometry(source: Size, fit: Fit) -> Geometry {
    Geometry::new(source, Rules { fit, scales: true })
}

fn asked(size: Size) -> Option<Ask> {
    Some(Ask { size, dpi: 96 })
}

#[test]
fn window_takes_the_size_of_the_picture_where_the_host_lets_it_choose() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    assert_eq!(geometry.configure(floating(Size::default())), None);
    assert_eq!(geometry.window(), SMALL);
    geometry.set_source(LARGE);
    assert_eq!(geometry.window(), LARGE);
    assert!(!geometry.is_scaled());
}

#[test]
fn guest_is_asked_once_when_the_host_dictates_a_size() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    assert_eq!(geometry.configure(maximized(LARGE)), asked(LARGE));
    assert_eq!(geometry.window(), LARGE);
    assert_eq!(geometry.configure(maximized(LARGE)), None);
    geometry.set_source(LARGE);
    assert_eq!(geometry.configure(maximized(LARGE)), None);
    assert!(!geometry.is_scaled());
}

#[test]
fn guest_is_not_asked_while_a_border_is_dragged() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    assert_eq!(geometry.configure(dragging(size(700, 480))), None);
    assert_eq!(geometry.configure(dragging(size(800, 480))), None);
    assert_eq!(geometry.window(), size(800, 480));
    let dropped = size(800, 480);
    assert_eq!(geometry.configure(floating(dropped)), asked(dropped));
}

#[test]
fn picture_that_changes_in_the_middle_of_a_drag_does_not_move_the_border() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(dragging(size(800, 600)));
    geometry.set_source(size(1024, 768));
    assert_eq!(geometry.window(), size(800, 600));
}

#[test]
fn guest_that_was_asked_is_told_when_the_user_changes_back() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    assert_eq!(geometry.configure(floating(LARGE)), asked(LARGE));
    assert_eq!(geometry.configure(floating(SMALL)), asked(SMALL));
}

#[test]
fn repeated_size_does_not_switch_a_guest_back() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(floating(SMALL));
    geometry.set_source(LARGE);
    assert_eq!(geometry.configure(floating(SMALL)), None);
    assert_eq!(geometry.window(), LARGE);
}

#[test]
fn guest_that_follows_late_does_not_move_a_window_that_went_on() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(floating(size(800, 600)));
    geometry.configure(floating(LARGE));
    geometry.set_source(size(800, 600));
    assert_eq!(geometry.window(), LARGE);
    geometry.set_source(LARGE);
    assert_eq!(geometry.window(), LARGE);
    // And what it does by itself afterwards counts.
    geometry.set_source(size(800, 600));
    assert_eq!(geometry.window(), size(800, 600));
}

#[test]
fn maximized_window_keeps_its_size_when_the_guest_chooses_another() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(maximized(LARGE));
    geometry.set_source(size(1024, 768));
    assert_eq!(geometry.window(), LARGE);
    assert!(geometry.is_scaled());
    let again = geometry.configure(maximized(LARGE));
    assert_eq!(again, None, "it was asked before");
}

#[test]
fn window_that_is_not_maximized_any_more_is_as_large_as_before() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(floating(size(800, 600)));
    geometry.set_source(size(800, 600));
    geometry.configure(maximized(LARGE));
    geometry.set_source(LARGE);
    let back = geometry.configure(floating(Size::default()));
    assert_eq!(back, asked(size(800, 600)));
    assert_eq!(geometry.window(), size(800, 600));
}

#[test]
fn title_bar_takes_its_part_of_the_window() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    let with_title = |size, title, fixed| Configure {
        size,
        title,
        fixed,
        resizing: false,
    };
    assert_eq!(
        geometry.configure(with_title(Size::default(), 36, false)),
        None
    );
    assert_eq!(geometry.window(), SMALL);
    let ask = geometry.configure(with_title(LARGE, 36, true));
    assert_eq!(ask, asked(size(1920, 1044)));
    // Full screen has none.
    let ask = geometry.configure(with_title(LARGE, 0, true));
    assert_eq!(ask, asked(LARGE));
    geometry.configure(with_title(size(5, 5), 36, false));
    assert_eq!(geometry.window(), size(5, 1));
}

#[test]
fn host_that_can_not_scale_shows_the_guests_size_and_still_asks() {
    let rules = Rules {
        fit: Fit::Letterbox,
        scales: false,
    };
    let mut geometry = Geometry::new(SMALL, rules);
    assert_eq!(geometry.configure(maximized(LARGE)), asked(LARGE));
    assert_eq!(geometry.window(), SMALL);
    assert_eq!(geometry.set_scale(Scale::from_parts(240)), None);
    assert!(!geometry.is_scaled());
}

#[test]
fn another_scale_keeps_the_window_and_asks_for_more_pixels() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(floating(Size::default()));
    let twice = size(1280, 960);
    let ask = geometry.set_scale(Scale::from_parts(240));
    let wanted = Ask {
        size: twice,
        dpi: 192,
    };
    assert_eq!(ask, Some(wanted));
    assert_eq!(geometry.set_scale(Scale::from_parts(240)), None);
    assert_eq!(geometry.window(), SMALL);
    // Its own size is that of the surface meanwhile: the host makes it larger.
    assert_eq!(geometry.shown(), SMALL);

    geometry.set_source(twice);
    assert_eq!(geometry.window(), SMALL);
    assert_eq!(geometry.shown(), SMALL);
    assert!(geometry.is_scaled(), "two guest pixels to a logical one");

    assert_eq!(geometry.set_scale(Scale::ONE), asked(SMALL));
}

#[test]
fn guest_is_told_of_a_scale_that_leaves_it_as_many_pixels() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(maximized(LARGE));
    geometry.set_source(LARGE);
    geometry.set_scale(Scale::from_parts(240));
    let half = geometry.configure(maximized(size(960, 540)));
    let wanted = Ask {
        size: LARGE,
        dpi: 192,
    };
    assert_eq!(half, Some(wanted), "the last ask was twice as large");
}

#[test]
fn letterbox_keeps_the_picture_s_shape() {
    let mut geometry = geometry(SMALL, Fit::Letterbox);
    geometry.configure(maximized(LARGE));
    let placed = geometry.picture();
    assert_eq!(placed.size, size(1440, 1080));
    assert_eq!((placed.x, placed.y), (240, 0));
    geometry.configure(maximized(size(640, 800)));
    let placed = geometry.picture();
    assert_eq!(placed.size, SMALL);
    assert_eq!((placed.x, placed.y), (0, 160));
}

#[test]
fn integer_makes_whole_pixels_and_small_windows_a_letterbox() {
    let mut geometry = geometry(SMALL, Fit::Integer);
    geometry.configure(maximized(size(1920, 1000)));
    assert_eq!(geometry.picture().size, size(1280, 960));
    geometry.configure(maximized(size(320, 480)));
    assert_eq!(geometry.picture().size, size(320, 240));
}

#[test]
fn picture_that_is_left_as_it_is_is_cut_around_its_middle() {
    let mut geometry = geometry(SMALL, Fit::None);
    geometry.configure(maximized(size(600, 1000)));
    let placed = geometry.picture();
    assert_eq!((placed.x, placed.y), (0, 260));
    assert_eq!(placed.size, size(600, 480));
    assert_eq!((placed.visible.x, placed.visible.width), (20, 600));
    assert!(!geometry.is_scaled());
    assert_eq!(geometry.to_picture(0.0, 5.0), (20.0, 5.0));
    assert_eq!(geometry.to_surface((20, 5)), (0, 5));
}

#[test]
fn width_that_was_given_up_for_whole_rows_is_not_made_up_by_scaling() {
    for fit in [Fit::Letterbox, Fit::Integer, Fit::None] {
        let mut geometry = geometry(SMALL, fit);
        geometry.configure(maximized(size(1366, 768)));
        geometry.set_source(size(1344, 768));
        let placed = geometry.picture();
        assert_eq!(placed.size, size(1344, 768));
        assert_eq!(placed.x, 11);
        assert!(!geometry.is_scaled());
    }
}

#[test]
fn distances_are_scaled_like_the_picture() {
    let mut geometry = geometry(SMALL, Fit::Stretch);
    geometry.configure(maximized(size(1280, 480)));
    assert_eq!(geometry.scale_x(-5), -10);
    assert_eq!(geometry.scale_y(7), 7);
    assert_eq!(geometry.scale_x(i32::MAX), i32::MAX);
    assert_eq!(geometry.to_picture(640.0, 240.0), (320.0, 240.0));
}

#[derive(Debug, Clone)]
enum Event {
    Source(Size),
    Configure(Configure),
    Scale(u32),
}

fn any_size() -> impl Strategy<Value = Size> {
    let side = prop_oneof![
        Just(0),
        Just(1),
        31..70_u32,
        600..2000_u32,
        Just(8192),
        any::<u32>()
    ];
    (side.clone(), side).prop_map(|(width, height)| Size { width, height })
}

fn any_event() -> impl Strategy<Value = Event> {
    let configure =
        (any_size(), any::<(bool, bool, bool)>()).prop_map(|(size, (fixed, resizing, titled))| {
            Event::Configure(Configure {
                size,
                title: if titled { 36 } else { 0 },
                fixed,
                resizing,
            })
        });
    prop_oneof![
        any_size().prop_map(|size| Event::Source(Size {
            width: size.width.clamp(16, 16_384),
            height: size.height.clamp(16, 16_384),
        })),
        configure,
        any::<u32>().prop_map(Event::Scale),
        (60..=480_u32).prop_map(Event::Scale),
    ]
}

fn any_fit() -> impl Strategy<Value = Fit> {
    prop_oneof![
        Just(Fit::Stretch),
        Just(Fit::Letterbox),
        Just(Fit::Integer),
        Just(Fit::None)
    ]
}

proptest! {
    #[test]
    fn picture_stays_in_its_window_and_the_guest_hears_only_news(
        fit in any_fit(),
        scales: bool,
        events in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut geometry = Geometry::new(SMALL, Rules { fit, scales });
        let mut told = (SMALL, 96);
        for event in events {
            let resizing = match &event {
                Event::Configure(configure) => configure.resizing,
                _ => geometry.last.resizing,
            };
            let ask = match event {
                Event::Source(source) => {
                    geometry.set_source(source);
                    told.0 = source;
                    None
                }
                Event::Configure(configure) => geometry.configure(configure),
                Event::Scale(parts) => geometry.set_scale(Scale::from_parts(parts)),
            };
            if let Some(Ask { size, dpi }) = ask {
                prop_assert!(!resizing);
                prop_assert_eq!(size, geometry.pixels_of(geometry.window));
                told = (size, dpi);
            }
            let (window, placed, source) = (geometry.window(), geometry.picture(), geometry.source);
            let visible = placed.visible;
            prop_assert!(placed.size.width >= 1 && placed.size.height >= 1);
            prop_assert!(u64::from(placed.x) + u64::from(placed.size.width) <= u64::from(window.width));
            prop_assert!(u64::from(placed.y) + u64::from(placed.size.height) <= u64::from(window.height));
            prop_assert!(Rect::from_size(source.width, source.height).contains(&visible));
            prop_assert!(visible.width >= 1 && visible.height >= 1);
            prop_assert!(fit == Fit::None || visible == Rect::from_size(source.width, source.height));
        }
        prop_assert_eq!(told.1, geometry.dpi);
    }

    #[test]
    fn exact_picture_is_shown_pixel_for_pixel(parts in 60..480_u32, window in any_size(), fit in any_fit()) {
        let window = Size { width: window.width.clamp(32, 8192), height: window.height.clamp(32, 8192) };
        let mut geometry = geometry(SMALL, fit);
        geometry.set_scale(Scale::from_parts(parts));
        let ask = geometry.configure(maximized(window));
        if let Some(ask) = ask {
            geometry.set_source(ask.size);
        }
        let placed = geometry.picture();
        prop_assert_eq!((placed.x, placed.y, placed.size), (0, 0, window));
        let again = geometry.configure(maximized(window));
        prop_assert_eq!(again, None);
    }

    #[test]
    fn places_come_back_from_the_surface(fit in any_fit(), window in any_size(), x in 0..640_i32, y in 0..480_i32) {
        let window = Size { width: window.width.clamp(64, 8192), height: window.height.clamp(64, 8192) };
        let mut geometry = geometry(SMALL, fit);
        geometry.configure(maximized(window));
        let (sx, sy) = geometry.to_surface((x, y));
        let (bx, by) = geometry.to_picture(f64::from(sx), f64::from(sy));
        let placed = geometry.picture();
        let step_x = f64::from(placed.visible.width) / f64::from(placed.size.width);
        let step_y = f64::from(placed.visible.height) / f64::from(placed.size.height);
        prop_assert!((bx - f64::from(x)).abs() <= step_x.max(1.0), "{x} {bx}");
        prop_assert!((by - f64::from(y)).abs() <= step_y.max(1.0), "{y} {by}");
    }
}
