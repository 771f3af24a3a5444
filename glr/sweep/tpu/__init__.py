"""Jobs of a sweep on Cloud TPU slices: requested from Google, followed through a bucket, and given back."""
