same as files/main/prosody/mod_jitctl_speakerstats.lua
