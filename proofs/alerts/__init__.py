"""Every alert fires when its fault is caused on a running stack, and clears when the fault is gone."""
