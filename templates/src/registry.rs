//! All templates, compiled in. The name is the path below `files/` and below an overrides folder.

/// One template.
#[derive(Clone, Copy, Debug)]
pub struct TemplateFile {
    /// Path such as `main/nginx.conf`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        const TEMPLATES: &[TemplateFile] = &[$(TemplateFile {
            name: $name,
            text: include_str!(concat!("../files/", $name)),
        }),*];
    };
}

templates![
    "bridge/bridge.toml",
    "bridge/jitctl-bridge.service",
    "common/hardening.conf",
    "common/firewall.nft",
    "common/jitctl-firewall.service",
    "common/nftables-drop-in.conf",
    "common/sysctl.conf",
    "main/acme.service",
    "main/acme.sh",
    "main/acme.timer",
    "main/acme-deployed.sh",
    "main/config.js",
    "main/coturn-drop-in.conf",
    "main/focus.toml",
    "main/jitctl-focus.service",
    "main/jitsi.sources",
    "main/nginx.conf",
    "main/prosody.cfg.lua",
    "main/prosody/jitctl.lib.lua",
    "main/prosody/mod_jitctl_av_moderation.lua",
    "main/prosody/mod_jitctl_focus_away.lua",
    "main/prosody/mod_jitctl_identities.lua",
    "main/prosody/mod_jitctl_lobby.lua",
    "main/prosody/mod_jitctl_max_occupants.lua",
    "main/prosody/mod_jitctl_speakerstats.lua",
    "main/prosody-drop-in.conf",
    "main/prosody-secrets.cfg.lua",
    "main/turn-certificate.sh",
    "main/turnserver.conf",
];

/// All templates, by name: what an overrides folder can replace.
pub fn templates() -> &'static [TemplateFile] {
    TEMPLATES
}

/// The compiled-in text of a template.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    TEMPLATES
        .iter()
        .find(|template| template.name == name)
        .map(|template| template.text)
}
