//! Placement and focus.

mod headless;
mod hotplug;
mod kiosk;
mod random;

use super::*;

fn out(number: u64) -> OutputId {
    OutputId::new(number)
}

/// A monitor of scale 1.
fn screen(name: &str, width: i32, height: i32) -> Screen {
    Screen {
        name: name.to_owned(),
        model: String::new(),
        pixels: (width, height),
        logical: (width, height),
        scale: 1.0,
    }
}

/// A desktop with monitors of these sizes, called `M0`, `M1` and so on.
fn desktop(policy: Policy, sizes: &[(i32, i32)]) -> Desktop {
    let mut desktop = Desktop::new(policy);
    for (number, (width, height)) in (0..).zip(sizes) {
        desktop.add_output(out(number), screen(&format!("M{number}"), *width, *height));
    }
    desktop.verify_invariants();
    desktop
}

fn scanout(name: &str, scanout: u8) -> Owner {
    Owner::Guest {
        name: name.to_owned(),
        scanout: Some(scanout),
    }
}

fn untold(name: &str) -> Owner {
    Owner::Guest {
        name: name.to_owned(),
        scanout: None,
    }
}

/// The output that a window is on.
fn output(desktop: &Desktop, id: WindowId) -> Option<OutputId> {
    desktop.verify_invariants();
    desktop.get(id).unwrap().place().map(|place| place.output)
}

/// Where a window is: left, top and scale.
fn at(desktop: &Desktop, id: WindowId) -> (i32, i32, (f64, f64)) {
    desktop.verify_invariants();
    let place = desktop.get(id).unwrap().place().unwrap();
    (place.x, place.y, place.scale)
}

fn order(desktop: &Desktop) -> Vec<WindowId> {
    desktop.windows().iter().map(Window::id).collect()
}
