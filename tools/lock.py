"""Makes the lock files from pyproject.toml, or checks that they belong to it.

python tools/lock.py           resolves anew (needs the network); what is locked stays unless pyproject.toml forbids it
python tools/lock.py --upgrade the same, with the newest versions that pyproject.toml allows
python tools/lock.py --check   offline: every requirement is locked, fits, and no file names a package registry
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
RUN, DEV, BUILD = "requirements.lock", "requirements-dev.lock", "requirements-build.lock"
OPTIONS = ["--universal", "--no-emit-index-url", "--no-emit-find-links", "--generate-hashes", "--python-version", "3.11"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# A lock that names a registry works only where that registry can be reached.
REGISTRY = re.compile(r"^\s*(--index-url|--extra-index-url|--find-links|-i |-f )|https?://", re.MULTILINE)


def requirements() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, by the lock file that has to hold it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"]
    dev = project["project"]["optional-dependencies"]["dev"]
    texts = {RUN: run, DEV: run + dev, BUILD: project["build-system"]["requires"]}
    return {name: [Requirement(text) for text in wanted] for name, wanted in texts.items()}


def pins(name: str) -> dict[str, set[Version]]:
    """Locked versions of each package; a universal lock may have one for each platform."""
    found: dict[str, set[Version]] = {}
    for package, version in PIN.findall((ROOT / name).read_text()):
        found.setdefault(canonicalize_name(package), set()).add(Version(version))
    return found


def complaints() -> list[str]:
    """One sentence for everything that is wrong with the lock files."""
    wrong = []
    for name, wanted in requirements().items():
        if REGISTRY.search((ROOT / name).read_text()):
            wrong.append(f"{name} names a package registry")
        locked = pins(name)
        for requirement in wanted:
            versions = locked.get(canonicalize_name(requirement.name), set())
            if not versions:
                wrong.append(f"{name} has no {requirement.name}")
            unfit = [version for version in versions if version not in requirement.specifier]
            wrong += [f"{name} has {requirement.name} {version}, not {requirement.specifier}" for version in unfit]
    run, dev = pins(RUN), pins(DEV)
    wrong += [f"{DEV} and {RUN} differ in {package}" for package in run if run[package] != dev.get(package)]
    return wrong


def compile_lock(name: str, arguments: list[str], text: str | None = None) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *OPTIONS, *arguments, "-o", name]
    subprocess.run(command, cwd=ROOT, input=text, text=True, check=True)


def main() -> int:
    if "--check" in sys.argv[1:]:
        wrong = complaints()
        for sentence in wrong:
            print(f"{sentence}; run `make lock`", file=sys.stderr)
        return 1 if wrong else 0
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    compile_lock(RUN, [*upgrade, "pyproject.toml"])
    compile_lock(DEV, [*upgrade, "--extra", "dev", "-c", RUN, "pyproject.toml"])
    compile_lock(BUILD, [*upgrade, "-c", DEV, "-"], "\n".join(str(requirement) for requirement in requirements()[BUILD]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
