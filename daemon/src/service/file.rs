//! The file: it is read, and what has changed is done.

use openproxy::config::{Diagnostic, Loaded, Severity};
use openproxy::reload::{Decision, Read};
use openproxy_core::io::Command;

use super::Service;
use crate::file;

impl Service {
    /// Reads it now, whatever was read before.
    pub(super) fn reload(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.outlets.manager.reloading();
        self.is_reloading = true;
        // A read that began before may have seen the file as it was.
        self.reading = None;
        self.watcher.handle_hangup(self.now());
    }

    /// Begins to read it, on another thread.
    pub(super) fn begin_read(&mut self) {
        self.log.tell_dropped();
        let path = self.path.clone();
        // A file on a dead network filesystem blocks for minutes.
        self.reading = Some(tokio::task::spawn_blocking(move || file::read(&path)));
    }

    /// Does what a read asks for.
    pub(super) fn handle_read(&mut self, read: Read) {
        let shown = self.path.display();
        let decision = self.watcher.handle_read(self.now(), read);
        let is_decided = decision.is_some();
        match decision {
            None => {}
            Some(Decision::Unchanged) => tracing::info!("{shown} is unchanged"),
            Some(Decision::Unreadable(reason)) => {
                tracing::error!("{shown} can't be read: {reason}; what runs goes on");
                self.note_problem(Some(reason));
            }
            Some(Decision::NeedsHangup) => {
                let reason = "it takes every virtual router or every pool away";
                tracing::warn!("{shown}: {reason}: not used without SIGHUP");
                self.note_problem(Some(format!("{reason}, which needs SIGHUP")));
            }
            Some(Decision::Broken(found)) => {
                tell(&found);
                tracing::error!("{shown} has changed and can't be used; what runs goes on");
                let first = found.iter().find(|d| d.severity == Severity::Error);
                self.note_problem(first.map(ToString::to_string));
            }
            Some(Decision::Apply(loaded)) => {
                tell(&loaded.notes);
                tracing::info!("{shown} has changed");
                self.apply(*loaded);
                self.outlets.process().note_loaded();
            }
        }
        if !self.watcher.has_rejected() {
            self.note_problem(None);
        }
        if is_decided && std::mem::take(&mut self.is_reloading) {
            self.outlets.manager.reloaded();
        }
    }

    fn note_problem(&self, problem: Option<String>) {
        self.outlets.process().note_problem(problem);
    }

    fn apply(&mut self, mut loaded: Loaded) {
        if !self.hold.may_route() && !loaded.routers.is_empty() {
            tracing::error!(
                "virtual routers run after a restart only: there was none when this process began"
            );
            loaded.routers.clear();
            loaded.discovery.routers.clear();
        }
        for key in self.fixed.changed_keys(&loaded) {
            tracing::warn!("general.{key} has changed: that is for the next start");
        }
        // Before discovery, whose weights are for routers that are there.
        self.send(Command::Reload(std::mem::take(&mut loaded.routers)));
        self.outlets.apply(&loaded);
    }
}

/// Logs what is said about a file.
pub(crate) fn tell(found: &[Diagnostic]) {
    for diagnostic in found {
        match diagnostic.severity {
            Severity::Error => tracing::error!("{diagnostic:#}"),
            Severity::Warning => tracing::warn!("{diagnostic:#}"),
            Severity::Info => tracing::info!("{diagnostic:#}"),
        }
    }
}
