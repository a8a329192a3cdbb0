"""Whether an image's kernels fit this machine's CPU."""

from pathlib import Path

import pytest

from marksim.runtime.cpu import fit_kernels

IMAGE = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi2",
    "NUMBA_CACHE_LOCATOR_CLASSES": "marksim.runtime.kernel_cache.BesideTheSource",
}


def cpu(tmp_path: Path, flags: str) -> Path:
    """A /proc/cpuinfo of a CPU with these flags."""
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse2 {flags}\n")
    return path


def test_a_cpu_that_has_all_of_it_uses_the_images_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing changes, and nothing is said."""
    environment = dict(IMAGE)
    assert fit_kernels(environment, cpu(tmp_path, "fma bmi2 avx avx2")) == ""
    assert environment == IMAGE
    assert capsys.readouterr().err == ""


def test_a_cpu_that_lacks_a_feature_compiles_for_itself_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image's choices are dropped for a cache of its own, and the sentence names what is missing."""
    environment = {**IMAGE, "PATH": "/bin"}
    assert fit_kernels(environment, cpu(tmp_path, "fma avx")) == "avx2 bmi2"
    assert environment.keys() == {"PATH", "NUMBA_CACHE_DIR"}
    assert "this CPU lacks avx2 bmi2" in capsys.readouterr().err


def test_a_machine_that_does_not_list_features_is_left_alone(tmp_path: Path) -> None:
    """An arm64 has no line of flags, another system no such file."""
    bare = tmp_path / "bare"
    bare.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    for path in (bare, tmp_path / "missing"):
        environment = dict(IMAGE)
        assert fit_kernels(environment, path) == ""
        assert environment == IMAGE


def test_outside_an_image_nothing_is_asked_for(tmp_path: Path) -> None:
    """Without the variables every CPU will do."""
    environment: dict[str, str] = {}
    assert fit_kernels(environment, cpu(tmp_path, "")) == ""
    assert environment == {}
