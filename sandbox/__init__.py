"""Local venue twins: three exchanges on loopback that speak the venues' own wire protocols."""
