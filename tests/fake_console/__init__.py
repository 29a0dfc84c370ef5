"""Stand-ins for a cluster, so that screens can be driven without one."""
