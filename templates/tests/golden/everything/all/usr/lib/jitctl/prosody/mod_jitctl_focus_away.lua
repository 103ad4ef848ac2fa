same as files/main/prosody/mod_jitctl_focus_away.lua
