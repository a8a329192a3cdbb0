"""The Grafana dashboards as code. `python -m tools.dashboards` writes them; each dashboard is a file here."""
