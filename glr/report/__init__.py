"""Report: what a run retrieves, as pictures and a page. No TensorFlow here."""
