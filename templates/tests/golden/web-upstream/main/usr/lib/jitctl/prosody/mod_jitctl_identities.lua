-- Managed by jitctl; local changes are replaced by the next apply.
-- Tells clients which components there are: identities in disco#info of their host, whose type
-- names a service and whose name is its address. A client hides what is not named here.

for kind, address in pairs(module:get_option("jitctl_components", {})) do
	module:add_identity("component", kind, address);
end
