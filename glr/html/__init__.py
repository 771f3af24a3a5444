"""What HTML pages share: templates, the look, colours and small images."""
