//! `lucarne msg stats`

use protocols::ipc::{GuestStats, HandStats, PresentPath, ScanoutStats};

use super::{
    super::table::Table,
    guests::drawing,
    words::{bytes, milliseconds, mode, word},
};

pub(super) fn describe(stats: &[GuestStats]) -> String {
    if stats.is_empty() {
        return "No guest's device has counted anything.\n".to_owned();
    }
    let mut screens = Table::new([
        "SCREEN", "MODE", "FLUSHED", "SHOWN", "MISSED", "COPIED", "PATH", "P50", "P99",
    ]);
    let mut hands = Table::new(["HANDS", "DRIVER", "EVENTS", "LOST", "P50", "P99"]);
    let mut has_hands = false;
    let mut notes = String::new();
    for GuestStats { guest, device } in stats {
        for scanout in &device.scanouts {
            let screen = format!("{guest}/{}", scanout.scanout);
            if let Some(reason) = &scanout.reason {
                let path = word(&scanout.path);
                notes.push_str(&format!("{screen}: {path}: {}\n", reason.text));
            }
            screens.row(screen_row(screen, scanout));
        }
        for hand in &device.hands {
            hands.row(hand_row(guest, hand));
            if !hand.lights.is_empty() {
                let lights = hand.lights.join(", ");
                notes.push_str(&format!("{guest}/{}: lights: {lights}\n", hand.device));
            }
            has_hands = true;
        }
        for line in device.renderer.iter().flat_map(drawing) {
            notes.push_str(&format!("{guest}: {line}\n"));
        }
        for lack in &device.lacking {
            notes.push_str(&format!("{guest}: {}\n", lack.text));
        }
    }
    match has_hands {
        true => format!("{screens}{hands}{notes}"),
        false => format!("{screens}{notes}"),
    }
}

fn screen_row(screen: String, scanout: &ScanoutStats) -> [String; 9] {
    let mode = match scanout.path {
        PresentPath::Nothing => "-".to_owned(),
        _ => mode(scanout.width, scanout.height, scanout.millihertz),
    };
    [
        screen,
        mode,
        scanout.frames_flushed.to_string(),
        scanout.frames_presented.to_string(),
        scanout.frames_missed.to_string(),
        bytes(scanout.bytes_copied),
        word(&scanout.path),
        milliseconds(scanout.flush_to_present_p50_us),
        milliseconds(scanout.flush_to_present_p99_us),
    ]
}

fn hand_row(guest: &str, hand: &HandStats) -> [String; 6] {
    let driver = if hand.connected { "yes" } else { "no" };
    [
        format!("{guest}/{}", hand.device),
        driver.to_owned(),
        hand.frames.to_string(),
        hand.frames_dropped.to_string(),
        milliseconds(hand.latency_p50_us),
        milliseconds(hand.latency_p99_us),
    ]
}

#[cfg(test)]
mod tests {
    use protocols::ipc::{DeviceStats, GuestRenderer, Reason};

    use super::*;

    #[test]
    fn stats_are_a_table_with_reasons_below() {
        let scanout = ScanoutStats {
            scanout: 0,
            width: 640,
            height: 480,
            millihertz: 60_000,
            frames_flushed: 120,
            frames_presented: 118,
            frames_missed: 2,
            bytes_copied: 147_456_000,
            path: PresentPath::SharedMemory,
            reason: Some(Reason {
                code: "no_udmabuf".to_owned(),
                text: "/dev/udmabuf is missing".to_owned(),
            }),
            flush_to_present_p50_us: Some(8_250),
            ..ScanoutStats::default()
        };
        let device = DeviceStats {
            scanouts: vec![scanout],
            ..DeviceStats::default()
        };
        let stats = GuestStats {
            guest: "a".to_owned(),
            device,
        };
        let text = describe(&[stats]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "a/0 640x480@60 120 118 2 140.6 MiB shared-memory 8.2 ms -"
        );
        assert_eq!(lines[2], "a/0: shared-memory: /dev/udmabuf is missing");
    }

    #[test]
    fn hands_are_a_table_of_their_own_and_what_the_host_lacks_is_named() {
        let hand = |device: &str, connected| HandStats {
            device: device.to_owned(),
            connected,
            frames: 12,
            frames_dropped: 3,
            latency_p50_us: Some(1_150),
            latency_p99_us: None,
            lights: vec!["caps".to_owned(), "num".to_owned()],
        };
        let device = DeviceStats {
            hands: vec![hand("keyboard", true), hand("pen", false)],
            lacking: vec![Reason {
                code: "no_viewporter".to_owned(),
                text: "the compositor has no wp_viewporter".to_owned(),
            }],
            renderer: Some(GuestRenderer {
                restarts: 1,
                ..GuestRenderer::default()
            }),
            ..DeviceStats::default()
        };
        let text = describe(&[GuestStats {
            guest: "a".to_owned(),
            device,
        }]);
        let lines: Vec<&str> = text.lines().collect();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(lines[2]), "a/keyboard yes 12 3 1.1 ms -");
        assert_eq!(words(lines[3]), "a/pen no 12 3 1.1 ms -");
        assert_eq!(lines[4], "a/keyboard: lights: caps, num");
        assert_eq!(lines[6], "a: its renderer was restarted once");
        assert_eq!(lines[7], "a: the compositor has no wp_viewporter");
    }
}
