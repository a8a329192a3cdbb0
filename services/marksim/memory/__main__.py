"""`python -m marksim.memory`."""

from marksim.memory.service import MemoryService
from marksim.memory.settings import MemorySettings
from marksim.runtime.serve import run_service

if __name__ == "__main__":
    run_service("memory", MemorySettings, MemoryService)
