"""`python -m marksim.engine`."""

from marksim.engine.service import EngineService
from marksim.engine.settings import EngineSettings
from marksim.runtime.serve import run_service

if __name__ == "__main__":
    run_service("engine", EngineSettings, EngineService)
