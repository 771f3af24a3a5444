"""The command `compare`: tables of studies as Markdown, CSV, JSON or HTML. It never imports TensorFlow."""
