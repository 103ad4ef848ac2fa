//! Collects the desired state of one host while the roles add to it.

use serde::Serialize;

use crate::desired::{
    Action, DesiredHost, Directory, FileCheck, Gate, Link, PortRule, RenderedFile, SecretName,
    Service, Source, SystemUser, TemplateSource,
};
use crate::engine::Engine;
use crate::error::RenderError;
use crate::ports::Port;
use crate::secrets;

/// Everything about a file but its text.
#[derive(Clone, Debug)]
pub(crate) struct FileSpec {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) owner: &'static str,
    pub(crate) group: &'static str,
    pub(crate) check: Option<FileCheck>,
    pub(crate) on_change: Vec<Action>,
}

impl FileSpec {
    /// A world-readable file of root's.
    pub(crate) fn public(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            owner: "root",
            group: "root",
            check: None,
            on_change: Vec::new(),
        }
    }

    /// A file that root alone reads.
    pub(crate) fn private(path: impl Into<String>) -> Self {
        Self {
            mode: 0o600,
            ..Self::public(path)
        }
    }

    /// A file that root and one group read.
    pub(crate) fn shared_with(path: impl Into<String>, group: &'static str) -> Self {
        Self {
            mode: 0o640,
            group,
            ..Self::public(path)
        }
    }

    /// A program.
    pub(crate) fn executable(path: impl Into<String>) -> Self {
        Self {
            mode: 0o755,
            ..Self::public(path)
        }
    }

    pub(crate) fn check(mut self, check: FileCheck) -> Self {
        self.check = Some(check);
        self
    }

    pub(crate) fn on_change(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.on_change.extend(actions);
        self
    }
}

/// A desired host in the making.
#[derive(Debug)]
pub(crate) struct HostBuilder<'a> {
    engine: &'a Engine,
    pub(crate) desired: DesiredHost,
}

impl<'a> HostBuilder<'a> {
    pub(crate) fn new(engine: &'a Engine, desired: DesiredHost) -> Self {
        Self { engine, desired }
    }

    pub(crate) fn package(&mut self, name: &str) {
        if !self.desired.packages.iter().any(|known| known == name) {
            self.desired.packages.push(name.to_owned());
        }
    }

    pub(crate) fn user(&mut self, name: &str) {
        self.desired.users.push(SystemUser {
            name: name.to_owned(),
        });
    }

    pub(crate) fn directory(&mut self, path: &str, mode: u32) {
        if !self
            .desired
            .directories
            .iter()
            .any(|known| known.path == path)
        {
            self.desired.directories.push(Directory {
                path: path.to_owned(),
                mode,
                owner: "root".to_owned(),
                group: "root".to_owned(),
            });
        }
    }

    /// Adds a file rendered from `template`.
    pub(crate) fn template<V: Serialize>(
        &mut self,
        template: &str,
        view: &V,
        spec: FileSpec,
    ) -> Result<(), RenderError> {
        let content = self.engine.render(template, view)?;
        refuse_exposed_secrets(template, &content, &spec)?;
        let source = self.engine.source(template);
        self.push(content, source, spec);
        Ok(())
    }

    /// Adds a file that is one secret, such as a certificate or a credential.
    pub(crate) fn secret(&mut self, secret: &SecretName, spec: FileSpec) {
        self.push(secret.marker(), TemplateSource::Generated, spec);
    }

    /// Adds a file whose text is no template.
    pub(crate) fn generated(&mut self, content: String, spec: FileSpec) {
        self.push(content, TemplateSource::Generated, spec);
    }

    fn push(&mut self, content: String, source: TemplateSource, spec: FileSpec) {
        self.desired.files.push(RenderedFile {
            path: spec.path,
            mode: spec.mode,
            owner: spec.owner.to_owned(),
            group: spec.group.to_owned(),
            content,
            source,
            check: spec.check,
            on_change: spec.on_change,
        });
    }

    pub(crate) fn link(&mut self, link: Link) {
        self.desired.links.push(link);
    }

    pub(crate) fn service(&mut self, unit: &str) {
        self.desired.services.push(Service {
            unit: unit.to_owned(),
        });
    }

    pub(crate) fn gate(&mut self, gate: Gate) {
        self.desired.gates.push(gate);
    }

    pub(crate) fn port(&mut self, port: Port, from: Source) {
        self.numbered_port(port, port.number, from);
    }

    /// A rule for `port` under another number.
    pub(crate) fn numbered_port(&mut self, port: Port, number: u16, from: Source) {
        self.desired.firewall.rules.push(PortRule {
            protocol: port.protocol,
            port: number,
            last_port: number + (port.last - port.number),
            from,
            why: port.why.to_owned(),
        });
    }
}

fn refuse_exposed_secrets(
    template: &str,
    content: &str,
    spec: &FileSpec,
) -> Result<(), RenderError> {
    if spec.mode & 0o004 == 0 {
        return Ok(());
    }
    match secrets::markers_in(content).find(|name| !secrets::is_public(name)) {
        None => Ok(()),
        Some(name) => Err(RenderError::SecretExposed {
            template: template.to_owned(),
            secret: name.to_owned(),
            path: spec.path.clone(),
            mode: spec.mode,
        }),
    }
}
