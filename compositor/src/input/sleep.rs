//! Screens that go dark when nobody is there, and windows that want to know.

use std::{collections::HashSet, time::Duration};

use calloop::LoopHandle;
use smithay::{
    reexports::{
        wayland_protocols::ext::idle_notify::v1::server::ext_idle_notification_v1::ExtIdleNotificationV1,
        wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::IsAlive as _,
};

use super::{
    Woke,
    idle::{Heeds, Idle},
};
use crate::{
    alarm::Alarm,
    backend::now,
    state::{HasState, State},
};

/// Who wants to know that nobody is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum IdleWatcher {
    /// We, for the screens to go dark.
    Screens,
    /// A client.
    Client(ExtIdleNotificationV1),
}

/// Whether the screens are dark, and what is known about when they will be.
#[derive(Debug)]
pub(super) struct Sleep {
    idle: Idle<IdleWatcher>,
    dark: bool,
    /// Surfaces whose windows keep the screens lit while they are seen.
    inhibitors: HashSet<WlSurface>,
    alarm: Alarm,
}

impl Sleep {
    pub(super) fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> Self {
        Self {
            idle: Idle::default(),
            dark: false,
            inhibitors: HashSet::new(),
            alarm: Alarm::new(handle, State::idle_due),
        }
    }

    fn set_alarm(&mut self) {
        self.alarm.set(self.idle.deadline());
    }
}

impl State {
    /// Has the screens go dark when nothing was touched for a time, or never.
    pub fn set_blank_after(&mut self, after: Option<Duration>) {
        let sleep = &mut self.input.sleep;
        sleep.idle.unwatch(&IdleWatcher::Screens);
        if let Some(after) = after {
            let heeds = Heeds::HandsAndWindows;
            sleep.idle.watch(IdleWatcher::Screens, after, heeds, now());
        }
        sleep.set_alarm();
        self.light_up();
    }

    /// Whether the screens are dark because nobody is there.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.input.sleep.dark
    }

    /// A client wants to know when nothing was touched for a time.
    pub(crate) fn watch_idle(&mut self, who: ExtIdleNotificationV1, after: Duration, heeds: Heeds) {
        let sleep = &mut self.input.sleep;
        sleep
            .idle
            .watch(IdleWatcher::Client(who), after, heeds, now());
        sleep.set_alarm();
    }

    /// A client does not want to know any more.
    pub(crate) fn unwatch_idle(&mut self, who: &ExtIdleNotificationV1) {
        let sleep = &mut self.input.sleep;
        sleep.idle.unwatch(&IdleWatcher::Client(who.clone()));
        sleep.set_alarm();
    }

    /// A surface wants the screens to stay lit while it is seen.
    pub(crate) fn inhibit_idle(&mut self, surface: WlSurface) {
        self.input.sleep.inhibitors.insert(surface);
    }

    /// A surface does not care any more.
    pub(crate) fn uninhibit_idle(&mut self, surface: &WlSurface) {
        let sleep = &mut self.input.sleep;
        sleep.inhibitors.remove(surface);
        sleep.idle.windows_let_go(now());
        sleep.set_alarm();
    }

    /// Somebody touched something.
    pub(super) fn touched(&mut self) -> Woke {
        let over = self.input.sleep.idle.touched(now());
        for watcher in over {
            if let IdleWatcher::Client(notification) = watcher {
                notification.resumed();
            }
        }
        self.input.sleep.set_alarm();
        if self.input.sleep.dark {
            self.light_up();
            Woke::Screens
        } else {
            Woke::Nothing
        }
    }

    fn light_up(&mut self) {
        if std::mem::take(&mut self.input.sleep.dark) {
            self.blank(false);
        }
    }

    /// Somebody's time without hands may be up.
    fn idle_due(&mut self) {
        self.input.sleep.alarm.rang();
        let now = now();
        let held = self.input.sleep.idle.asks_for_windows(now) && self.is_kept_awake();
        for watcher in self.input.sleep.idle.due(now, held) {
            match watcher {
                IdleWatcher::Client(notification) => notification.idled(),
                IdleWatcher::Screens => {
                    self.input.sleep.dark = true;
                    self.blank(true);
                }
            }
        }
        self.input.sleep.set_alarm();
        self.settle();
    }

    /// Whether a surface that wants the screens to stay lit is seen.
    fn is_kept_awake(&mut self) -> bool {
        self.input.sleep.inhibitors.retain(WlSurface::alive);
        let mut inhibitors = self.input.sleep.inhibitors.iter();
        inhibitors.any(|surface| self.is_seen(surface))
    }
}
