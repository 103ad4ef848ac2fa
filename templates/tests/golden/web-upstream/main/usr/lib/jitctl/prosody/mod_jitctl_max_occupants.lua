same as files/main/prosody/mod_jitctl_max_occupants.lua
