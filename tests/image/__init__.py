"""The container image: built for real, and looked into. `build` makes it for whoever needs one."""
