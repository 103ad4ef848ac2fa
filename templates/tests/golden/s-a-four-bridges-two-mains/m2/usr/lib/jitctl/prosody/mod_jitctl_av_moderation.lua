same as files/main/prosody/mod_jitctl_av_moderation.lua
