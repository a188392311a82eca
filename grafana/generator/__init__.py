"""The dashboards: one file each; what they share is in kit, panels and queries."""
