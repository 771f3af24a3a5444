"""The network (backbone, pooling, embedding and head), and the loading of trained networks."""
