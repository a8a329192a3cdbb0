"""Writes deploy/grafana and the same files into the chart, or checks that they are what the code says.

python -m tools.dashboards          writes them
python -m tools.dashboards --check  exits 1 and names the files that are stale, missing or not ours
"""

import sys
from pathlib import Path

from tools.dashboards import archive, feed, market, memory, orders
from tools.dashboards.grafana import to_json

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = (ROOT / "deploy" / "grafana", ROOT / "deploy" / "helm" / "marksim" / "files" / "dashboards")
DASHBOARDS = (market.DASHBOARD, feed.DASHBOARD, orders.DASHBOARD, memory.DASHBOARD, archive.DASHBOARD)


def wanted() -> dict[Path, str]:
    """What must stand in every file."""
    texts = {f"{spec.name}.json": to_json(spec) for spec in DASHBOARDS}
    return {folder / name: text for folder in FOLDERS for name, text in texts.items()}


def stale() -> list[Path]:
    """Files that differ from the code, are missing, or belong to no dashboard."""
    files = wanted()
    strangers = {path for folder in FOLDERS for path in folder.glob("*.json")} - files.keys()
    different = {path for path, text in files.items() if not path.exists() or path.read_text() != text}
    return sorted(strangers | different)


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments == ["--check"]:
        for path in stale():
            print(f"stale, run make dashboards: {path.relative_to(ROOT)}")
        return 1 if stale() else 0
    for path in stale():
        text = wanted().get(path)
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        print(f"{'removed' if text is None else 'wrote'} {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
