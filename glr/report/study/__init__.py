"""A study's report: its configurations, how sure their scores and differences are, and an HTML page that shows both."""
