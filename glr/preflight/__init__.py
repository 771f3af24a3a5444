"""The command `preflight`: memory, time and price of a train step, from the TPU compiler without a TPU."""
