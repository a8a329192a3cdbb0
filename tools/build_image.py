"""Builds the image with docker, or with buildah where no docker daemon answers.

    python tools/build_image.py marksim:dev [--base IMAGE] [further flags of docker build or buildah build]

A site's own registry of Python packages and certificates are found as pip finds them (`pip config list`: files and PIP_*
variables; SSL_CERT_FILE) and handed to the build as secrets: they are there while it installs, and not in the image.
Needs nothing but Python's standard library and pip.
"""

import argparse
import ast
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is about this machine's folders or about pip itself, not about where packages come from.
LEFT_OUT = {"cert", "cache-dir", "find-links", "target", "prefix", "require-virtualenv", "disable-pip-version-check", "user"}


def pip_settings() -> dict[str, str]:
    """What pip is told here, by name; a variable goes before a file, as in pip."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def pip_conf(settings: dict[str, str]) -> str:
    """The same as a pip.conf, without what is about this machine."""
    kept = {name: value for name, value in settings.items() if name not in LEFT_OUT}
    lines = [f"{name} = " + value.strip().replace("\n", "\n    ") for name, value in sorted(kept.items())]
    return "\n".join(["[global]", *lines, ""])


def certificates(settings: dict[str, str]) -> Path | None:
    """The bundle that pip is told to trust here; None where that is its own."""
    named = (settings.get("cert"), os.environ.get("SSL_CERT_FILE"), os.environ.get("REQUESTS_CA_BUNDLE"))
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def builder() -> list[str]:
    """The first that can build here; ends the program where none can."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return ["docker", "build"]
    if shutil.which("buildah"):
        # A stage whose name comes from an argument counts as unused for it, and it does not fill in TARGETARCH there.
        return ["buildah", "build", "--layers", "--skip-unused-stages=false", "--build-arg", f"TARGETARCH={architecture()}"]
    sys.exit("make image: needs a docker daemon that answers (docker info), or buildah; neither is here")


def architecture() -> str:
    """This machine's CPU as images name it."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)


def revision() -> str:
    """The commit that is built, marked where the work tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Build, and return the builder's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", help="name and tag")
    parser.add_argument("--base", default="", help="base image, instead of the Dockerfile's")
    arguments, further = parser.parse_known_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    settings = pip_settings()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pip.conf")
        config.write_text(pip_conf(settings), encoding="utf-8")
        secrets = [f"id=pip.conf,src={config}"]
        if bundle := certificates(settings):
            secrets.append(f"id=ca.crt,src={bundle}")
        command = [*builder(), "--file", "deploy/Dockerfile", "--tag", arguments.image]
        command += [part for secret in secrets for part in ("--secret", secret)]
        command += ["--build-arg", f"VERSION={version}", "--build-arg", f"REVISION={revision()}"]
        if arguments.base:
            command += ["--build-arg", f"BASE={arguments.base}"]
        return subprocess.run([*command, *further, "."], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
