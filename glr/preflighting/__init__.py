"""What a train step costs on a TPU that is not there: traced, compiled by the TPU compiler, and its figures read."""
