//! Whom a daemon tells, as its file wants it: who asks, scripts, the service manager.

use openproxy::api::Sources;
use openproxy::config::Loaded;
use openproxy::process::Process;
use openproxy_core::vrrp::CommandLine;
use tokio::sync::watch;

use crate::notify::Notifier;
use crate::status::StatusServer;
use crate::systemd::ServiceManager;
use crate::topology_script;

/// Discovery, and where its topologies go.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(super) sources: Sources,
    pub(super) manager: ServiceManager,
    status: StatusServer,
    script: watch::Sender<Option<CommandLine>>,
    pub(super) notifier: Notifier,
}

impl Outlets {
    /// Opens those of a file; needs a runtime.
    pub(crate) fn open(
        sources: Sources,
        manager: ServiceManager,
        notifier: Notifier,
        loaded: &Loaded,
    ) -> Self {
        let mut status = StatusServer::new(sources.clone());
        status.apply(&loaded.status);
        let (script, scripts) = watch::channel(loaded.topology_script.clone());
        tokio::spawn(topology_script::run(sources.topologies.clone(), scripts));
        // Last: it says that all of this is there.
        manager.follow(&sources);
        Self { sources, manager, status, script, notifier }
    }

    /// Where it is noted how the process is.
    pub(super) fn process(&self) -> &Process {
        &self.sources.process
    }

    /// Goes on as another file wants it.
    pub(super) fn apply(&mut self, loaded: &Loaded) {
        self.sources.topologies.reconfigure(loaded.discovery.clone());
        self.status.apply(&loaded.status);
        self.script.send_replace(loaded.topology_script.clone());
        self.notifier.apply(loaded);
        self.manager.note_change();
    }
}
