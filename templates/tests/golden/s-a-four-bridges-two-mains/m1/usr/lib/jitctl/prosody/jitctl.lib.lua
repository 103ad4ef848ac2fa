same as files/main/prosody/jitctl.lib.lua
