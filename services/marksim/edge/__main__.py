"""python -m marksim.edge."""

from marksim.edge.service import EdgeService
from marksim.edge.settings import EdgeSettings
from marksim.runtime.serve import run_service

if __name__ == "__main__":
    run_service("edge", EdgeSettings, EdgeService)
