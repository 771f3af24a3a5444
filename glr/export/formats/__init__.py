"""The file formats of an export: each has a module here, and a script in glr.export.runtimes that tries its files."""
