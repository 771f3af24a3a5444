"""glr: compose, train, score and compare image-retrieval models."""
