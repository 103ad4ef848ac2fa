-- Managed by jitctl; local changes are replaced by the next apply.
-- The secrets of jitctl.cfg.lua, apart from it so that it can be shown. Readable by Prosody only.

-- The focus answers conference requests as this component (XEP-0114).
Component "focus.meet.example.org"
	component_secret = "@@secret:focus-component@@"
