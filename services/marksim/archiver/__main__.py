from marksim.archiver.service import ArchiverService
from marksim.archiver.settings import ArchiverSettings
from marksim.runtime.serve import run_service

if __name__ == "__main__":
    run_service("archiver", ArchiverSettings, ArchiverService)
