"""The command `compare`: tables of studies as Markdown, CSV, JSON or HTML. No TensorFlow here."""
