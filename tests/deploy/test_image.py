"""What the Dockerfile promises, as far as that can be seen without building it."""

import re
from pathlib import Path

import pytest
from tools.build_image import certificates, pip_conf

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def test_base_is_an_argument_with_a_slim_default() -> None:
    """A site may bring its own base."""
    assert "ARG BASE=python:3.12-slim-bookworm\n" in DOCKERFILE
    # With a value here Docker would build for that CPU everywhere.
    assert "ARG TARGETARCH\n" in DOCKERFILE
    assert len(re.findall(r"^FROM \$\{BASE\} AS python-(amd64|arm64)$", DOCKERFILE, re.MULTILINE)) == 2


def test_dependencies_come_from_the_lock_with_hashes() -> None:
    """Both installs check hashes; our own wheel needs no index."""
    installs = re.findall(r"pip --python \S+ install ([^\n]*)", DOCKERFILE)
    assert [("--require-hashes" in flags, "--no-index" in flags) for flags in installs] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_last_stage_runs_as_a_numbered_user() -> None:
    """Kubernetes checks runAsNonRoot by number."""
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert "\nUSER 10001:10001\n" in last
    assert 'ENTRYPOINT ["python", "-m", "marksim"]' in last


def test_build_and_run_name_the_same_cache() -> None:
    """A locator at run time that is not the build's would find nothing."""
    named = re.findall(r"NUMBA_CACHE_LOCATOR_CLASSES=(\S+)", DOCKERFILE)
    assert len(named) == 2
    assert set(named) == {"marksim.runtime.kernel_cache.BesideTheSource"}


def test_context_is_a_short_list() -> None:
    """Everything is left out but what the Dockerfile copies, so that no recorded data or history gets in."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    assert copied == allowed


def test_tilt_builds_as_make_does() -> None:
    """So a site's registry and certificates reach its build too, with docker as with buildah."""
    tiltfile = (ROOT / "Tiltfile").read_text()
    assert "'make --silent image IMAGE=$EXPECTED_REF " in tiltfile
    assert re.findall(r"^ *(docker_build|custom_build)\(", tiltfile, re.MULTILINE) == ["custom_build"]


def test_pip_settings_of_this_machine_stay_out() -> None:
    """A registry is handed on; folders of this machine are not."""
    settings = {
        "index-url": "https://packages.example/simple",
        "cert": "/etc/ca.pem",
        "find-links": "/opt/wheels",
        "timeout": "60",
    }
    assert pip_conf(settings) == "[global]\nindex-url = https://packages.example/simple\ntimeout = 60\n"


def test_certificates_are_those_that_pip_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own setting goes before the variables; a file that is not there is passed over."""
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    second.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(second))
    assert certificates({"cert": str(first)}) == second
    first.write_text("")
    assert certificates({"cert": str(first)}) == first
