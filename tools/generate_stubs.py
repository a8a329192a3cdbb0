"""Makes the stubs in services/marksim/v1 from proto/, with the locked grpcio-tools and mypy-protobuf.

python tools/generate_stubs.py           writes them
python tools/generate_stubs.py --check   exits 1 and names the files that are stale
"""

import importlib.metadata
import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
SERVICES = ROOT / "services"
STUBS = Path("marksim/v1")


def generate(target: Path) -> None:
    """Writes messages, their types, and the gRPC stubs with theirs, below `target`."""
    # The mypy-protobuf plugin is a script of the environment, which need not be activated.
    os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")
    well_known = Path(str(importlib.metadata.distribution("grpcio-tools").locate_file("grpc_tools/_proto")))
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO}",
            f"--proto_path={well_known}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if code:
        raise SystemExit(code)


def generated_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / STUBS).glob("*_pb2*.py*"))}


def stale_files() -> list[str]:
    """Names of the stubs that differ from what the .proto files make today, are missing, or have no source any more."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, present = generated_files(Path(folder)), generated_files(SERVICES)
    return sorted(name for name in fresh.keys() | present.keys() if fresh.get(name) != present.get(name))


def main() -> int:
    if "--check" not in sys.argv[1:]:
        for name in generated_files(SERVICES):
            (SERVICES / STUBS / name).unlink()
        generate(SERVICES)
        return 0
    stale = stale_files()
    if stale:
        print(f"stale stubs in services/{STUBS}: {', '.join(stale)}; run `make proto`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
