-- Managed by jitctl; local changes are replaced by the next apply.
-- The secrets of jitctl.cfg.lua, apart from it so that it can be shown. Readable by Prosody only.

-- The focus answers conference requests as this component (XEP-0114).
Component "focus.meet.test"
	component_secret = "@@secret:focus-component@@"

VirtualHost "meet.test"
	external_service_secret = "@@secret:turn@@"
