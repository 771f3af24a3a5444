"""Scripts that describe images with an exported file and its runtime alone, in a process of their own.

`python NAME.py MODEL IMAGES.npz OUT.npy` writes the descriptors, float32 [n, D]. The npz holds n images uint8 [H, W, 3]
for a model that takes any size, else an array uint8 [n, S, S, 3] for each input. The scripts import nothing from glr.
"""
