"""What may be done to descriptors and rankings in evaluation, and only there."""
